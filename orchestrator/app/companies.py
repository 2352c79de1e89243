"""The companies of the exchange: their configuration now, and every change to it."""

import zoneinfo
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio
from attrs import define, field

from orchestrator.configuration.document import Body, Configuration, Document, Key, Kind, Plan, Surroundings
from orchestrator.configuration.planning import (
    Change,
    plan_delete,
    plan_document,
    plan_put,
    restore,
)
from orchestrator.configuration.prompts import prompts_of
from orchestrator.configuration.writing import export, without_secrets, write_one
from orchestrator.devices.prompts import Prompts
from orchestrator.devices.store.database import Database
from orchestrator.devices.store.objects import load_objects, save_plan
from orchestrator.model.errors import NoSuchCompany, NoSuchObject, StaleVersion
from orchestrator.model.identifiers import CompanyId, PromptName
from orchestrator.model.journal import ConfigurationChanged
from orchestrator.numbering.directory import Directory, directory_of
from orchestrator.ports import RINGBACK, Clock, Journal


@define(eq=False)
class CompanyState:
    """One company now. Replaced whole by a change; calls keep the directory that they began with."""

    configuration: Configuration
    directory: Directory
    versions: dict[Key, int]
    names: dict[Kind, list[str]] = field(factory=dict)
    """Sorted identifiers, made when first asked for."""


