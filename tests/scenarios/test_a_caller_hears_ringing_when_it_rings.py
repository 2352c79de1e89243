"""A phone of the company rings at once; whether a number outside rings, its carrier says."""

import math

import pytest
from trio.testing import MockClock

from orchestrator.model.calls import Failed, Refusal
from orchestrator.model.directory import RingStrategy
from orchestrator.model.journal import CallAnswered, DeviceFailed
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, mobile, open_office, person, sip

OUTSIDE = "+79161230101"


@pytest.mark.parametrize(("patience_s", "rings"), [(4.0, False), (6.0, True)])
async def test_a_number_outside_is_heard_to_ring_when_it_does(
    patience_s: float, rings: bool, autojump_clock: MockClock
) -> None:
    async with open_office(acme(person("anna", "101"))) as office:
        office.outside(OUTSIDE, Phone(after_s=math.inf, rings_after_s=5))
        caller = office.call(OUTSIDE, device="anna-desk", patience_s=patience_s)
        await office.all_over()
    assert caller.rings is rings


async def test_a_number_outside_that_fails_has_not_rung(autojump_clock: MockClock) -> None:
    async with open_office(acme(person("anna", "101"))) as office:
        refusal = Failed(Refusal.UNREACHABLE, 503, "the trunk's host has no address")
        office.outside(OUTSIDE, Phone(refusal, after_s=1, rings_after_s=5))
        caller = office.call(OUTSIDE, device="anna-desk")
        await office.all_over()
    assert not caller.rings
    assert office.only(DeviceFailed).reason == "the trunk's host has no address"


async def test_a_phone_beside_a_mobile_is_heard_at_once_and_the_mobile_says_nothing_later(
    autojump_clock: MockClock,
) -> None:
    devices = (sip("desk"), mobile("mobile", OUTSIDE))
    anna = person("anna", "101", *devices, strategy=RingStrategy.PARALLEL)
    async with open_office(acme(anna, person("zoe", "109"))) as office:
        office.online("desk", Phone(after_s=2, talks_s=30))
        office.outside(OUTSIDE, Phone(after_s=math.inf, rings_after_s=1.5))
        caller = office.call("101", device="zoe-desk")
        await office.all_over()
    assert caller.rings
    assert office.only(CallAnswered).wait_ms == 2_000
