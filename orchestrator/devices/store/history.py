"""Reads the journal and the call records back."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import get_args

import sqlalchemy as sa
from attrs import define, frozen

from orchestrator.devices.journal.codec import decode_call_record, decode_record
from orchestrator.devices.store.database import Database
from orchestrator.devices.store.tables import CALL_PARTIES, CALL_RECORDS, JOURNAL, NODE
from orchestrator.devices.store.times import from_us, to_us
from orchestrator.model.calls import Direction
from orchestrator.model.identifiers import CallId, CompanyId, PersonId
from orchestrator.model.journal import Entry, Record
from orchestrator.statistics.records import CallRecord

Cursor = tuple[datetime, CallId]
"""A place in the call records: start and name of the last one that was seen."""


@frozen
class Found:
    """A part of the journal."""

    records: list[Record]
    place: int
    """Up to here was looked: what is wanted and not here comes behind it."""


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
            same = (column == CALL_RECORDS.c[column.name] for column in named.c if column.name != "party")
            table = table.join(named, sa.and_(*same))
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

    async def entries_after(
        self,
        company: CompanyId,
        seq: int,
        limit: int,
        last: int,
        kinds: Collection[type[Entry]] | None = None,
        call: CallId | None = None,
    ) -> Found:
        """The journal from behind `seq` to `last`, only these kinds and this call. Looks at `LOOKED_AT_MAX` at most."""
        if kinds is not None and call is None:
            last = min(last, seq + LOOKED_AT_MAX)  # numbers have no gaps
        names = _ALL_KINDS if kinds is None else [kind.__name__ for kind in kinds]

        def search(connection: sa.Connection) -> list[Record]:
            return list(_search(connection, company, call, seq, last, limit, names))

        records = await self.database.read(search)
        return Found(records, records[-1].seq if len(records) == limit else max(seq, last))


def entries_of(connection: sa.Connection, company: CompanyId, call: CallId) -> list[Record]:
    """What happened in one call."""
    return list(_search(connection, company, call, 0, _NEWEST, 10_000, _ALL_KINDS))


def newest_of_journals(connection: sa.Connection) -> dict[CompanyId, int]:
    """The newest entry of each company."""
    newest: dict[CompanyId, int] = {}
    last: str | None = ""
    while (last := connection.scalar(_NEXT_COMPANY, {"after": last})) is not None:
        newest[CompanyId(last)] = _newest(connection, last)
    return newest


def _newest(connection: sa.Connection, company: str) -> int:
    newest = sa.select(sa.func.max(JOURNAL.c.seq)).where(JOURNAL.c.company == company)
    return connection.scalar(newest) or 0


def open_calls(connection: sa.Connection) -> list[list[Record]]:
    """The entries of every call whose record is not closed."""
    query = sa.select(CALL_RECORDS.c.company, CALL_RECORDS.c.call).where(CALL_RECORDS.c.ended_at_us.is_(None))
    rows = connection.execute(query.order_by(CALL_RECORDS.c.company, CALL_RECORDS.c.call)).all()
    return [entries_of(connection, CompanyId(row.company), CallId(row.call)) for row in rows]


def alive_at(connection: sa.Connection) -> datetime:
    """When an exchange was last seen alive on this database."""
    return from_us(connection.scalar(sa.select(NODE.c.alive_at_us)) or 0)


def replay(
    connection: sa.Connection,
    company: CompanyId,
    since: datetime,
    kinds: Sequence[str],
    last: int | None = None,
) -> Iterable[Record]:
    """Entries of some kinds from an instant on, to `last`, in order. The place is found by halving."""
    first = _first_seq_at(connection, company, to_us(since))
    return _search(connection, company, None, first - 1, _NEWEST if last is None else last, -1, kinds)


def _first_seq_at(connection: sa.Connection, company: CompanyId, at_us: int) -> int:
    low, high = 1, _newest(connection, company) + 1
    while low < high:
        middle = (low + high) // 2
        stamp = sa.select(JOURNAL.c.at_us).where(JOURNAL.c.company == company, JOURNAL.c.seq == middle)
        if (connection.scalar(stamp) or 0) < at_us:
            low = middle + 1
        else:
            high = middle
    return int(low)


def _search(
    connection: sa.Connection,
    company: CompanyId,
    call: CallId | None,
    seq: int,
    last: int,
    limit: int,
    kinds: Sequence[str],
) -> Iterator[Record]:
    """Entries behind `seq`, to `last` at most; `limit` -1: all."""
    values = {"company": company, "call": call, "seq": seq, "last": last, "limit": limit, "kinds": kinds}
    query = _ENTRIES if call is None else _ENTRIES_OF_CALL
    for rows in connection.execution_options(yield_per=1000).execute(query, values).partitions():
        for place, at_us, kind, body in rows:
            yield decode_record(company, place, at_us, kind, body)


_NEWEST = 2**63 - 1
LOOKED_AT_MAX = 20_000
"""Entries that one search looks at: some milliseconds. Whoever has found nothing by then asks again from there."""
_ALL_KINDS = [kind.__name__ for kind in get_args(Entry)]
_SEARCH = """SELECT seq, at_us, kind, body FROM journal{} WHERE company = :company
    AND seq > :seq AND seq <= :last AND kind IN :kinds{} ORDER BY seq LIMIT :limit"""
_KINDS: sa.BindParameter[Sequence[str]] = sa.bindparam("kinds", expanding=True)
_ENTRIES = sa.text(_SEARCH.format("", "")).bindparams(_KINDS)
_ENTRIES_OF_CALL = sa.text(_SEARCH.format(" INDEXED BY journal_call", " AND call = :call")).bindparams(_KINDS)
"""Left to itself, SQLite takes the primary key, and reads all that the company has."""
_NEXT_COMPANY = sa.select(sa.func.min(JOURNAL.c.company)).where(JOURNAL.c.company > sa.bindparam("after"))
