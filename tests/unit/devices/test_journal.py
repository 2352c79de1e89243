import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
import trio
from structlog.testing import capture_logs

from orchestrator.devices.clock import SystemClock
from orchestrator.devices.journal.journal import SqlJournal, open_journal
from orchestrator.devices.journal.writer import Batch, Writer
from orchestrator.devices.store.database import Database
from orchestrator.devices.store.history import History, newest_of_journals
from orchestrator.devices.store.tables import JOURNAL
from orchestrator.model.calls import Direction, EndCause, Who
from orchestrator.model.errors import SlowConsumer, StateConflict
from orchestrator.model.identifiers import CallId, CompanyId, DeviceId, LegId, PersonId
from orchestrator.model.journal import CallAnswered, CallArrived, CallEnded, DeviceUnregistered, Record
from orchestrator.statistics.records import CallRecord, CallRecords
from tests.unit.statistics.stories import day

DEMO, OTHER = CompanyId("demo"), CompanyId("other")


@asynccontextmanager
async def journal_on(database: Database, **options: float) -> AsyncIterator[SqlJournal]:
    newest = await database.read(newest_of_journals)
    writer = Writer(database.raw(), database.writing)
    async with open_journal(SystemClock(), writer, newest) as journal:
        for name, value in options.items():
            setattr(journal, name, value)
        yield journal


def gone(place: int = 0) -> DeviceUnregistered:
    return DeviceUnregistered(DeviceId(f"d{place}"), "expired")


async def entries(database: Database, company: CompanyId = DEMO) -> list[Record]:
    return (await History(database).entries_after(company, 0, 1_000_000, 2**62)).records


async def test_what_was_written_is_there_in_order_and_numbered_without_a_gap(database: Database) -> None:
    told: list[Record] = []
    async with journal_on(database) as journal:
        journal.folds.add("told", told.append)
        for place in range(300):
            journal.write(OTHER if place % 3 == 0 else DEMO, gone(place))
            if place % 50 == 0:
                await journal.durable()
                assert len(told) == place + 1
    for company, count in ((DEMO, 200), (OTHER, 100)):
        found = await entries(database, company)
        assert [record.seq for record in found] == list(range(1, count + 1))
        assert found == [record for record in told if record.company == company]


async def test_numbers_go_on_after_a_restart(database: Database) -> None:
    for _ in range(3):
        async with journal_on(database) as journal:
            journal.write(DEMO, gone())
            journal.write(DEMO, gone())
    assert [record.seq for record in await entries(database)] == [1, 2, 3, 4, 5, 6]


async def test_entries_that_nobody_waits_for_are_durable_soon(database: Database) -> None:
    async with journal_on(database) as journal:
        journal.write(DEMO, gone())
        with trio.fail_after(2):
            while journal.last_seq(DEMO) == 0:  # noqa: ASYNC110 - nobody tells of it
                await trio.sleep(0.002)
        assert len(await entries(database)) == 1


async def test_nothing_is_told_before_it_is_durable(database: Database) -> None:
    def count() -> int | None:
        query = sa.select(sa.func.count()).select_from(JOURNAL)
        return database.read_now(lambda connection: connection.scalar(query))

    seen: list[bool] = []
    async with journal_on(database) as journal:
        journal.folds.add("seen", lambda record: seen.append((count() or 0) >= record.seq))
        for _ in range(20):
            journal.write(DEMO, gone())
        assert count() == 0
        await journal.durable()
    assert seen == [True] * 20


async def test_call_records_are_the_fold_of_the_journal(database: Database) -> None:
    fold, kept = CallRecords(), {}
    async with journal_on(database) as journal:

        def told(record: Record) -> None:
            if (changed := fold.apply(record)) is not None:
                kept[changed.call] = changed

        journal.folds.add("told", told)
        for place, record in enumerate(day(1, 60)):
            journal.write(DEMO, record.entry)
            if place % 7 == 0:
                await journal.durable()
    history = History(database)
    found = await history.records(DEMO, before=None, limit=1000)
    assert len(found) == 60
    assert {record.call: record for record in found} == kept
    for person in ("anna", "boris", "olga"):
        mine = await history.records(DEMO, before=None, limit=1000, person=PersonId(person))
        assert {r.call for r in mine} == {r.call for r in kept.values() if person in r.people}
    assert await history.record(DEMO, found[3].call) == found[3]
    assert await history.record(OTHER, found[3].call) is None


async def test_pages_of_records_meet_without_gap_or_overlap(database: Database) -> None:
    async with journal_on(database) as journal:
        for record in day(2, 50):
            journal.write(DEMO, record.entry)
    history = History(database)
    whole = await history.records(DEMO, before=None, limit=1000)
    assert [r.started_at for r in whole] == sorted((r.started_at for r in whole), reverse=True)
    for filters in (
        {},
        {"direction": Direction.INBOUND},
        {"person": PersonId("anna")},
        {"number": "+74951234500"},
    ):
        everything = await history.records(DEMO, before=None, limit=1000, **filters)
        pages, before = [], None
        while page := await history.records(DEMO, before=before, limit=7, **filters):
            pages += page
            before = (page[-1].started_at, page[-1].call)
        assert pages == everything
        assert everything
    first, last = whole[-1].started_at, whole[0].started_at
    middle = first + (last - first) / 2
    early = await history.records(DEMO, before=None, limit=1000, until=middle)
    late = await history.records(DEMO, before=None, limit=1000, since=middle)
    assert late + early == whole


