"""Searches of the journal: each looks at so much only, and together they find all that was asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.devices.journal.codec import encode, kind_of
from orchestrator.devices.store import history
from orchestrator.devices.store.database import Database, open_database
from orchestrator.devices.store.history import History, newest_of_journals
from orchestrator.devices.store.tables import JOURNAL
from orchestrator.devices.store.times import to_us
from orchestrator.model.calls import Direction
from orchestrator.model.identifiers import CallId, CompanyId, PersonId
from orchestrator.model.journal import CallArrived, Entry, Record
from tests.unit.statistics.stories import COMPANY, day

RECORDS = day(7, 60)
KINDS = st.none() | st.frozensets(st.sampled_from(get_args(Entry)), max_size=3)
CALLS = st.none() | st.sampled_from([CallId(f"call-{place}") for place in range(62)])


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(f"sqlite:///{Path(tmp_path_factory.mktemp('journal'))}/tandem.db")
    rows = [_row(company, record) for record in RECORDS for company in (COMPANY, CompanyId("other"))]
    database.write_now(lambda connection: connection.execute(JOURNAL.insert(), rows))
    yield database
    database.close()


@settings(deadline=None)  # reads a disk
@given(
    kinds=KINDS,
    call=CALLS,
    limit=st.integers(1, 40),
    looked_at=st.integers(1, 300),
    seq=st.integers(0, len(RECORDS) + 5),
    told=st.integers(0, len(RECORDS)),
)
def test_searches_resumed_at_their_places_find_everything_once(
    full: Database,
    kinds: frozenset[type[Entry]] | None,
    call: CallId | None,
    limit: int,
    looked_at: int,
    seq: int,
    told: int,
) -> None:
    async def search() -> list[Record]:
        found, place = list[Record](), seq
        while place < told:
            part = await History(full).entries_after(COMPANY, place, limit, told, kinds, call)
            assert len(part.records) <= limit
            assert place < part.place <= told
            assert all(place < record.seq <= part.place for record in part.records)
            if call is None and kinds is not None:
                assert part.place - place <= looked_at
            found += part.records
            place = part.place
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "LOOKED_AT_MAX", looked_at)
        found = trio.run(search)
    assert found == [
        record
        for record in RECORDS
        if seq < record.seq <= told
        and (kinds is None or type(record.entry) in kinds)
        and (call is None or getattr(record.entry, "call", None) == call)
    ]


async def test_no_query_reads_more_of_a_company_than_it_answers(full: Database) -> None:
    plans: list[str] = []

    @sa.event.listens_for(full.engine, "before_cursor_execute")
    def explain(connection: sa.Connection, cursor: object, text: str, values: Any, *_: object) -> None:
        if text.startswith("SELECT"):
            plan = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {text}", values)
            plans.extend(str(row[-1]) for row in plan.fetchall())

    past, call = History(full), CallId("call-1")
    await past.entries_after(COMPANY, 3, 10, 100)
    await past.entries_after(COMPANY, 3, 10, 100, {CallArrived})
    await past.entries_after(COMPANY, 3, 10, 100, {CallArrived}, call)
    await past.entries_of(COMPANY, call)
    before = (RECORDS[0].at, call)
    await past.records(COMPANY, before=before, limit=10)
    await past.records(COMPANY, before=before, limit=10, direction=Direction.INBOUND)
    await past.records(COMPANY, before=before, limit=10, person=PersonId("anna"), number="+7")
    await full.read(newest_of_journals)
    sa.event.remove(full.engine, "before_cursor_execute", explain)
    newest = ["journal USING PRIMARY KEY (company>?)", "journal USING PRIMARY KEY (company=?)"]
    assert [plan.removeprefix("SEARCH ") for plan in plans] == [
        "journal USING PRIMARY KEY (company=? AND seq>? AND seq<?)",
        "journal USING PRIMARY KEY (company=? AND seq>? AND seq<?)",
        "journal USING INDEX journal_call (company=? AND call=? AND seq>? AND seq<?)",
        "journal USING INDEX journal_call (company=? AND call=? AND seq>? AND seq<?)",
        "call_records USING INDEX call_records_started (company=? AND (started_at_us,call)<(?,?))",
        "call_records USING INDEX call_records_direction "
        "(company=? AND direction=? AND (started_at_us,call)<(?,?))",
        "party0 USING PRIMARY KEY (company=? AND party=? AND (started_at_us,call)<(?,?))",
        "call_records USING PRIMARY KEY (company=? AND call=?)",
        "party1 USING PRIMARY KEY (company=? AND party=? AND started_at_us=? AND call=?)",
        *newest,
        *newest,
        newest[0],
    ]


def _row(company: CompanyId, record: Record) -> dict[str, object]:
    entry = record.entry
    return {
        "company": company,
        "seq": record.seq,
        "at_us": to_us(record.at),
        "kind": kind_of(entry),
        "call": getattr(entry, "call", None),
        "body": encode(entry),
    }