@define(eq=False)
class Companies:
    """Reads are from memory. Changes come one after the other: planned, stored, made, told."""

    database: Database
    clock: Clock
    journal: Journal
    prompts: Prompts
    is_own: Callable[[str, int, str], bool] | None = None
    """Whether a host, port and transport are those that the exchange listens on."""
    changed: list[Callable[[Change], Awaitable[None]]] = field(factory=list)
    """Awaited after each change: the engine's tables, the folds of a new company."""
    followed: list[Callable[[CompanyId], Awaitable[None]]] = field(factory=list)
    """Awaited after that, while others may change their company already: what may take long."""
    states: dict[CompanyId, CompanyState] = field(factory=dict)
    _zones: frozenset[str] = frozenset()
    _lock: trio.Lock = field(factory=trio.Lock)

    async def load(self) -> None:
        """Read what is stored. Raises `ConfigError` if that makes no sense."""
        self._zones = frozenset(await trio.to_thread.run_sync(zoneinfo.available_timezones))
        self.states = await self.database.read(lambda connection: _states(load_objects(connection)))

    def state(self, company: CompanyId) -> CompanyState:
        """One company. Raises `NoSuchCompany`."""
        try:
            return self.states[company]
        except KeyError:
            raise NoSuchCompany(company) from None

    def directory(self, company: CompanyId) -> Directory:
        """The company's directory now. Raises `NoSuchCompany`."""
        return self.state(company).directory

    def document(self, company: CompanyId, kind: Kind, id: str) -> Document | None:
        """One object without its secrets."""
        state = self.state(company)
        version = state.versions.get((kind, id))
        if version is None:
            return None
        return Document(kind, id, without_secrets(write_one(state.configuration, (kind, id))), version)

    def documents(self, company: CompanyId, kind: Kind, after: str | None, limit: int) -> list[Document]:
        """Objects by their identifiers, from the one after `after` on."""
        state = self.state(company)
        if kind not in state.names:
            state.names[kind] = sorted(id for of, id in state.versions if of == kind)
        names = (id for id in state.names[kind] if after is None or id > after)
        found = (self.document(company, kind, id) for id, _ in zip(names, range(limit), strict=False))
        return [document for document in found if document is not None]

    def export(self, company: CompanyId) -> dict[str, Any]:
        """The whole company as one document, without secrets."""
        return export(self.state(company).configuration)

    def plan(self, document: object, as_operator: bool) -> Plan:
        """What `apply` would change. Raises as it does."""
        return self._planned(document, as_operator).plan

    async def apply(self, document: object, by: str, as_operator: bool) -> Plan:
        """Make a company exactly what `document` says; all of it or, on `ConfigError` or `NotPermitted`, nothing."""
        async with self._lock:
            change = await trio.to_thread.run_sync(self._planned, document, as_operator)
            await self._make(change, by)
        await self._follow(change)
        await self.journal.durable()
        return change.plan

    async def put(
        self,
        company: CompanyId,
        kind: Kind,
        id: str,
        body: Body,
        if_version: int | None,
        by: str,
        as_operator: bool,
    ) -> Document:
        """Set one object. `if_version` 0: only if there is none. Raises `StaleVersion`, `ConfigError`,
        `NotPermitted`."""
        async with self._lock:
            state = self.state(company)
            _check_version(state, (kind, id), if_version)
            around = self._around(as_operator)
            change = await trio.to_thread.run_sync(plan_put, state.configuration, kind, id, body, around)
            await self._make(change, by)
        await self._follow(change)
        await self.journal.durable()
        document = self.document(company, kind, id)
        if document is None:
            raise AssertionError("what was put is there")
        return document

    async def delete(
        self,
        company: CompanyId,
        kind: Kind,
        id: str,
        if_version: int | None,
        by: str,
        as_operator: bool,
    ) -> None:
        """Remove one object. Raises `NoSuchObject`, `StaleVersion`, `NotPermitted`, and `ConfigError` while others
        lead to it."""
        async with self._lock:
            state = self.state(company)
            if (kind, id) not in state.versions:
                raise NoSuchObject(f"no {kind} {id!r}")
            _check_version(state, (kind, id), if_version)
            around = self._around(as_operator)
            change = await trio.to_thread.run_sync(plan_delete, state.configuration, kind, id, around)
            await self._make(change, by)
        await self._follow(change)
        await self.journal.durable()

    def _planned(self, document: object, as_operator: bool) -> Change:
        name = document.get("company") if isinstance(document, Mapping) else None
        state = self.states.get(CompanyId(name)) if isinstance(name, str) else None
        return plan_document(document, state.configuration if state else None, self._around(as_operator))

    def _around(self, as_operator: bool) -> Surroundings:
        configurations = [state.configuration for state in self.states.values()]
        domains = {one.company.domain: one.company.id for one in configurations}
        trunks = {one.company.id: tuple(one.trunks.values()) for one in configurations}
        return Surroundings(domains, trunks, self._zones, self.prompts.names, self.is_own, as_operator)

    async def _make(self, change: Change, by: str) -> None:
        plan = change.plan
        if not plan.changes:
            return
        before = self.states.get(plan.company)
        versions = dict(before.versions) if before else {}
        for key in plan.put:
            versions[key] = versions.get(key, 0) + 1
        for key in plan.delete:
            del versions[key]
        known = prompts_of(before.configuration) | {RINGBACK} if before else set()
        await trio.to_thread.run_sync(self._check_prompts, change.after, known)
        state = await trio.to_thread.run_sync(_state, change.after, versions)
        now = self.clock.now()
        with trio.CancelScope(shield=True):
            await self.database.write(lambda connection: save_plan(connection, plan, versions, now))
            self.states[plan.company] = state
            for told in self.changed:
                await told(change)
            self.journal.write(plan.company, ConfigurationChanged(by, _shortened(plan.changes)))

    async def _follow(self, change: Change) -> None:
        with trio.CancelScope(shield=True):
            for follows in self.followed:
                await follows(change.plan.company)

    def _check_prompts(self, after: Configuration, known: set[PromptName]) -> None:
        """Raises `ConfigError` if a file of the company's own cannot be played that it needs from now on."""
        company = after.company
        for name in sorted((prompts_of(after) | {RINGBACK}) - known):
            if self.prompts.has_own(company.id, name):
                self.prompts.samples(company.id, company.language, name)


def _states(objects: Mapping[CompanyId, Mapping[Key, tuple[int, Body]]]) -> dict[CompanyId, CompanyState]:
    return {
        company: _state(
            restore({key: body for key, (_, body) in documents.items()}),
            {key: version for key, (version, _) in documents.items()},
        )
        for company, documents in objects.items()
    }


def _state(configuration: Configuration, versions: dict[Key, int]) -> CompanyState:
    directory = directory_of(
        configuration.company,
        configuration.people.values(),
        configuration.trunks.values(),
        configuration.numbers.values(),
        configuration.sites.values(),
    )
    return CompanyState(configuration, directory, versions)


def _check_version(state: CompanyState, key: Key, if_version: int | None) -> None:
    now = state.versions.get(key, 0)
    if if_version is not None and if_version != now:
        raise StaleVersion(f"{key[0]} {key[1]} has version {now}, not {if_version}")


def _shortened(changes: tuple[str, ...]) -> tuple[str, ...]:
    if len(changes) <= _CHANGES_MAX:
        return changes
    return (*changes[:_CHANGES_MAX], f"and {len(changes) - _CHANGES_MAX} more changes")


_CHANGES_MAX = 200
"""Lines in one journal entry."""
