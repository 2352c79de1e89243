from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.app.projections import Projections
from orchestrator.devices.journal.codec import encode, kind_of
from orchestrator.devices.journal.folds import Folds
from orchestrator.devices.store.database import Database, open_database
from orchestrator.devices.store.tables import JOURNAL
from orchestrator.devices.store.times import to_us
from orchestrator.model.calls import Direction, EndCause, Who
from orchestrator.model.identifiers import CallId, LegId
from orchestrator.model.journal import CallArrived, CallEnded, Record
from orchestrator.statistics.counters import Counters
from orchestrator.statistics.day import Day
from tests.unit.statistics.stories import COMPANY, START, day

ZONES = ["UTC", "Europe/Moscow", "Asia/Novosibirsk", "America/New_York"]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(f"sqlite:///{Path(tmp_path_factory.mktemp('journal'))}/tandem.db")
    yield database
    database.close()


class Busy:
    """A database in which reading takes so long that entries come meanwhile."""

    def __init__(self, database: Database, folds: Folds, meanwhile: list[Record]) -> None:
        self.database, self.folds, self.meanwhile = database, folds, meanwhile

    async def read(self, work: Any) -> Any:
        for place, record in enumerate(self.meanwhile):
            if place == len(self.meanwhile) // 2:
                await self.database.read(work)
            self.folds.tell(record)
        if not self.meanwhile:
            await self.database.read(work)


@settings(deadline=None)  # reads a disk
@given(
    seed=st.integers(0, 10_000),
    calls=st.integers(1, 12),
    zones=st.permutations(ZONES),
    cuts=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_after_a_move_the_live_figure_equals_the_figure_recomputed(
    database: Database, seed: int, calls: int, zones: list[str], cuts: tuple[float, float]
) -> None:
    records = day(seed, calls, finished=False)
    before, after = sorted(max(1, round(cut * len(records))) for cut in cuts)
    database.write_now(lambda connection: _store(connection, records))

    async def story() -> Counters:
        projections, folds = Projections(), Folds()
        projections.open(COMPANY, zones[0])
        projections.fold_into(folds)
        for record in records[:before]:
            folds.tell(record)
        busy, now = Busy(database, folds, records[before:after]), records[before - 1].at
        await projections.move(COMPANY, zones[1], now, before, busy, folds)  # type: ignore[arg-type]  # it can read
        for record in records[after:]:
            folds.tell(record)
        assert not folds.behind
        return projections.companies[COMPANY].day.snapshot(records[-1].at)

    recomputed = Day(ZoneInfo(zones[1]))
    for record in records:
        recomputed.apply(record)
    assert trio.run(story) == recomputed.snapshot(records[-1].at)


async def test_a_call_from_before_the_new_day_still_goes_on(database: Database) -> None:
    call = CallArrived(CallId("c"), LegId(1), Direction.INBOUND, Who(), "101")
    record = Record(COMPANY, 1, START, call)
    database.write_now(lambda connection: _store(connection, [record]))
    projections, folds = Projections(), Folds()
    projections.open(COMPANY, "UTC")
    projections.fold_into(folds)
    folds.tell(record)
    midnight_in_moscow = START + timedelta(hours=2)
    await projections.move(COMPANY, "Europe/Moscow", midnight_in_moscow, 1, database, folds)
    figures = projections.companies[COMPANY].day.snapshot(midnight_in_moscow)
    assert (figures.calls_now, figures.total.offered) == (1, 0)
    folds.tell(Record(COMPANY, 2, midnight_in_moscow, CallEnded(call.call, EndCause.ABANDONED, 1, 0)))
    assert projections.companies[COMPANY].day.snapshot(midnight_in_moscow).calls_now == 0


def _store(connection: sa.Connection, records: list[Record]) -> None:
    connection.execute(JOURNAL.delete())
    rows = [
        {
            "company": record.company,
            "seq": record.seq,
            "at_us": to_us(record.at),
            "kind": kind_of(record.entry),
            "call": getattr(record.entry, "call", None),
            "body": encode(record.entry),
        }
        for record in records
    ]
    connection.execute(JOURNAL.insert(), rows)
