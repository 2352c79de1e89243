"""Starts an exchange, piece by piece, and ends it the other way round."""

import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog
import trio
from attrs import define, field, frozen

from orchestrator.app.companies import Companies
from orchestrator.app.defence import Defence
from orchestrator.app.exchange import Exchange
from orchestrator.app.own import own_addresses
from orchestrator.app.presence import Presence
from orchestrator.app.projections import Projections
from orchestrator.app.secret import secret_in
from orchestrator.configuration.planning import Change
from orchestrator.configuration.prompts import prompts_of
from orchestrator.devices.clock import SystemClock
from orchestrator.devices.engine.switch import EngineSwitch, Listeners, open_switch
from orchestrator.devices.identifiers import TimedIdentifiers
from orchestrator.devices.journal.journal import SqlJournal, open_journal
from orchestrator.devices.journal.reaper import ends_of, failures_of
from orchestrator.devices.journal.writer import Writer
from orchestrator.devices.prompts import Prompts, ringback
from orchestrator.devices.store.answers import Answers
from orchestrator.devices.store.bans import Bans
from orchestrator.devices.store.bindings import Bindings
from orchestrator.devices.store.database import Database, open_database
from orchestrator.devices.store.history import History, alive_at, newest_of_journals, open_calls
from orchestrator.devices.store.keys import Keys
from orchestrator.flows.serve import serve
from orchestrator.flows.world import World
from orchestrator.model.calls import Arrival
from orchestrator.model.errors import ConfigError, ResourceError
from orchestrator.model.identifiers import CompanyId
from orchestrator.model.journal import Record
from orchestrator.numbering.directory import Directory
from orchestrator.ports import RINGBACK, TransferAsked
from orchestrator.settings import Settings


@asynccontextmanager
async def open_exchange(settings: Settings, rng: random.Random | None = None) -> AsyncIterator[Exchange]:
    """Start the store, the journal, the engine and the flows; end all of them cleanly when the block is left.

    Raises `ConfigError` for what the operator got wrong, `ResourceError` for what the host lacks; then nothing
    is left running.
    """
    sys.setswitchinterval(_SWITCH_S)
    _make_folder(settings.data_dir)
    database = await trio.to_thread.run_sync(open_database, settings.database)
    try:
        past = await database.read(_past)
        async with (
            _journal(database, past) as journal,
            _exchange(settings, database, journal, past, rng or random.SystemRandom()) as exchange,
        ):
            yield exchange
    except BaseExceptionGroup as group:
        told = _told(group)
        if told is None:
            raise
        raise told from group
    finally:
        database.close()


@frozen
class _Past:
    """What an earlier run left."""

    newest: dict[CompanyId, int]
    open_calls: list[list[Record]]
    alive_at: datetime


def _past(connection: sa.Connection) -> _Past:
    return _Past(newest_of_journals(connection), open_calls(connection), alive_at(connection))


@asynccontextmanager
async def _journal(database: Database, past: _Past) -> AsyncIterator[SqlJournal]:
    writer = Writer(database.raw(), database.writing)
    for call in past.open_calls:
        for record in call:
            writer.folds.guard("call_records", writer.calls.apply, record)
    async with open_journal(SystemClock(), writer, past.newest) as journal:
        yield journal


@asynccontextmanager
async def _exchange(
    settings: Settings, database: Database, journal: SqlJournal, past: _Past, rng: random.Random
) -> AsyncIterator[Exchange]:
    clock = journal.clock
    prompts = Prompts(settings.data_dir / "prompts")
    companies = Companies(database, clock, journal, prompts, own_addresses(settings))
    await companies.load()
    projections = Projections()
    for id, state in companies.states.items():
        projections.open(id, state.configuration.company.time_zone)
    now = clock.now()
    await database.read(lambda connection: projections.rebuild(connection, now, journal.folds))
    projections.fold_into(journal.folds)
    _close_what_was_open(journal, past, projections)
    keys = Keys(database, clock, rng)
    await keys.load()
    if not keys.views():
        await _first_key(keys, settings.data_dir / "operator.key")
    bindings = Bindings(database)
    presence = Presence(bindings, journal, clock)
    bans = Bans(database)
    defence = Defence(bans, clock, timedelta(seconds=settings.ban_s[1]))
    reception = _Reception()
    listeners = Listeners(
        reception.handle_arrival,
        presence.handle_registered,
        presence.handle_refreshed,
        presence.handle_trunk,
        reception.handle_transfer,
        defence.handle_banned,
        defence.handle_lifted,
    )
    secret = await trio.to_thread.run_sync(secret_in, settings.data_dir, rng)
    async with (
        open_switch(settings, journal, clock, listeners, secret) as switch,
        trio.open_nursery() as nursery,
    ):
        world = World(switch, journal, TimedIdentifiers(clock, rng), companies.directory)
        supply = _Supply(companies, projections, prompts, switch, journal)
        companies.changed.append(supply.handle_change)
        companies.followed.append(supply.recount)
        await supply.fill()
        reception.world, reception.nursery = world, nursery
        await trio.to_thread.run_sync(switch.configure, supply.directories())
        switch.restore(await presence.load())
        switch.restore_bans(await defence.load(), defence.memory)
        exchange = Exchange(
            settings,
            clock.now(),
            clock,
            world,
            switch,
            journal,
            companies,
            projections,
            presence,
            defence,
            History(database),
            keys,
            Answers(database, clock),
            nursery,
        )
        if isinstance(clock, SystemClock):
            nursery.start_soon(clock.follow)
        nursery.start_soon(bindings.keep)
        nursery.start_soon(bans.keep)
        nursery.start_soon(_watch_lag, exchange)
        try:
            yield exchange
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await bindings.flush()
                await bans.flush()


