"""Whoever hangs up while phones ring leaves nothing ringing behind."""

import math

import pytest
from trio.testing import MockClock

from orchestrator.model.calls import EndCause, EndedBy
from orchestrator.model.directory import RingStrategy
from orchestrator.model.journal import CallAnswered, CallEnded
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, open_office, person, sip


@pytest.mark.parametrize("strategy", RingStrategy)
async def test_every_phone_falls_silent(strategy: RingStrategy, autojump_clock: MockClock) -> None:
    anna = person(
        "anna", "101", sip("one"), sip("two", delay_s=2), sip("three", delay_s=4), strategy=strategy
    )
    async with open_office(acme(anna)) as office:
        for device in anna.devices:
            office.online(device.id, Phone(after_s=math.inf))
        office.call("101", patience_s=7)
        await office.all_over()
    ends = {leg.end and (leg.end.by, leg.end.status) for leg in office.switch.dialled}
    assert ends == {(EndedBy.US, 487)}
    ended = office.only(CallEnded)
    assert (ended.cause, ended.wait_ms, ended.talk_ms) == (EndCause.ABANDONED, 7000, 0)


async def test_one_who_leaves_in_the_moment_of_the_answer_ends_the_call(autojump_clock: MockClock) -> None:
    async with open_office(acme(person("anna", "101"))) as office:
        office.journal.durable_s = 0.01
        office.online("anna-desk", Phone(after_s=5))
        office.call("101", patience_s=5.005)
        await office.all_over()
    assert len(office.journal.of(CallAnswered)) == 1
    assert office.only(CallEnded).cause is EndCause.CALLER_HUNG_UP


async def test_the_answer_reaches_the_caller_only_once_it_is_durable(autojump_clock: MockClock) -> None:
    async with open_office(acme(person("anna", "101"))) as office:
        office.journal.durable_s = 2.0
        office.online("anna-desk", Phone(after_s=5))
        caller = office.call("101", patience_s=6.5)
        await office.all_over()
    assert caller.hearing is None
    assert office.only(CallEnded).cause is EndCause.CALLER_HUNG_UP
