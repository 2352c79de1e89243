"""Click to call: Anna's phone rings first, then whomever she wants."""

import math

import pytest
from trio.testing import MockClock

from orchestrator.model.calls import Direction, EndCause, Failed, Refusal
from orchestrator.model.identifiers import PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CommandCompleted,
    CommandFailed,
    DeviceRang,
)
from orchestrator.ports import RINGBACK
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import UNAVAILABLE, acme, open_office, person

COMPANY = acme(person("anna", "101"), person("boris", "102"))
OUTSIDE = "+79161234567"


@pytest.mark.parametrize(
    ("to", "direction"), [("102", Direction.INTERNAL), ("89161234567", Direction.OUTBOUND)]
)
async def test_both_are_connected(to: str, direction: Direction, autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=2, talks_s=30))
        office.online("boris-desk", Phone(after_s=3))
        office.outside(OUTSIDE, Phone(after_s=3))
        command = office.originate("anna", to)
        await office.all_over()
    arrived = office.only(CallArrived)
    assert (arrived.direction, arrived.caller.person, arrived.command) == (
        direction,
        PersonId("anna"),
        command,
    )
    assert office.journal.times_of(DeviceRang) == [0.0, 2.0]
    anna, other = office.switch.dialled
    assert anna.heard == [RINGBACK]
    assert (anna.hearing, other.hearing) == (other, anna)
    assert office.only(CallAnswered).leg == other.id
    assert office.only(CommandCompleted).command == command
    ended = office.only(CallEnded)
    assert (ended.cause, ended.wait_ms, ended.talk_ms) == (EndCause.CALLER_HUNG_UP, 5000, 27_000)


@pytest.mark.parametrize("limit", [1, 2])
async def test_the_call_that_one_asks_for_does_not_count_against_oneself(
    limit: int, autojump_clock: MockClock
) -> None:
    company = acme(person("anna", "101", call_limit=limit), person("boris", "102"))
    async with open_office(company) as office:
        office.online("anna-desk", Phone(after_s=2, talks_s=30))
        office.online("boris-desk")
        office.originate("anna", "102")
        await office.all_over()
    assert office.journal.of(CommandFailed) == []
    assert office.only(CommandCompleted)


async def test_who_does_not_pick_up_calls_nobody(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=math.inf))
        office.online("boris-desk")
        office.originate("anna", "102")
        await office.all_over()
    assert office.rung == ["anna-desk"]
    assert office.only(CommandFailed).code == "caller_not_reached"
    assert office.only(CallEnded).cause is EndCause.NOT_REACHED


@pytest.mark.parametrize("to", ["102", OUTSIDE])
async def test_who_reaches_nobody_hears_so(to: str, autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.outside(OUTSIDE, Phone(Failed(Refusal.BUSY, 486), 1))
        office.originate("anna", to)
        await office.all_over()
    assert office.switch.dialled[0].heard[-1] == UNAVAILABLE
    assert office.only(CommandFailed).code == "not_reached"
    assert office.only(CallEnded).cause is EndCause.TERMINAL


@pytest.mark.parametrize(
    ("caller", "to", "code"),
    [
        ("anna", "999", "unknown_number"),
        ("anna", "+4930123456", "not_allowed"),
        ("nobody", "102", "not_found"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_rings(
    caller: str, to: str, code: str, autojump_clock: MockClock
) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk")
        office.originate(caller, to)
        await office.all_over()
    assert office.rung == []
    assert office.only(CommandFailed).code == code
    assert office.journal.of(CallArrived) == []
