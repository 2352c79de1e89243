"""An exchange in memory behind the same facade: real configuration, real folds, no switch and no disk."""

import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import trio
from attrs import frozen

from orchestrator.configuration.document import Configuration, Document, Kind, Plan, Surroundings
from orchestrator.configuration.planning import (
    Change,
    plan_delete,
    plan_document,
    plan_put,
)
from orchestrator.configuration.writing import documents_of, export, without_secrets
from orchestrator.devices.store.history import LOOKED_AT_MAX, Found
from orchestrator.explain import Language, Sentence, names_in, trace
from orchestrator.model.access import KeyView, Principal
from orchestrator.model.bans import Ban, BanView, source_of
from orchestrator.model.certificate import Certificate
from orchestrator.model.errors import (
    InFlight,
    KeyReused,
    NoSuchCall,
    NoSuchCompany,
    NoSuchObject,
    NotPermitted,
    SlowConsumer,
    StaleVersion,
)
from orchestrator.model.identifiers import CallId, CommandId, CompanyId
from orchestrator.model.journal import CommandAccepted, CommandCompleted, ConfigurationChanged, Entry, Record
from orchestrator.model.registrations import TrunkState
from orchestrator.model.sip import SipTrace
from orchestrator.numbering.directory import Directory, directory_of
from orchestrator.statistics.commands import Commands, CommandState
from orchestrator.statistics.counters import Counters
from orchestrator.statistics.day import Day
from orchestrator.statistics.live import CallBoard, LiveCall
from orchestrator.statistics.records import CallRecord, CallRecords

START = datetime(2026, 11, 24, 9, tzinfo=UTC)