async def test_while_the_disk_is_full_entries_wait_and_calls_are_refused(database: Database) -> None:
    told: list[Record] = []
    async with journal_on(database) as journal:
        journal.folds.add("told", told.append)
        journal.write(DEMO, gone())
        await journal.durable()
        limit = _page_limit(journal)
        limit(1)
        for place in range(3000):
            journal.write(DEMO, gone(place))
        with trio.fail_after(5):
            while journal.accepting:  # noqa: ASYNC110 - nobody tells of it
                await trio.sleep(0.01)
        assert "full" in (journal.fault or "")
        told_before = len(told)
        with trio.move_on_after(0.3) as waited:
            await journal.durable()
        assert waited.cancelled_caught
        assert len(told) == told_before
        journal.write(DEMO, gone())
        limit(1_000_000)
        with trio.fail_after(5):
            await journal.durable()
        assert journal.accepting
    found = await entries(database)
    assert [record.seq for record in found] == list(range(1, 3003))
    assert found == told
    with sqlite3.connect(database.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_a_disk_that_hangs_holds_calls_up_for_a_moment_only(database: Database) -> None:
    async with journal_on(database, patience_s=0.2) as journal:
        with database.writing:
            journal.write(DEMO, gone(1))
            began_s = trio.current_time()
            await journal.durable()
            assert 0.2 <= trio.current_time() - began_s < 1
            assert not journal.accepting
            assert "waited" in (journal.fault or "")
            assert journal.waiting() == 1
            journal.write(DEMO, gone(2))
            began_s = trio.current_time()
            await journal.durable()
            assert trio.current_time() - began_s < 0.1
        with trio.fail_after(5):
            while journal.fault:  # noqa: ASYNC110 - nobody tells of it
                await trio.sleep(0.002)
        await journal.durable()
        assert (journal.waiting(), journal.accepting) == (0, True)
    assert [record.entry for record in await entries(database)] == [gone(1), gone(2)]


async def test_a_disk_that_hangs_lets_go_whoever_waited_for_it_and_for_what_comes_next(
    database: Database,
) -> None:
    async with journal_on(database, patience_s=0.2) as journal:
        with database.writing:
            async with trio.open_nursery() as nursery:
                for place in range(2):
                    journal.write(DEMO, gone(place))
                    nursery.start_soon(journal.durable)
                    await trio.sleep(0.05)
                nursery.cancel_scope.deadline = trio.current_time() + 1
            assert not nursery.cancel_scope.cancelled_caught
            assert journal.waiting() == 2
        with trio.fail_after(5):
            while journal.fault:  # noqa: ASYNC110 - nobody tells of it
                await trio.sleep(0.002)
        journal.write(DEMO, gone(2))
        await journal.durable()
        assert len(await entries(database)) == 3


async def test_a_slow_disk_holds_nobody_up_for_two_of_its_turns(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Writer.commit

    async def commit_slowly(writer: Writer, batch: Batch) -> None:
        await trio.sleep(0.9)
        await commit(writer, batch)

    monkeypatch.setattr(Writer, "commit", commit_slowly)
    async with journal_on(database, patience_s=1.0) as journal:
        journal.write(DEMO, gone(1))
        await trio.sleep(0.02)
        journal.write(DEMO, gone(2))
        await journal.durable()
        assert "waited" in (journal.fault or ""), "the second turn is not over"


async def test_a_fold_is_told_what_it_heeds_and_nothing_else(database: Database) -> None:
    told: list[Record] = []
    async with journal_on(database) as journal:
        journal.folds.add("ends", told.append, [CallEnded])
        end = CallEnded(CallId("c"), EndCause.ABANDONED, 1, 0)
        for entry in (gone(), end, CallAnswered(CallId("c"), LegId(2), Who(), 1)):
            journal.write(DEMO, entry)
        await journal.durable()
    assert [record.entry for record in told] == [end]


async def test_above_the_spool_only_calls_are_remembered_and_numbers_have_no_gap(database: Database) -> None:
    call = CallId("c")
    async with journal_on(database, spool=10) as journal:
        for place in range(20):
            journal.write(DEMO, gone(place))
        journal.write(DEMO, CallArrived(call, LegId(1), Direction.INBOUND, Who(), "101"))
        journal.write(DEMO, CallAnswered(call, LegId(2), Who(), 1))
        journal.write(DEMO, CallEnded(call, EndCause.CALLER_HUNG_UP, 1, 2))
        assert journal.lost == 10
    found = await entries(database)
    assert [record.seq for record in found] == list(range(1, 14))
    assert isinstance(found[-1].entry, CallEnded)


@pytest.mark.parametrize(
    "text", ["\ud800", "a\0b", '"],["', "'; DROP TABLE journal; --", "Ёлка 🌲", "\u2028"]
)
async def test_hostile_text_is_only_text(database: Database, text: str) -> None:
    call = CallId("c")
    async with journal_on(database) as journal:
        caller = Who(number=text, name=text)
        journal.write(DEMO, CallArrived(call, LegId(2**62 + 1), Direction.INBOUND, caller, text))
        journal.write(DEMO, CallEnded(call, EndCause.ABANDONED, 1, 0, detail=text))
    arrived = (await entries(database))[0].entry
    assert isinstance(arrived, CallArrived)
    assert arrived.caller.name == arrived.called == text.replace("\ud800", "?")
    assert arrived.leg == 2**62 + 1
    [record] = await History(database).records(DEMO, before=None, limit=10)
    assert record.detail == text.replace("\ud800", "?")


async def test_a_fold_that_crashes_harms_nobody(database: Database) -> None:
    told: list[Record] = []

    def crash(record: Record) -> None:
        raise RuntimeError("fold")

    async with journal_on(database) as journal:
        journal.folds.add("figures", crash)
        journal.folds.add("other", told.append)
        journal.write(DEMO, gone())
        with capture_logs() as logs:
            await journal.durable()
        assert len(told) == 1
        assert journal.folds.fault() == "figures lost 1 of its entries"
    told_of = [(log["fold"], log["company"], log["seq"], log["entry"]) for log in logs]
    assert told_of == [("figures", DEMO, 1, "DeviceUnregistered")]


async def test_a_call_record_that_crashes_costs_its_own_entry_only(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = CallRecords.apply

    def crash(fold: CallRecords, record: Record) -> CallRecord | None:
        if getattr(record.entry, "call", None) == "bad":
            raise RuntimeError("fold")
        return apply(fold, record)

    monkeypatch.setattr(CallRecords, "apply", crash)
    async with journal_on(database) as journal:
        for call in ("bad", "good"):
            journal.write(DEMO, CallArrived(CallId(call), LegId(1), Direction.INBOUND, Who(), "101"))
        with capture_logs():
            await journal.durable()
        assert (journal.accepting, journal.folds.behind) == (True, {"call_records": 1})
    assert [record.seq for record in await entries(database)] == [1, 2]
    assert [r.call for r in await History(database).records(DEMO, before=None, limit=9)] == ["good"]


async def test_an_entry_that_cannot_be_stored_is_its_callers_fault(database: Database) -> None:
    async with journal_on(database) as journal:
        with pytest.raises(TypeError):
            journal.write(DEMO, DeviceUnregistered(DeviceId("d"), object()))  # type: ignore[arg-type]  # the fault
        journal.write(DEMO, gone())
        await journal.durable()
    assert [(record.seq, record.entry) for record in await entries(database)] == [(1, gone())]


async def test_a_follower_is_told_everything_from_its_beginning_on(database: Database) -> None:
    async with journal_on(database) as journal:
        journal.write(DEMO, gone())
        await journal.durable()
        with journal.followers.follow(DEMO, journal.last_seq(DEMO)) as following:
            for place in range(100):
                journal.write(DEMO, gone(place))
                journal.write(OTHER, gone(place))
            await journal.durable()
            assert following.last_seq == 1
            assert [(await anext(following)).seq for _ in range(100)] == list(range(2, 102))
            assert following.waiting() == 0


async def test_a_slow_follower_is_let_go_and_can_resume(database: Database) -> None:
    async with journal_on(database) as journal:
        journal.followers.buffer, journal.followers.most = 5, 1
        with journal.followers.follow(DEMO, 0) as following:
            with pytest.raises(StateConflict), journal.followers.follow(DEMO, 0):
                pass
            for place in range(20):
                journal.write(DEMO, gone(place))
            await journal.durable()
            seen = [(await anext(following)).seq for _ in range(5)]
            with pytest.raises(SlowConsumer):
                await anext(following)
            assert journal.followers.slow == 1
        rest = (await History(database).entries_after(DEMO, seen[-1], 1000, 2**62)).records
        assert [*seen, *(record.seq for record in rest)] == list(range(1, 21))


async def test_being_cancelled_loses_nothing(database: Database) -> None:
    with trio.CancelScope() as scope:
        async with journal_on(database) as journal:
            try:
                journal.write(DEMO, gone(1))
                scope.cancel()
                await trio.sleep_forever()
            finally:
                journal.write(DEMO, gone(2))
    assert len(await entries(database)) == 2


def _page_limit(journal: SqlJournal) -> Callable[[int], None]:
    def limit(pages: int) -> None:
        with journal.writer.lock:
            journal.writer.connection.execute(f"PRAGMA max_page_count={pages}")

    return limit
