from datetime import timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.calls import Direction, EndCause
from orchestrator.model.identifiers import PersonId
from orchestrator.model.journal import CallArrived, CallEnded, Record
from orchestrator.statistics.day import Day, day_of
from tests.unit.statistics.stories import NUMBERS, START, day

MOSCOW = ZoneInfo("Europe/Moscow")
NEW_YORK = ZoneInfo("America/New_York")


def fold(records: list[Record]) -> Day:
    figures = Day(MOSCOW)
    for record in records:
        figures.apply(record)
    return figures


@given(st.integers(0, 10_000), st.integers(1, 12), st.booleans())
def test_every_call_is_counted_once_whatever_happens(seed: int, calls: int, finished: bool) -> None:
    figures = Day(MOSCOW)
    for record in day(seed, calls, finished=finished):
        figures.apply(record)
        now = figures.snapshot(record.at)
        for sums in (now.total, *now.by_direction.values(), *now.by_number.values()):
            assert sums.offered == sums.ringing + sums.answered + sums.missed + sums.refused + sums.announced
            assert min(sums.ringing, sums.talking, sums.missed) >= 0
            assert sums.talking <= sums.answered
        for person in now.by_person.values():
            assert person.offered == person.ringing + person.answered + person.missed
            assert min(person.ringing, person.talking, person.missed) >= 0
        assert now.total.offered == sum(sums.offered for sums in now.by_direction.values())
        assert now.total.ringing + now.total.talking <= now.calls_now


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_when_all_is_over_nothing_rings_or_talks(seed: int, calls: int) -> None:
    records = day(seed, calls)
    now = fold(records).snapshot(records[-1].at)
    assert now.calls_now == 0
    assert all(sums.ringing == sums.talking == 0 for sums in (now.total, *now.by_number.values()))
    assert all(person.ringing == person.talking == 0 for person in now.by_person.values())


@given(st.integers(0, 10_000), st.integers(1, 12), st.data())
def test_the_live_figure_equals_the_figure_recomputed_from_today(
    seed: int, calls: int, data: st.DataObject
) -> None:
    """Rebuilt from the first entry of the day: what began before it and is over by now changes nothing."""
    records = day(seed, calls)
    last = records[-1].at
    today = day_of(last, MOSCOW)[0]
    recomputed = fold([record for record in records if record.at >= today])
    assert recomputed.snapshot(last) == fold(records).snapshot(last)


def test_a_new_day_begins_at_local_midnight() -> None:
    records = day(3, 6)
    figures = fold(records)
    tomorrow = day_of(records[-1].at, MOSCOW)[1]
    assert figures.snapshot(tomorrow - timedelta(microseconds=1)).day < figures.snapshot(tomorrow).day
    assert figures.snapshot(tomorrow).total.offered == 0
    assert figures.snapshot(tomorrow).total.wait_mean_ms is None


def test_a_day_on_which_clocks_change_has_another_length() -> None:
    begins, ends = day_of(START.replace(month=11, day=1, hour=12), NEW_YORK)
    assert ends - begins == timedelta(hours=25)


def test_a_call_of_yesterday_is_going_on_but_not_counted_today() -> None:
    records = [record for record in day(5, 1) if isinstance(record.entry, CallArrived)]
    call = records[0].entry
    assert isinstance(call, CallArrived)
    figures = fold(records)
    second = CallArrived(call.call + "2", call.leg, Direction.INBOUND, call.caller, "x")  # type: ignore[arg-type] # a str is enough
    figures.apply(Record(records[0].company, 2, START + timedelta(days=1), second))
    now = figures.snapshot(START + timedelta(days=1))
    assert (now.calls_now, now.total.offered) == (2, 1)
    figures.apply(Record(records[0].company, 3, now.at, CallEnded(call.call, EndCause.ABANDONED, 1, 0)))
    after = figures.snapshot(now.at)
    assert (after.calls_now, after.total.offered, after.total.missed) == (1, 1, 0)


def test_numbers_and_people_have_their_own_figures() -> None:
    records = day(11, 40)
    now = fold([record for record in records if record.at < day_of(START, MOSCOW)[1]]).snapshot(START)
    assert set(now.by_number) <= set(NUMBERS)
    assert PersonId("anna") in now.by_person