class FakeExchange:
    """What `orchestrator.app.Exchange` promises, as far as the API asks for it."""

    def __init__(self) -> None:
        self.now = START
        self.rng = itertools.count(1)
        self.configurations: dict[CompanyId, Configuration] = {}
        self.versions: dict[tuple[CompanyId, Kind, str], int] = {}
        self.secrets: dict[str, tuple[Principal, datetime | None]] = {}
        self.views: dict[str, KeyView] = {}
        self.answers: dict[tuple[CompanyId | None, str], tuple[str, bytes | None]] = {}
        self.journals: dict[CompanyId, _Journal] = {}
        self.registered: list[Any] = []
        self.trunks: list[TrunkState] = []
        self.banned: dict[str, Ban] = {}
        self.looks_at = LOOKED_AT_MAX
        self.state = Health()
        self.shown: Certificate | None = None
        self.loop_lag_s = 0.0
        self.sip: dict[CallId, SipTrace] = {}

    def new_id(self) -> str:
        return f"01900000-0000-7000-8000-{next(self.rng):012x}"

    # configuration

    def companies(self) -> Sequence[Any]:
        return [c.company for c in self.configurations.values()]

    def directory(self, company: CompanyId) -> Directory:
        c = self._configuration(company)
        return directory_of(
            c.company, c.people.values(), c.trunks.values(), c.numbers.values(), c.sites.values()
        )

    def plan(self, document: Mapping[str, object], *, as_operator: bool = True) -> Plan:
        return self._plan(document, as_operator).plan

    async def apply(self, document: Mapping[str, object], *, by: str, as_operator: bool = True) -> Plan:
        return self._take(self._plan(document, as_operator), by)

    def document(self, company: CompanyId, kind: Kind, id: str) -> Document | None:
        body = documents_of(self._configuration(company)).get((kind, id))
        return Document(kind, id, without_secrets(body), self.versions[company, kind, id]) if body else None

    def documents(
        self, company: CompanyId, kind: Kind, *, after: str | None = None, limit: int = 200
    ) -> list[Document]:
        ids = sorted(
            i
            for k, i in documents_of(self._configuration(company))
            if k == kind and (after is None or i > after)
        )
        return [d for i in ids[:limit] if (d := self.document(company, kind, i))]

    async def put(
        self,
        company: CompanyId,
        kind: Kind,
        id: str,
        body: object,
        *,
        if_version: int | None,
        by: str,
        as_operator: bool = True,
    ) -> Document:
        change = plan_put(self._configuration(company), kind, id, body, Surroundings(as_operator=as_operator))
        self._check_version(company, kind, id, if_version)
        self._take(change, by)
        found = self.document(company, kind, id)
        assert found
        return found

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
        change = plan_delete(self._configuration(company), kind, id, Surroundings(as_operator=as_operator))
        self._check_version(company, kind, id, if_version)
        self._take(change, by)

    def export(self, company: CompanyId) -> Mapping[str, Any]:
        return export(self._configuration(company))

    def _configuration(self, company: CompanyId) -> Configuration:
        if company not in self.configurations:
            raise NoSuchCompany(company)
        return self.configurations[company]

    def _plan(self, document: Mapping[str, object], as_operator: bool) -> Change:
        now = self.configurations.get(CompanyId(str(document.get("company"))))
        return plan_document(document, now, Surroundings(as_operator=as_operator))

    def _check_version(self, company: CompanyId, kind: Kind, id: str, version: int | None) -> None:
        if version is not None and self.versions.get((company, kind, id), 0) != version:
            raise StaleVersion(f"{kind} {id} was changed")

    def _take(self, change: Change, by: str) -> Plan:
        company = change.plan.company
        self.configurations[company] = change.after
        self.journals.setdefault(company, _Journal(company))
        for key in change.plan.put:
            self.versions[company, *key] = self.versions.get((company, *key), 0) + 1
        for key in change.plan.delete:
            del self.versions[company, *key]
        if change.plan.changes:
            self.write(company, ConfigurationChanged(by, change.plan.changes))
        return change.plan

    # calls

    def write(self, company: CompanyId, entry: Entry, after_s: float = 0.1) -> Record:
        self.now += timedelta(seconds=after_s)
        return self.journals[company].write(self.now, entry)

    def live_calls(self, company: CompanyId) -> list[LiveCall]:
        return list(self.journals[company].board.calls.values())

    def live_call(self, company: CompanyId, call: CallId) -> LiveCall | None:
        return self.journals[company].board.calls.get(call)

    async def originate(self, company: CompanyId, *, caller: str, to: str, by: str) -> CommandId:
        if caller not in self._configuration(company).people:
            raise NoSuchObject(f"no person {caller!r}")
        return self._command(company, "originate", by, None)

    async def hang_up(self, company: CompanyId, call: CallId, *, by: str) -> CommandId:
        return self._command(company, "hang_up", by, call)

    async def transfer(
        self, company: CompanyId, call: CallId, *, to: str, leaving: str = "callee", by: str
    ) -> CommandId:
        return self._command(company, "transfer", by, call)

    def command(self, company: CompanyId, command: CommandId) -> CommandState | None:
        return self.journals[company].commands.states.get(command)

    def _command(self, company: CompanyId, kind: str, by: str, call: CallId | None) -> CommandId:
        if call is not None and self.live_call(company, call) is None:
            raise NoSuchCall(f"no call {call!r}")
        command = CommandId(self.new_id())
        self.write(company, CommandAccepted(command, kind, by, call))
        self.write(company, CommandCompleted(command, kind, call))
        return command

    # history

    async def records(
        self,
        company: CompanyId,
        *,
        before: tuple[datetime, CallId] | None,
        limit: int,
        person: str | None = None,
        number: str | None = None,
        direction: object = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[CallRecord]:
        found = sorted(
            self.journals[company].kept.values(), key=lambda r: (r.started_at, r.call), reverse=True
        )
        return [
            r
            for r in found
            if (before is None or (r.started_at, r.call) < before)
            and (person is None or person in r.people)
            and number in (None, r.number)
            and direction in (None, r.direction)
            and (since is None or r.started_at >= since)
            and (until is None or r.started_at < until)
        ][:limit]

    async def record(self, company: CompanyId, call: CallId) -> CallRecord | None:
        return self.journals[company].kept.get(call)

    async def trace(self, company: CompanyId, call: CallId, language: Language) -> Sequence[Sentence]:
        records = [r for r in self.journals[company].records if getattr(r.entry, "call", None) == call]
        if not records:
            raise NoSuchCall("no such call")
        return trace(records, names_in(self.directory(company)), language)

    async def sip_trace(self, company: CompanyId, call: CallId, *, as_operator: bool = True) -> SipTrace:
        await self.trace(company, call, "en")
        if not as_operator:
            raise NotPermitted("for the operator")
        return self.sip.get(call, SipTrace((), 0))

    async def entries_after(
        self,
        company: CompanyId,
        seq: int,
        limit: int,
        *,
        kinds: Collection[type[Entry]] | None = None,
        call: CallId | None = None,
    ) -> Found:
        await trio.lowlevel.checkpoint()
        looked_at = self.journals[company].records[seq : seq + self.looks_at]
        found = [
            record
            for record in looked_at
            if (kinds is None or type(record.entry) in kinds)
            and (call is None or getattr(record.entry, "call", None) == call)
        ][:limit]
        return Found(found, found[-1].seq if len(found) == limit else seq + len(looked_at))

    def last_seq(self, company: CompanyId) -> int:
        return len(self.journals[company].records)

    @asynccontextmanager
    async def subscribe(self, company: CompanyId) -> Any:
        send, receive = trio.open_memory_channel[Record](100)
        self.journals[company].readers.append(send)
        try:
            yield _Subscription(receive)
        finally:
            if send in self.journals[company].readers:
                self.journals[company].readers.remove(send)

    def counters(self, company: CompanyId) -> Counters:
        return self.journals[company].day.snapshot(self.now)

    def registrations(self, company: CompanyId) -> list[Any]:
        return [r for r in self.registered if r.company == company]

    def trunk_states(self, company: CompanyId) -> list[TrunkState]:
        return [state for state in self.trunks if state.company == company]

    # operations

    def health(self) -> "Health":
        return self.state

    def certificate(self) -> Certificate | None:
        return self.shown

    def listening(self) -> tuple[str, ...]:
        return ("udp:5060", "wss:7443")

    def bans(self) -> list[BanView]:
        return [self.banned[source].view(self.now) for source in sorted(self.banned)]

    def lift_ban(self, address: str, *, by: str) -> None:
        try:
            del self.banned[source_of(address)]
        except (ValueError, KeyError) as error:
            raise NoSuchObject(f"{address} is not banned") from error

    def engine_counters(self) -> dict[str, int]:
        return {"sip_requests_received": 3}

    async def create_key(
        self,
        *,
        company: CompanyId | None,
        name: str,
        scopes: frozenset[str],
        expires_at: datetime | None = None,
    ) -> tuple[KeyView, str]:
        id = f"k{next(self.rng)}"
        self.views[id] = KeyView(id, name, company, scopes, self.now, expires_at)
        self.secrets[f"secret-{id}"] = (Principal(id, name, company, scopes), expires_at)
        return self.views[id], f"secret-{id}"

    async def authenticate(self, secret: str) -> Principal | None:
        principal, expires_at = self.secrets.get(secret, (None, None))
        return None if expires_at is not None and expires_at <= self.now else principal

    async def has_expired(self, secret: str) -> bool:
        return secret in self.secrets and await self.authenticate(secret) is None

    async def keys(self) -> list[KeyView]:
        return list(self.views.values())

    async def revoke_key(self, id: str) -> None:
        del self.views[id]
        del self.secrets[f"secret-{id}"]

    async def once(
        self, company: CompanyId | None, key: str, fingerprint: str, action: Callable[[], Awaitable[bytes]]
    ) -> tuple[bytes, bool]:
        known, answer = self.answers.get((company, key), (fingerprint, None))
        if known != fingerprint:
            raise KeyReused("used with another request")
        if answer is not None:
            return answer, True
        if (company, key) in self.answers:
            raise InFlight("still running")
        self.answers[company, key] = (fingerprint, None)
        try:
            answer = await action()
        except BaseException:
            del self.answers[company, key]
            raise
        self.answers[company, key] = (fingerprint, answer)
        return answer, False


class _Journal:
    def __init__(self, company: CompanyId) -> None:
        self.company = company
        self.records: list[Record] = []
        self.readers: list[trio.MemorySendChannel[Record]] = []
        self.board, self.day, self.commands = CallBoard(), Day(UTC), Commands()
        self.drafts, self.kept = CallRecords(), dict[CallId, CallRecord]()

    def write(self, at: datetime, entry: Entry) -> Record:
        record = Record(self.company, len(self.records) + 1, at, entry)
        self.records.append(record)
        for fold in (self.board, self.day, self.commands):
            fold.apply(record)
        if kept := self.drafts.apply(record):
            self.kept[kept.call] = kept
        for reader in list(self.readers):
            try:
                reader.send_nowait(record)
            except trio.WouldBlock:
                self.readers.remove(reader)
                reader.close()
        return record


class _Subscription:
    def __init__(self, channel: trio.MemoryReceiveChannel[Record]) -> None:
        self._channel = channel

    def __aiter__(self) -> "_Subscription":
        return self

    async def __anext__(self) -> Record:
        try:
            return await self._channel.receive()
        except trio.EndOfChannel as error:
            raise SlowConsumer("fell behind") from error

    def waiting(self) -> int:
        return self._channel.statistics().current_buffer_used


@frozen
class Part:
    ok: bool = True
    why: str = ""


@frozen
class Health:
    engine: Part = Part()
    journal: Part = Part()
    store: Part = Part()
    certificate: Part = Part()
    folds: Part = Part()