@define(eq=False)
class _Reception:
    """Starts a task for each arrival, and hands on what phones ask of calls."""

    world: World | None = None
    nursery: trio.Nursery | None = None

    def handle_arrival(self, arrival: Arrival) -> None:
        if self.world is not None and self.nursery is not None:
            self.nursery.start_soon(serve, self.world, arrival)

    def handle_transfer(self, asked: TransferAsked) -> None:
        if self.world is not None:
            self.world.active.handle_asked(asked)


@define(eq=False)
class _Supply:
    """Keeps the engine supplied with accounts, trunks and prompts, and the folds with companies."""

    companies: Companies
    projections: Projections
    prompts: Prompts
    switch: EngineSwitch
    journal: SqlJournal
    _given: set[tuple[CompanyId, str, str]] = field(factory=set)
    _recounting: dict[CompanyId, trio.Lock] = field(factory=dict)

    def directories(self) -> list[Directory]:
        """All companies' directories now."""
        return [state.directory for state in self.companies.states.values()]

    async def fill(self) -> None:
        """All prompts, at start."""
        self.switch.set_prompt(None, RINGBACK, ringback())
        for company in self.companies.states:
            await self._prompts(company)

    async def handle_change(self, change: Change) -> None:
        company = change.after.company
        self.projections.open(company.id, company.time_zone)
        await self._prompts(company.id)
        touched = {kind for kind, _ in (*change.plan.put, *change.plan.delete)}
        if touched - {"number", "site"}:
            await trio.to_thread.run_sync(self.switch.configure, self.directories())

    async def recount(self, id: CompanyId) -> None:
        """Count the day by the company's time zone. Reads a day of its journal if that is another than before."""
        async with self._recounting.setdefault(id, trio.Lock()):
            zone = self.companies.state(id).configuration.company.time_zone
            journal, now = self.journal, self.companies.clock.now()
            told, database = journal.last_seq(id), self.companies.database
            try:
                await self.projections.move(id, zone, now, told, database, journal.folds)
            except ResourceError as error:
                _log.error("figures keep the old time zone", company=id, why=str(error))

    async def _prompts(self, id: CompanyId) -> None:
        configuration = self.companies.state(id).configuration
        language = configuration.company.language
        for name in sorted(prompts_of(configuration) | {RINGBACK}):
            if (id, language, name) in self._given or (
                name == RINGBACK and not self.prompts.has_own(id, name)
            ):
                continue
            try:
                samples = await trio.to_thread.run_sync(self.prompts.samples, id, language, name)
            except ConfigError as error:
                # Its file went bad after the change that asked for it. Calls go on without it.
                _log.error("a prompt cannot be played", company=id, prompt=name, why=str(error))
                continue
            self.switch.set_prompt(id, name, samples)
            self._given = {given for given in self._given if given[0::2] != (id, name)}
            self._given.add((id, language, name))


def _close_what_was_open(journal: SqlJournal, past: _Past, projections: Projections) -> None:
    for company, entry in ends_of(past.open_calls, past.alive_at):
        journal.write(company, entry)
    for company, folds in projections.companies.items():
        for of, failure in failures_of(company, list(folds.commands.states.values())):
            journal.write(of, failure)


async def _first_key(keys: Keys, file: Path) -> None:
    _, secret = await keys.create(None, "operator", frozenset({"admin"}), None)
    await trio.to_thread.run_sync(_write_secret, file, secret)


def _write_secret(file: Path, secret: str) -> None:
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            file.chmod(0o600)
            out.write(secret + "\n")
    except OSError as error:
        raise ResourceError(f"{file}: {error.strerror}") from error


def _told(group: BaseExceptionGroup[BaseException]) -> ConfigError | ResourceError | None:
    """The one error that somebody can do something about, out of the nurseries that it came through."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, ConfigError | ResourceError) else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"data folder {folder}: {error.strerror}") from error


async def _watch_lag(exchange: Exchange) -> None:
    while True:
        due = trio.current_time() + _LAG_EVERY_S
        await trio.sleep_until(due)
        exchange.loop_lag_s = trio.current_time() - due


_LAG_EVERY_S = 0.5
_SWITCH_S = 0.001
"""How long a busy thread may keep the interpreter from another: the journal's asks for it several times a commit."""


_log = structlog.get_logger(__name__)
