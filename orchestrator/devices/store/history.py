"""Reads the journal and the call records back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from attrs import define

from orchestrator.devices.journal.codec import decode_call_record, decode_record
from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import CALL_PARTIES, CALL_RECORDS, JOURNAL, NODE
from orchestrator.devices.store.times import from_us, to_us
from orchestrator.model.calls import Direction
from orchestrator.model.identifiers import CallId, CompanyId, PersonId
from orchestrator.model.journal import Record
from orchestrator.statistics.records import CallRecord

Cursor = tuple[datetime, CallId]
"""A place in the call records: start and name of the last one that was seen."""


@define(eq=False)
class History:
    """Queries, each over an index, each with a limit."""

    database: Database

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
        """Newest first. `since` ≤ start < `until`."""
        table: sa.FromClause = CALL_RECORDS
        started, call = CALL_RECORDS.c.started_at_us, CALL_RECORDS.c.call
        conditions = [CALL_RECORDS.c.company == company]
        parties = [f"person:{person}"] if person is not None else []
        parties += [f"number:{number}"] if number is not None else []
        for place, party in enumerate(parties):
            named = CALL_PARTIES.alias(f"party{place}")
            table = table.join(
                named, sa.and_(named.c.company == CALL_RECORDS.c.company, named.c.call == CALL_RECORDS.c.call)
            )
            conditions += [named.c.company == company, named.c.party == party]
            if place == 0:
                started, call = named.c.started_at_us, named.c.call
        if direction is not None:
            conditions.append(CALL_RECORDS.c.direction == direction.value)
        if before is not None:
            place_before = sa.tuple_(sa.literal(to_us(before[0])), sa.literal(before[1]))
            conditions.append(sa.tuple_(started, call) < place_before)
        if since is not None:
            conditions.append(started >= to_us(since))
        if until is not None:
            conditions.append(started < to_us(until))
        query = sa.select(CALL_RECORDS.c.body).select_from(table).where(*conditions)
        query = query.order_by(started.desc(), call.desc()).limit(limit)
        bodies = await self.database.read(lambda connection: connection.scalars(query).all())
        return [decode_call_record(body) for body in bodies]

    async def record(self, company: CompanyId, call: CallId) -> CallRecord | None:
        """One call's record."""
        query = sa.select(CALL_RECORDS.c.body).where(
            CALL_RECORDS.c.company == company, CALL_RECORDS.c.call == call
        )
        body = await self.database.read(lambda connection: connection.scalar(query))
        return None if body is None else decode_call_record(body)

    async def entries_of(self, company: CompanyId, call: CallId) -> list[Record]:
        """What happened in one call; the first 10,000 entries."""
        return await self.database.read(lambda connection: entries_of(connection, company, call))

    async def entries_after(self, company: CompanyId, seq: int, limit: int) -> list[Record]:
        """The journal from one place on."""
        query = _ENTRIES.where(JOURNAL.c.company == company, JOURNAL.c.seq > seq)
        query = query.order_by(JOURNAL.c.seq).limit(limit)
        return await self.database.read(lambda connection: _records(company, connection.execute(query).all()))


def entries_of(connection: sa.Connection, company: CompanyId, call: CallId) -> list[Record]:
    """What happened in one call."""
    query = _ENTRIES.where(JOURNAL.c.company == company, JOURNAL.c.call == call).order_by(JOURNAL.c.seq)
    return _records(company, connection.execute(query.limit(10_000)).all())


def ends_of_journals(connection: sa.Connection) -> dict[CompanyId, tuple[int, int]]:
    """The oldest and the newest entry of each company."""
    ends: dict[CompanyId, tuple[int, int]] = {}
    last: str | None = ""
    while (last := connection.scalar(_NEXT_COMPANY, {"after": last})) is not None:
        of_company = JOURNAL.c.company == last
        oldest = connection.scalar(sa.select(sa.func.min(JOURNAL.c.seq)).where(of_company))
        newest = connection.scalar(sa.select(sa.func.max(JOURNAL.c.seq)).where(of_company))
        ends[CompanyId(last)] = oldest or 1, newest or 0
    return ends


def open_calls(connection: sa.Connection) -> list[list[Record]]:
    """The entries of every call whose record is not closed."""
    query = sa.select(CALL_RECORDS.c.company, CALL_RECORDS.c.call).where(CALL_RECORDS.c.ended_at_us.is_(None))
    rows = connection.execute(query.order_by(CALL_RECORDS.c.company, CALL_RECORDS.c.call)).all()
    return [entries_of(connection, CompanyId(row.company), CallId(row.call)) for row in rows]


def alive_at(connection: sa.Connection) -> datetime:
    """When an exchange was last seen alive on this database."""
    return from_us(connection.scalar(sa.select(NODE.c.alive_at_us)) or 0)


def replay(
    connection: sa.Connection, company: CompanyId, since: datetime, kinds: Sequence[str]
) -> Iterable[Record]:
    """Entries of some kinds from an instant on, in order. The place is found by halving: seq grows with time."""
    first = _first_seq_at(connection, company, to_us(since))
    query = _ENTRIES.where(
        JOURNAL.c.company == company, JOURNAL.c.seq >= first, JOURNAL.c.kind.in_(kinds)
    ).order_by(JOURNAL.c.seq)
    for rows in connection.execution_options(yield_per=1000).execute(query).partitions():
        for seq, at_us, kind, body in rows:
            yield decode_record(company, seq, at_us, kind, body)


def _first_seq_at(connection: sa.Connection, company: CompanyId, at_us: int) -> int:
    ends = sa.select(sa.func.min(JOURNAL.c.seq), sa.func.max(JOURNAL.c.seq)).where(
        JOURNAL.c.company == company
    )
    low, high = connection.execute(ends).one()
    if low is None:
        return 1
    high += 1
    while low < high:
        middle = (low + high) // 2
        stamp = sa.select(JOURNAL.c.at_us).where(JOURNAL.c.company == company, JOURNAL.c.seq == middle)
        if (connection.scalar(stamp) or 0) < at_us:
            low = middle + 1
        else:
            high = middle
    return int(low)


def _records(company: CompanyId, rows: Iterable[Any]) -> list[Record]:
    return [decode_record(company, row.seq, row.at_us, row.kind, row.body) for row in rows]


_ENTRIES = sa.select(JOURNAL.c.seq, JOURNAL.c.at_us, JOURNAL.c.kind, JOURNAL.c.body)
_NEXT_COMPANY = sa.select(sa.func.min(JOURNAL.c.company)).where(JOURNAL.c.company > sa.bindparam("after"))
