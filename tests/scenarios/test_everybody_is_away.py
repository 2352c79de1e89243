"""Mikhail is on a plane, Anna does not want to be disturbed: the caller hears an announcement, never silence."""

import math

import pytest
from trio.testing import MockClock

from orchestrator.model.calls import EndCause, Failed, Refusal
from orchestrator.model.directory import Announcement
from orchestrator.model.identifiers import DeviceId
from orchestrator.model.journal import (
    CallAnswered,
    CallEnded,
    DeviceRang,
    DeviceSkipped,
    LoopCut,
    PersonNotReached,
    PromptUnheard,
    TerminalReached,
)
from orchestrator.ports import RINGBACK
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import BUSY, UNAVAILABLE, WELCOME, acme, open_office, person, sip, to

MIKHAIL = person("mikhail", "105", sip("desk"), sip("soft"), then={Refusal.OFFLINE: to("anna")})
ANNA = person("anna", "101", do_not_disturb=True)
NUMBER = "+74951234505"


@pytest.mark.parametrize(("called", "device"), [("105", "zoe-desk"), (NUMBER, None)], ids=["inside", "trunk"])
async def test_the_caller_hears_the_terminal_at_once(
    called: str, device: str | None, autojump_clock: MockClock
) -> None:
    async with open_office(acme(MIKHAIL, ANNA, numbers={NUMBER: to("mikhail")})) as office:
        office.online("anna-desk")
        caller = office.call(called, device=device)
        await office.all_over()
    assert office.journal.of(DeviceRang) == []
    assert [skipped.device for skipped in office.journal.of(DeviceSkipped)] == [
        DeviceId("desk"),
        DeviceId("soft"),
    ]
    assert [missed.because for missed in office.journal.of(PersonNotReached)] == [
        Refusal.OFFLINE,
        Refusal.DO_NOT_DISTURB,
    ]
    assert office.only(TerminalReached).prompt == UNAVAILABLE
    assert office.only(CallAnswered).prompt == UNAVAILABLE
    assert caller.heard == [UNAVAILABLE]
    ended = office.only(CallEnded)
    assert (ended.cause, ended.wait_ms, ended.talk_ms) == (EndCause.TERMINAL, 4000, 0)


async def test_a_next_step_may_be_an_announcement_of_its_own(autojump_clock: MockClock) -> None:
    aliya = person("aliya", "202", then={Refusal.BUSY: Announcement(BUSY)})
    async with open_office(acme(aliya)) as office:
        office.online("aliya-desk", Phone(Failed(Refusal.BUSY, 486), 0.1))
        caller = office.call("202")
        await office.all_over()
    assert caller.heard == [BUSY]
    assert office.only(PersonNotReached).next == "announcement:busy"


async def test_an_announcement_may_lead_on_and_ringing_is_heard_again(autojump_clock: MockClock) -> None:
    then = {Refusal.NO_ANSWER: Announcement(BUSY, Announcement(WELCOME, to("boris")))}
    anna, boris = (
        person("anna", "101", then=then),
        person("boris", "102", then={Refusal.NO_ANSWER: to("olga")}),
    )
    olga = person("olga", "103", then={Refusal.NO_ANSWER: Announcement(BUSY, to("pavel"))})
    async with open_office(acme(anna, boris, olga, person("pavel", "104"))) as office:
        for name in ("anna", "boris", "olga", "pavel"):
            office.online(f"{name}-desk", Phone(after_s=math.inf))
        caller = office.call("101", talks_s=600)
        await office.all_over()
    assert caller.heard == [BUSY, WELCOME, RINGBACK, BUSY, RINGBACK, UNAVAILABLE]


async def test_a_caller_who_cannot_hear_prompts_is_told_that_nobody_is_there(
    autojump_clock: MockClock,
) -> None:
    async with open_office(acme(MIKHAIL, ANNA, numbers={NUMBER: to("mikhail")})) as office:
        caller = office.call(NUMBER, device=None, can_hear=False)
        await office.all_over()
    assert caller.rejected_with == 480
    assert office.journal.of(TerminalReached) == []
    assert office.only(PromptUnheard).prompt == UNAVAILABLE
    assert office.only(CallEnded).cause is EndCause.NOT_REACHED


async def test_one_who_calls_an_announcement_and_cannot_hear_it_is_told_why(
    autojump_clock: MockClock,
) -> None:
    greeting = {NUMBER: Announcement(WELCOME)}
    async with open_office(acme(ANNA, numbers=greeting)) as office:
        caller = office.call(NUMBER, device=None, can_hear=False)
        await office.all_over()
    assert caller.rejected_with == 488
    assert caller.heard == []
    assert office.only(PromptUnheard).prompt == WELCOME


@pytest.mark.parametrize("why", [Failed(Refusal.BUSY, 486), Failed(Refusal.DECLINED, 603)])
async def test_somebody_outside_never_hears_busy(why: Failed, autojump_clock: MockClock) -> None:
    async with open_office(acme(person("anna", "101"), numbers={NUMBER: to("anna")})) as office:
        office.online("anna-desk", Phone(why, 1))
        caller = office.call(NUMBER, device=None)
        await office.all_over()
    assert caller.rejected_with is None
    assert caller.heard == [UNAVAILABLE]


async def test_two_who_forward_to_each_other_end_in_the_terminal_without_delay(
    autojump_clock: MockClock,
) -> None:
    anna = person("anna", "101", then={Refusal.OFFLINE: to("boris")})
    boris = person("boris", "102", then={Refusal.OFFLINE: to("anna")})
    async with open_office(acme(anna, boris)) as office:
        office.call("101")
        await office.all_over()
    assert office.journal.times_of(LoopCut) == [0.0]
    assert office.only(CallEnded).cause is EndCause.TERMINAL


async def test_the_announcement_may_be_left(autojump_clock: MockClock) -> None:
    async with open_office(acme(MIKHAIL, ANNA)) as office:
        office.call("105", talks_s=1.5)
        await office.all_over()
    ended = office.only(CallEnded)
    assert (ended.cause, ended.wait_ms) == (EndCause.CALLER_HUNG_UP, 1500)
