"""Somebody hangs up a call, or transfers it, from outside of it."""

import math

import pytest
import trio
from trio.testing import MockClock

from orchestrator.model.calls import EndCause, EndedBy, Failed, Refusal
from orchestrator.model.commands import HangUpCall, Side, TransferCall
from orchestrator.model.directory import Announcement
from orchestrator.model.errors import NoSuchCall, StateConflict
from orchestrator.model.identifiers import CallId, CompanyId, PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallEnded,
    CallTransferred,
    CommandCompleted,
    CommandFailed,
    PromptUnheard,
    TerminalReached,
)
from orchestrator.ports import RINGBACK
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import (
    ACME,
    UNAVAILABLE,
    WELCOME,
    Office,
    acme,
    open_office,
    person,
    to,
)

NUMBER = "+74951234501"
ANNA, BORIS = person("anna", "101"), person("boris", "102")
COMPANY = acme(ANNA, BORIS, numbers={NUMBER: to("anna"), "+74951234500": Announcement(WELCOME)})


def tell(office: Office, command: HangUpCall | TransferCall) -> None:
    office.world.active.find(ACME, office.call_ids[0]).tell(command)


@pytest.mark.parametrize("at_s", [2, 8], ids=["ringing", "talking"])
async def test_a_command_hangs_up(at_s: float, autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=5))
        caller = office.call("101", talks_s=60)
        await trio.sleep(at_s)
        command = HangUpCall(office.next_command())
        tell(office, command)
        await office.all_over()
    assert caller.end is not None
    assert caller.end.by is EndedBy.US
    assert office.only(CallEnded).cause is EndCause.COMMAND
    assert office.only(CommandCompleted) == CommandCompleted(command.id, "hang_up", office.call_ids[0])


@pytest.mark.parametrize("leaving", Side)
async def test_a_transfer_connects_the_one_who_stays(leaving: Side, autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.online("boris-desk", Phone(after_s=4, talks_s=20))
        caller = office.call(NUMBER, device=None, talks_s=600)
        await trio.sleep(10)
        anna = office.switch.dialled[0]
        stays, leaves = (anna, caller) if leaving is Side.CALLER else (caller, anna)
        command = TransferCall(office.next_command(), "102", leaving)
        tell(office, command)
        await trio.sleep(2)
        assert leaves.end is not None
        assert stays.heard == [RINGBACK]
        await trio.sleep(5)
        boris = office.switch.dialled[1]
        assert stays.hearing is boris
        assert boris.hearing is stays
        await office.all_over()
    assert office.only(CallTransferred).to == "person:boris"
    assert office.only(CommandCompleted).command == command.id
    first, second = office.journal.of(CallAnswered)
    assert (first.answered_by.person, second.answered_by.person) == (PersonId("anna"), PersonId("boris"))
    assert second.wait_ms == 4000
    ended = office.only(CallEnded)
    assert (ended.cause, ended.wait_ms, ended.talk_ms) == (EndCause.CALLEE_HUNG_UP, 1000, 33_000)


async def test_who_has_transferred_a_call_is_free(autojump_clock: MockClock) -> None:
    anna = person("anna", "101", call_limit=1)
    async with open_office(acme(anna, BORIS)) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.online("boris-desk", Phone(after_s=1))
        office.call("101", talks_s=60)
        await trio.sleep(10)
        tell(office, TransferCall(office.next_command(), "102"))
        await trio.sleep(10)
        office.call("101", talks_s=5)
        await office.all_over()
    answered = [entry.answered_by.person for entry in office.journal.of(CallAnswered)]
    assert answered == ["anna", "boris", "anna"]


async def test_a_call_answered_at_once_has_talked_since_then(autojump_clock: MockClock) -> None:
    """The clock of a rehearsal begins at 0 s."""
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=0))
        office.online("boris-desk", Phone(after_s=5))
        office.call("101", talks_s=30)
        await trio.sleep(10)
        tell(office, TransferCall(office.next_command(), "102"))
        await office.all_over()
    ended = office.only(CallEnded)
    assert (ended.wait_ms, ended.talk_ms) == (0, 30_000)


