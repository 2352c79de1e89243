import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.forwarding.strategy import Rung, rungs_of, verdict
from orchestrator.model.calls import Refusal
from orchestrator.model.directory import RingStrategy
from tests.scenarios.company import mobile, sip

DESK = sip("desk", ring_s=10, delay_s=3)
MOBILE = mobile("mobile", "+79161230101", ring_s=30, delay_s=8)
SOFT = sip("soft", ring_s=5, delay_s=3)


@pytest.mark.parametrize(
    ("strategy", "rungs"),
    [
        (RingStrategy.SERIAL, (((MOBILE, 0, 30),), ((DESK, 0, 10),), ((SOFT, 0, 5),))),
        (RingStrategy.PARALLEL, (((MOBILE, 0, 30), (DESK, 0, 30), (SOFT, 0, 30)),)),
        (RingStrategy.AS_CARD, (((DESK, 0, 10), (SOFT, 0, 5), (MOBILE, 5, 30)),)),
    ],
)
def test_when_devices_ring(
    strategy: RingStrategy, rungs: tuple[tuple[tuple[object, float, float], ...], ...]
) -> None:
    found = rungs_of(strategy, (MOBILE, DESK, SOFT))
    assert found == tuple(tuple(Rung(*rung) for rung in group) for group in rungs)  # type: ignore[arg-type]  # devices


def test_nobody_to_ring() -> None:
    assert all(rungs_of(strategy, ()) == () for strategy in RingStrategy)


@pytest.mark.parametrize(
    ("refusals", "means"),
    [
        ([], Refusal.OFFLINE),
        (["offline", "offline"], Refusal.OFFLINE),
        (["busy", "busy"], Refusal.BUSY),
        (["offline", "busy"], Refusal.BUSY),
        (["busy", "unreachable"], Refusal.UNREACHABLE),
        (["offline", "unreachable"], Refusal.UNREACHABLE),
        (["busy", "no_answer"], Refusal.NO_ANSWER),
        (["no_answer", "declined", "busy"], Refusal.DECLINED),
    ],
)
def test_what_failed_devices_mean_for_their_person(refusals: list[str], means: Refusal) -> None:
    assert verdict(Refusal(refusal) for refusal in refusals) is means


@given(st.lists(st.sampled_from(Refusal)))
def test_the_order_of_refusals_does_not_matter(refusals: list[Refusal]) -> None:
    assert verdict(refusals) is verdict(reversed(refusals))
