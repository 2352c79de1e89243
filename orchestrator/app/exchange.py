"""The facade: everything that a user of the exchange may ask, with errors that say who is to blame.

Methods that only look are plain and answer from memory; those that change something or read the past are awaited.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal

import trio
from attrs import define, frozen

from orchestrator.app.companies import Companies
from orchestrator.app.defence import Defence
from orchestrator.app.presence import Presence
from orchestrator.app.projections import CompanyFolds, Projections
from orchestrator.configuration.document import Document, Kind, Plan
from orchestrator.devices.engine.switch import EngineSwitch
from orchestrator.devices.journal.journal import SqlJournal
from orchestrator.devices.journal.subscription import Subscription
from orchestrator.devices.store.answers import Answers
from orchestrator.devices.store.history import Cursor, Found, History
from orchestrator.devices.store.keys import Keys
from orchestrator.explain import Language, Sentence, names_in, trace
from orchestrator.flows.life import NO_LEG
from orchestrator.flows.originate import originate
from orchestrator.flows.world import World
from orchestrator.model.access import KeyView, Principal
from orchestrator.model.bans import BanView, source_of
from orchestrator.model.calls import Direction
from orchestrator.model.certificate import Certificate
from orchestrator.model.commands import HangUpCall, OriginateCall, Side, TransferCall
from orchestrator.model.directory import Company
from orchestrator.model.errors import NoSuchCall, NoSuchObject, NotAccepting, NotPermitted
from orchestrator.model.identifiers import CallId, CommandId, CompanyId, PersonId
from orchestrator.model.journal import CommandAccepted, Entry
from orchestrator.model.registrations import Registration, TrunkState
from orchestrator.model.sip import SipTrace
from orchestrator.numbering.directory import Directory
from orchestrator.ports import Clock
from orchestrator.settings import Settings
from orchestrator.statistics.commands import CommandState
from orchestrator.statistics.counters import Counters
from orchestrator.statistics.live import LiveCall
from orchestrator.statistics.records import CallRecord


@frozen
class Part:
    """Whether a part of the exchange works, and why not."""

    ok: bool
    why: str = ""


@frozen
class Health:
    """Whether the exchange works."""

    engine: Part
    journal: Part
    store: Part
    certificate: Part
    """That of TLS: phones and trunks that use it fail without; the others do not."""
    folds: Part
    """Call records, live calls, figures, commands: whether a fault of ours has cost one of them an entry."""


@define(eq=False)
class Exchange:
    """Made by `open_exchange`. A company that does not exist raises `NoSuchCompany` everywhere."""

    settings: Settings
    started_at: datetime
    clock: Clock
    world: World
    switch: EngineSwitch
    journal: SqlJournal
    store: Companies
    projections: Projections
    presence: Presence
    defence: Defence
    history: History
    api_keys: Keys
    answers: Answers
    nursery: trio.Nursery
    """Where calls live."""
    loop_lag_s: float = 0.0
    """How late the event loop woke last."""

    # Configuration.

    def companies(self) -> Sequence[Company]:
        """All companies, by name."""
        return [self.store.states[id].configuration.company for id in sorted(self.store.states)]

    def directory(self, company: CompanyId) -> Directory:
        """The company's people, trunks and numbers now; never changes."""
        return self.store.directory(company)

    # Only the operator of the exchange may change trunks and emergency numbers: anybody else gets `NotPermitted`.

    def plan(self, document: object, *, as_operator: bool = True) -> Plan:
        """What `apply` would change. Raises `ConfigError` naming everything that is wrong. May take a second."""
        return self.store.plan(document, as_operator)

    async def apply(self, document: object, *, by: str, as_operator: bool = True) -> Plan:
        """Make a company exactly what `document` says; all of it or, on `ConfigError`, nothing."""
        return await self.store.apply(document, by, as_operator)

    def export(self, company: CompanyId) -> dict[str, Any]:
        """The company as one document, as `apply` takes it, without secrets."""
        return self.store.export(company)

    def document(self, company: CompanyId, kind: Kind, id: str) -> Document | None:
        """One object without its secrets."""
        return self.store.document(company, kind, id)

    def documents(
        self, company: CompanyId, kind: Kind, *, after: str | None = None, limit: int = 200
    ) -> list[Document]:
        """Objects by their identifiers, from the one after `after` on."""
        return self.store.documents(company, kind, after, limit)

    async def put(
        self,
        company: CompanyId,
        kind: Kind,
        id: str,
        body: Mapping[str, Any],
        *,
        if_version: int | None,
        by: str,
        as_operator: bool = True,
    ) -> Document:
        """Set one object. `if_version` 0: only if there is none. Raises `StaleVersion`, `ConfigError`."""
        return await self.store.put(company, kind, id, body, if_version, by, as_operator)

    async def delete(
        self,
        company: CompanyId,
        kind: Kind,
        id: str,
        *,
        if_version: int | None,
        by: str,
        as_operator: bool = True,
    ) -> None:
        """Remove one object. Raises `NoSuchObject`, `StaleVersion`, and `ConfigError` while others lead to it."""
        await self.store.delete(company, kind, id, if_version, by, as_operator)

    # Calls.

    def live_calls(self, company: CompanyId) -> list[LiveCall]:
        """The calls that go on, oldest first."""
        return list(self._folds(company).board.calls.values())

    def live_call(self, company: CompanyId, call: CallId) -> LiveCall | None:
        """One call that goes on."""
        return self._folds(company).board.calls.get(call)

    async def originate(self, company: CompanyId, *, caller: PersonId, to: str, by: str) -> CommandId:
        """Ring a person's devices, then connect that person to `to`. Raises `NoSuchObject`, `NotAccepting`."""
        if self.directory(company).person(caller) is None:
            raise NoSuchObject(f"no person {caller!r}")
        if not self.journal.accepting:
            raise NotAccepting("the exchange takes no new calls now: its journal cannot be written")
        command = OriginateCall(self.world.identifiers.command(), company, caller, to)
        self.journal.write(company, CommandAccepted(command.id, command.kind, by))
        self.nursery.start_soon(originate, self.world, command)
        return await self._accepted(command.id)

    async def hang_up(self, company: CompanyId, call: CallId, *, by: str) -> CommandId:
        """End a call. Raises `NoSuchCall`."""
        self.store.state(company)
        command = HangUpCall(self.world.identifiers.command())
        self.world.active.find(company, call).tell(command)
        self.journal.write(company, CommandAccepted(command.id, command.kind, by, call))
        return await self._accepted(command.id)

    async def transfer(
        self,
        company: CompanyId,
        call: CallId,
        *,
        to: str,
        leaving: Literal["caller", "callee"] = "callee",
        by: str,
    ) -> CommandId:
        """Connect who stays to `to`; the other is released. Raises `NoSuchCall`, `StateConflict`."""
        self.store.state(company)
        command = TransferCall(self.world.identifiers.command(), to, Side(leaving))
        self.world.active.find(company, call).tell(command)
        self.journal.write(company, CommandAccepted(command.id, command.kind, by, call))
        return await self._accepted(command.id)

    def command(self, company: CompanyId, id: CommandId) -> CommandState | None:
        """What became of a command; remembered for a day."""
        return self._folds(company).commands.states.get(id)

    # History.

    async def records(
        self,
        company: CompanyId,
        *,
        before: Cursor | None,
        limit: int,
        person: PersonId | None = None,
        number: str | None = None,
        direction: Direction | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[CallRecord]:
        """Call records, newest first, from right after `before` (start and call of the last one seen) on.

        A call that still goes on is found by neither `person` nor `number`.
        """
        self.store.state(company)
        return await self.history.records(
            company,
            before=before,
            limit=limit,
            person=person,
            number=number,
            direction=direction,
            since=since,
            until=until,
        )

    async def record(self, company: CompanyId, call: CallId) -> CallRecord | None:
        """One call's record."""
        self.store.state(company)
        return await self.history.record(company, call)

    async def trace(self, company: CompanyId, call: CallId, language: Language) -> Sequence[Sentence]:
        """Why a call went as it did, in words: one that goes on, or is over. Raises `NoSuchCall`."""
        directory = self.directory(company)
        records = await self.history.entries_of(company, call)
        if not records:
            raise NoSuchCall("no such call")
        return trace(records, names_in(directory), language)

    async def sip_trace(self, company: CompanyId, call: CallId, *, as_operator: bool = True) -> SipTrace:
        """What a call looks like on the wire, both legs and those that were tried. Only the operator may see it.

        Empty where it is over for long, of an earlier run, or nothing is kept. Raises `NoSuchCall`, `NotPermitted`.
        """
        self.store.state(company)
        records = await self.history.entries_of(company, call)
        if not records:
            raise NoSuchCall("no such call")
        if not as_operator:
            raise NotPermitted(
                "a call's SIP messages are the operator's to see: they name carriers and hidden numbers"
            )
        # Each run counts its legs anew.
        entries = [record.entry for record in records if record.at >= self.started_at]
        legs = dict.fromkeys(leg for entry in entries if (leg := getattr(entry, "leg", NO_LEG)) != NO_LEG)
        return await self.switch.sip_trace(list(legs))

    async def entries_after(
        self,
        company: CompanyId,
        seq: int,
        limit: int,
        *,
        kinds: Collection[type[Entry]] | None = None,
        call: CallId | None = None,
    ) -> Found:
        """The journal from one place on, as far as it was told, only some kinds or one call's.

        Each search looks at some thousand entries at most, wanted or not: go on from its `place` until `last_seq`.
        """
        last = self.last_seq(company)
        if seq >= last:
            return Found([], seq)
        return await self.history.entries_after(company, seq, limit, last, kinds, call)

    def last_seq(self, company: CompanyId) -> int:
        """The newest entry that was told; 0 if there is none."""
        self.store.state(company)
        return self.journal.last_seq(company)

    @asynccontextmanager
    async def subscribe(self, company: CompanyId) -> AsyncIterator[Subscription]:
        """Follow the journal from now on. Iterating ends with `SlowConsumer` for whoever falls too far behind."""
        with self.journal.followers.follow(company, self.last_seq(company)) as subscription:
            yield subscription

    def counters(self, company: CompanyId) -> Counters:
        """The figures of the company's day."""
        return self._folds(company).day.snapshot(self.clock.now())

    def registrations(self, company: CompanyId) -> list[Registration]:
        """Where the company's devices are registered."""
        self.store.state(company)
        return self.presence.registrations(company)

    def trunk_states(self, company: CompanyId) -> list[TrunkState]:
        """How the company's trunks stand."""
        trunks = self.directory(company).trunks.values()
        return [self.presence.trunk(company, trunk) for trunk in trunks]

    # Operations.

    def health(self) -> Health:
        """Whether the exchange works."""
        dead = self.switch.fault()
        certificate = self.switch.certificate
        untrusted = certificate.trouble(self.clock.now()) if certificate else ""
        database, fault, behind = self.store.database, self.journal.fault, self.journal.folds.fault()
        return Health(
            Part(not dead, dead),
            Part(fault is None, fault or ""),
            Part(database.fault is None, database.fault or ""),
            Part(not untrusted, untrusted),
            Part(not behind, behind),
        )

    def certificate(self) -> Certificate | None:
        """The one that is shown over TLS; None where nothing listens for that."""
        return self.switch.certificate

    def listening(self) -> tuple[str, ...]:
        """Where SIP is taken: "udp:5060", "wss:7443". On which addresses is not told: it may be asked without a key."""
        places = (at.split(":", 1)[0] + ":" + at.rpartition(":")[2] for at in self.switch.engine.listening())
        return tuple(dict.fromkeys(places))

    def bans(self) -> list[BanView]:
        """Sources that are not listened to now, by source."""
        return self.defence.in_force()

    def lift_ban(self, address: str, *, by: str) -> None:
        """Listen again to the source that an address belongs to. Raises `NoSuchObject` if it is not banned."""
        try:
            source = source_of(address)
        except ValueError as error:
            raise NoSuchObject(f"{address!r} is no address such as 192.0.2.7") from error
        if not self.defence.lift(source, by):
            raise NoSuchObject(f"{source} is not banned")
        self.switch.lift_ban(source)

    def engine_counters(self) -> dict[str, int]:
        """Totals and levels since start: the engine's, and the orchestrator's own."""
        return self.switch.engine.counters() | {
            "calls_served": self.world.active.served,
            "calls_crashed": self.world.active.crashed,
            "engine_events_faulty": self.switch.faults,
            "journal_waiting": self.journal.waiting(),
            "journal_lost": self.journal.lost,
            "folds_crashed": self.journal.folds.behind.total(),
            "subscribers_slow": self.journal.followers.slow,
        }

    def new_id(self) -> str:
        """A name for a request: unique and unguessable."""
        return self.world.identifiers.command()

    # Keys.

    async def create_key(
        self,
        *,
        company: CompanyId | None,
        name: str,
        scopes: frozenset[str],
        expires_at: datetime | None = None,
    ) -> tuple[KeyView, str]:
        """A new API key and its secret, which is told only now. Raises `DomainError` for unknown scopes."""
        if company is not None:
            self.store.state(company)
        return await self.api_keys.create(company, name, scopes, expires_at)

    async def authenticate(self, secret: str) -> Principal | None:
        """Who this secret belongs to; None when it is unknown or has expired."""
        return self.api_keys.principal(secret)

    async def has_expired(self, secret: str) -> bool:
        """Whether this secret once was good, so that its owner may be told."""
        return self.api_keys.has_expired(secret)

    async def keys(self) -> list[KeyView]:
        """All keys, oldest first."""
        return self.api_keys.views()

    async def revoke_key(self, id: str) -> None:
        """End a key at once. Raises `NoSuchObject`."""
        await self.api_keys.revoke(id)

    async def once(
        self, company: CompanyId | None, key: str, fingerprint: str, action: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        """Carry out `action` once for this Idempotency-Key; its answer, and whether it is an old one.

        Raises `KeyReused`, `InFlight`, `OutcomeUnknown`, and what `action` raises: after a refusal the key may be
        used again.
        """
        return await self.answers.once(company or "", key, fingerprint, action)

    async def _accepted(self, command: CommandId) -> CommandId:
        """Whoever has a command's name can ask for it."""
        await self.journal.durable()
        return command

    def _folds(self, company: CompanyId) -> CompanyFolds:
        self.store.state(company)
        return self.projections.companies[company]