async def test_a_transfer_to_nobody_comes_back(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.online("boris-desk", Phone(Failed(Refusal.BUSY, 486), 1))
        caller = office.call(NUMBER, device=None, talks_s=60)
        await trio.sleep(10)
        tell(office, TransferCall(office.next_command(), "102"))
        await office.all_over()
    assert office.only(CommandFailed).code == "not_reached"
    assert [moved.to for moved in office.journal.of(CallTransferred)] == ["person:boris", "person:anna"]
    assert office.rung == ["anna-desk", "boris-desk", "anna-desk"]
    assert caller.hearing is office.switch.dialled[2]
    assert office.journal.of(TerminalReached) == []


async def test_one_who_cannot_hear_the_terminal_of_a_transfer_leaves_a_note_of_it(
    autojump_clock: MockClock,
) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.online("boris-desk", Phone(Failed(Refusal.BUSY, 486), 1))
        office.call(NUMBER, device=None, talks_s=60, can_hear=False)
        await trio.sleep(10)
        office.switch.unregister(ANNA.devices[0].id)
        tell(office, TransferCall(office.next_command(), "102"))
        await office.all_over()
    assert office.only(PromptUnheard).prompt == UNAVAILABLE
    assert office.only(CallEnded).cause is EndCause.NOT_REACHED


async def test_a_transfer_that_nobody_takes_back_ends_in_the_terminal(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        caller = office.call(NUMBER, device=None, talks_s=600)
        await trio.sleep(10)
        office.switch.unregister(ANNA.devices[0].id)
        tell(office, TransferCall(office.next_command(), "102"))
        await office.all_over()
    assert caller.heard[-1] == UNAVAILABLE
    assert office.only(CallEnded).cause is EndCause.TERMINAL


async def test_a_transfer_to_nowhere_disturbs_nobody(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        caller = office.call(NUMBER, device=None, talks_s=60)
        await trio.sleep(10)
        tell(office, TransferCall(office.next_command(), "999"))
        await trio.sleep(1)
        assert caller.hearing is office.switch.dialled[0]
        await office.all_over()
    assert office.only(CommandFailed).code == "unknown_number"


async def test_a_transfer_to_an_announcement_is_done_once_it_plays(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        caller = office.call(NUMBER, device=None, talks_s=60)
        await trio.sleep(10)
        tell(office, TransferCall(office.next_command(), "+74951234500"))
        await office.all_over()
    assert caller.heard == [WELCOME]
    assert len(office.journal.of(CommandCompleted)) == 1


async def test_one_who_leaves_during_a_transfer_ends_the_call(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.online("boris-desk", Phone(after_s=math.inf))
        office.call(NUMBER, device=None, talks_s=15)
        await trio.sleep(10)
        tell(office, TransferCall(office.next_command(), "102"))
        await office.all_over()
    assert office.only(CommandFailed).code == "call_ended"
    assert office.only(CallEnded).cause is EndCause.CALLER_HUNG_UP


async def test_a_call_takes_commands_only_when_it_can_carry_them_out(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=5))
        office.online("boris-desk", Phone(after_s=5))
        office.call("101", talks_s=60)
        await trio.sleep(2)
        with pytest.raises(StateConflict):
            tell(office, TransferCall(office.next_command(), "102"))
        with pytest.raises(NoSuchCall):
            office.world.active.find(CompanyId("other"), office.call_ids[0])
        with pytest.raises(NoSuchCall):
            office.world.active.find(ACME, CallId("no-such-call"))
        await trio.sleep(8)
        for _ in range(8):
            tell(office, TransferCall(office.next_command(), "102"))
        with pytest.raises(StateConflict):
            tell(office, HangUpCall(office.next_command()))
        await office.all_over()
    reported = [entry.command for entry in office.journal.of(CommandCompleted)]
    reported += [entry.command for entry in office.journal.of(CommandFailed)]
    assert len(set(reported)) == len(reported) == 8
