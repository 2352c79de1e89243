"""A public number plays a greeting, then rings somebody."""

import math

import pytest
from trio.testing import MockClock

from orchestrator.model.calls import CallerId, Direction, Diversion, EndCause
from orchestrator.model.directory import Announcement
from orchestrator.model.identifiers import E164, PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallRouted,
    DeviceRang,
    TerminalReached,
)
from orchestrator.ports import RINGBACK
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import WELCOME, acme, mobile, open_office, person, to

NUMBER = "+74951234500"
ANNA = person("anna", "101")


async def test_the_greeting_is_heard_then_ringing_then_anna(autojump_clock: MockClock) -> None:
    async with open_office(acme(ANNA, numbers={NUMBER: Announcement(WELCOME, to("anna"))})) as office:
        office.online("anna-desk", Phone(after_s=3))
        caller = office.call("84951234500", device=None, talks_s=40)
        await office.all_over()
    arrived, routed = office.only(CallArrived), office.only(CallRouted)
    assert arrived.direction is Direction.INBOUND
    assert arrived.caller.number == "+74997654321"
    assert (routed.to, routed.because, routed.number) == ("announcement:welcome", "number", E164(NUMBER))
    assert caller.heard == [WELCOME, RINGBACK]
    greeting, anna = office.journal.of(CallAnswered)
    assert (greeting.prompt, greeting.wait_ms) == (WELCOME, 0)
    assert (anna.answered_by.person, anna.wait_ms) == (PersonId("anna"), 9000)
    assert office.journal.times_of(DeviceRang) == [6.0]
    assert caller.hearing is office.switch.dialled[0]
    ended = office.only(CallEnded)
    assert (ended.wait_ms, ended.talk_ms) == (9000, 31_000)


async def test_a_caller_who_leaves_while_somebody_is_rung_for_him_stops_the_ringing(
    autojump_clock: MockClock,
) -> None:
    async with open_office(acme(ANNA, numbers={NUMBER: Announcement(WELCOME, to("anna"))})) as office:
        office.online("anna-desk", Phone(after_s=math.inf))
        office.call(NUMBER, device=None, talks_s=8)
        await office.all_over()
    ended = office.only(CallEnded)
    assert (ended.cause, ended.wait_ms) == (EndCause.ABANDONED, 8000)


async def test_a_greeting_alone_is_no_failure(autojump_clock: MockClock) -> None:
    async with open_office(acme(numbers={NUMBER: Announcement(WELCOME)})) as office:
        caller = office.call(NUMBER, device=None)
        await office.all_over()
    assert caller.heard == [WELCOME]
    assert office.journal.of(TerminalReached) == []
    assert office.only(CallEnded).cause is EndCause.TERMINAL


@pytest.mark.parametrize(("called", "device"), [("+74951239999", None), ("777", "zoe-desk")])
async def test_a_number_that_nobody_has(called: str, device: str | None, autojump_clock: MockClock) -> None:
    async with open_office(acme()) as office:
        caller = office.call(called, device=device)
        await office.all_over()
    assert caller.rejected_with == 404
    assert office.only(CallRouted).to == "nowhere"
    ended = office.only(CallEnded)
    assert (ended.cause, ended.status) == (EndCause.REFUSED, 404)


async def test_what_each_who_is_rung_sees(autojump_clock: MockClock) -> None:
    anna = person("anna", "101", *ANNA.devices, mobile("anna-mobile", "+79161230101"))
    async with open_office(acme(anna, numbers={NUMBER: to("anna")})) as office:
        office.online("anna-desk", Phone(after_s=math.inf))
        office.outside("+79161230101")
        office.call(NUMBER, device=None)
        await office.all_over()
        office.call("101")
        await office.all_over()
    desk, carried = CallerId("+74997654321", "Ivan"), CallerId("+74951234500")
    forwarded = CallerId("+74951234500", diverted=Diversion(NUMBER, "follow-me"))
    assert office.switch.shown == [desk, forwarded, CallerId("199", "Zoe"), carried]
