from datetime import UTC, datetime

from orchestrator.statistics.counters import Figures
from orchestrator.statistics.day import Day
from orchestrator.statistics.sums import PersonSums, Sums


def test_without_calls_all_is_zero_and_means_are_unknown() -> None:
    now = Day(UTC).snapshot(datetime(2026, 11, 24, 12, tzinfo=UTC))
    assert now.day == "2026-11-24"
    assert now.total == Figures(0, 0, 0, 0, 0, 0, 0, None, 0, None)
    assert now.calls_now == 0


def test_means_are_over_the_answered_and_over_the_finished() -> None:
    sums = Sums(offered=5, answered=4, wait_ms=10, over=2, talk_ms=30)
    sums.add(Sums(offered=1, answered=1, wait_ms=5))
    assert (sums.figures().wait_mean_ms, sums.figures().talk_mean_ms) == (3.0, 15.0)
    assert PersonSums(answered=2, wait_ms=5).figures().wait_mean_ms == 2.5
