"""A phone asks for a transfer (REFER): blindly, or to whom it has asked in a second call."""

import math

import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.calls import CallerId, EndCause, Failed, Refusal
from orchestrator.model.commands import HangUpCall, TransferCall
from orchestrator.model.directory import Announcement
from orchestrator.model.identifiers import PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallEnded,
    CallTransferred,
    LegFinished,
    LegMoved,
    OutsideBarred,
    TransferFailed,
)
from orchestrator.model.outside import ClassOfService
from orchestrator.numbering.directory import directory_of
from orchestrator.ports import RINGBACK
from orchestrator.rehearsal.leg import Phone, RehearsalLeg
from tests.scenarios.company import WELCOME, Office, acme, mobile, open_office, person, sip, to

NUMBER = "+74951234501"
ANNA, BORIS = person("anna", "101"), person("boris", "102")
COMPANY = acme(ANNA, BORIS, numbers={NUMBER: to("anna"), "+74951234500": Announcement(WELCOME)})


async def client_and_anna(office: Office, talks_s: float = 100) -> tuple[RehearsalLeg, RehearsalLeg]:
    """A client has called, and talks to Anna."""
    office.online("anna-desk", Phone(after_s=1))
    client = office.call(NUMBER, device=None, talks_s=talks_s)
    await trio.sleep(10)
    return client, office.switch.dialled[0]


async def consulted(office: Office) -> tuple[RehearsalLeg, RehearsalLeg, RehearsalLeg, RehearsalLeg]:
    """Anna, besides, calls Boris, who answers: the client, Anna's two legs, Boris."""
    client, anna = await client_and_anna(office)
    office.online("boris-desk", Phone(after_s=1))
    consult = office.call("102", device="anna-desk")
    await trio.sleep(5)
    return client, anna, consult, office.switch.dialled[1]


async def test_a_blind_transfer_lets_the_phone_go_once_somebody_answers(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        office.online("boris-desk", Phone(after_s=4, talks_s=20))
        anna.ask_transfer("102")
        await trio.sleep(2)
        assert (anna.end, anna.told, client.heard) == (None, [100, 180], [RINGBACK])
        await trio.sleep(4)
        boris = office.switch.dialled[1]
        assert anna.end is not None
        assert (client.hearing, boris.hearing) == (boris, client)
        await office.all_over()
    assert anna.told == [100, 180, 200]
    assert office.switch.shown[1] == CallerId("+74997654321", "Ivan")
    moved = office.only(CallTransferred)
    assert (moved.to, moved.by, moved.command) == ("person:boris", PersonId("anna"), None)
    assert office.only(CallEnded).cause is EndCause.CALLEE_HUNG_UP


async def test_the_caller_can_transfer_too(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.online("boris-desk", Phone(after_s=1, talks_s=20))
        zoe = office.call("101")
        await trio.sleep(5)
        zoe.ask_transfer("102")
        await trio.sleep(5)
        anna, boris = office.switch.dialled
        assert (anna.hearing, boris.hearing) == (boris, anna)
        await office.all_over()
    assert zoe.told == [100, 180, 200]


async def test_who_is_not_reached_brings_the_call_back_to_the_phone(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office, talks_s=40)
        office.online("boris-desk", Phone(Failed(Refusal.BUSY, 486), 1))
        anna.ask_transfer("102")
        await trio.sleep(5)
        assert anna.told == [100, 180, 480]
        assert (client.hearing, anna.hearing) == (anna, client)
        anna.ask_transfer("102")
        await trio.sleep(5)
        assert anna.told == [100, 180, 480]
        await office.all_over()
    first, _ = office.journal.of(TransferFailed)
    assert (first.because, first.status, first.by) == ("not_reached", 480, PersonId("anna"))
    assert office.only(CallEnded).cause is EndCause.CALLER_HUNG_UP
    assert len(office.journal.of(CallAnswered)) == 1


async def test_a_phone_that_has_hung_up_is_rung_again_if_nobody_answers(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        office.online("boris-desk", Phone(after_s=math.inf))
        anna.ask_transfer("102")
        anna.leave()
        await trio.sleep(25)
        assert office.rung == ["anna-desk", "boris-desk", "anna-desk"]
        assert client.hearing is office.switch.dialled[2]
        await office.all_over()
    assert [moved.to for moved in office.journal.of(CallTransferred)] == ["person:boris", "person:anna"]


async def test_who_hangs_up_after_asking_is_free_for_other_calls(autojump_clock: MockClock) -> None:
    anna = person("anna", "101", call_limit=1)
    async with open_office(acme(anna, BORIS, numbers={NUMBER: to("anna")})) as office:
        _, leg = await client_and_anna(office)
        office.online("boris-desk", Phone(after_s=15))
        leg.ask_transfer("102")
        leg.leave()
        await trio.sleep(2)
        office.call("101", talks_s=5)
        await office.all_over()
    answered = [entry.answered_by.person for entry in office.journal.of(CallAnswered)]
    assert answered == ["anna", "anna", "boris"]


async def test_a_number_that_leads_nowhere_disturbs_nobody(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        anna.ask_transfer("999")
        await trio.sleep(1)
        assert (anna.told, client.hearing) == ([100, 404], anna)
        await office.all_over()
    assert office.only(TransferFailed).because == "unknown_number"


async def test_a_transfer_to_an_announcement_plays_it(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        anna.ask_transfer("+74951234500")
        await office.all_over()
    assert anna.told == [100, 200]
    assert client.heard == [WELCOME]
    assert office.only(CallEnded).cause is EndCause.TERMINAL


async def test_a_transfer_to_oneself_rings_the_phone_anew(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        anna.ask_transfer("101")
        await trio.sleep(5)
        assert anna.told == [100, 180, 200]
        assert client.hearing is office.switch.dialled[1]
        await office.all_over()


async def test_a_client_who_hangs_up_ends_the_transfer(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        office.online("boris-desk", Phone(after_s=math.inf))
        anna.ask_transfer("102")
        await trio.sleep(3)
        client.leave()
        await office.all_over()
    assert anna.told == [100, 180, 487]
    assert office.only(CallEnded).cause is EndCause.CALLER_HUNG_UP


async def test_a_command_may_end_a_call_that_a_phone_transfers(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        _, anna = await client_and_anna(office)
        office.online("boris-desk", Phone(after_s=math.inf))
        anna.ask_transfer("102")
        await trio.sleep(3)
        office.world.active.table[office.call_ids[0]].tell(HangUpCall(office.next_command()))
        await office.all_over()
    assert office.only(CallEnded).cause is EndCause.COMMAND


async def test_of_two_transfers_in_one_moment_one_is_carried_out(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        office.online("boris-desk", Phone(after_s=1, talks_s=20))
        call = office.world.active.table[office.call_ids[0]]
        call.tell(TransferCall(office.next_command(), "102"))
        anna.ask_transfer("102")
        await trio.sleep(5)
        assert client.hearing is office.switch.dialled[1]
        await office.all_over()
    assert len(office.journal.of(CallTransferred)) == 1


async def test_while_a_call_rings_nothing_can_be_transferred(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.online("boris-desk", Phone(after_s=4))
        zoe = office.call("102", talks_s=5)
        await trio.sleep(1)
        zoe.ask_transfer("101")
        assert zoe.told == [491]
        await office.all_over()


async def test_an_attended_transfer_joins_client_and_colleague(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna, consult, boris = await consulted(office)
        anna.ask_transfer("102", consult)
        await trio.sleep(0.1)
        assert (client.hearing, boris.hearing) == (boris, client)
        assert anna.end is not None
        assert consult.end is not None
        assert boris.end is None
        assert anna.told == [100, 200]
        assert office.world.active.calls_of(office.directory.id, PersonId("anna")) == 0
        assert office.world.active.calls_of(office.directory.id, PersonId("boris")) == 1
        await office.all_over()
    main, other = office.call_ids
    moved = office.only(CallTransferred)
    assert (moved.call, moved.to, moved.by, moved.attended) == (main, "person:boris", PersonId("anna"), True)
    assert office.only(LegMoved) == LegMoved(other, boris.id, main)
    ends = {entry.call: entry for entry in office.journal.of(CallEnded)}
    assert (ends[other].cause, ends[other].detail) == (EndCause.TRANSFERRED, main)
    assert ends[main].cause is EndCause.CALLER_HUNG_UP
    assert ends[main].talk_ms == 100_000
    legs = {entry.leg: entry.call for entry in office.journal.of(LegFinished)}
    assert legs == {client.id: main, anna.id: main, boris.id: main, consult.id: other}
    assert office.rung == ["anna-desk", "boris-desk"]


async def test_a_phone_that_hangs_up_both_calls_as_it_asks_has_transferred(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna, consult, boris = await consulted(office)
        anna.ask_transfer("102", consult)
        consult.leave()
        anna.leave()
        await trio.sleep(1)
        assert (client.hearing, boris.hearing) == (boris, client)
        await office.all_over()


async def test_somebody_who_still_rings_is_rung_for_the_client_instead(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna = await client_and_anna(office)
        office.online("boris-desk", Phone(after_s=8))
        consult = office.call("102", device="anna-desk")
        await trio.sleep(3)
        anna.ask_transfer("102", consult)
        await trio.sleep(1)
        assert consult.end is not None
        assert anna.told == [100, 180]
        await trio.sleep(10)
        assert client.hearing is office.switch.dialled[2]
        await office.all_over()
    assert office.rung == ["anna-desk", "boris-desk", "boris-desk"]


async def test_two_attended_transfers_of_one_moment_lose_nobody(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        client, anna, consult, boris = await consulted(office)
        anna.ask_transfer("102", consult)
        consult.ask_transfer("101", anna)
        await trio.sleep(1)
        assert (client.hearing, boris.hearing) == (boris, client)
        await office.all_over()


async def test_a_colleague_who_hangs_up_as_he_is_joined_to_leaves_the_call_as_it_was(
    autojump_clock: MockClock,
) -> None:
    async with open_office(COMPANY) as office:
        client, anna, consult, boris = await consulted(office)
        boris.leave()
        anna.ask_transfer("102", consult)
        await trio.sleep(1)
        assert anna.told == [100, 481]
        assert client.hearing is anna
        await office.all_over()


async def test_the_right_to_transfer_outside_is_that_of_who_transfers(autojump_clock: MockClock) -> None:
    plain = acme(ANNA, numbers={NUMBER: to("anna")})
    barred = evolve(plain.company, classes_of_service={"default": ClassOfService(may_transfer=False)})
    company = directory_of(barred, plain.people.values(), plain.trunks.values(), plain.numbers.values())
    for attended in (False, True):
        async with open_office(company) as office:
            client, anna = await client_and_anna(office)
            office.outside("+79161112233", Phone(after_s=1))
            consult = None
            if attended:
                consult = office.call("+79161112233", device="anna-desk", talks_s=20)
                await trio.sleep(5)
            anna.ask_transfer("+79161112233", consult)
            await trio.sleep(1)
            assert anna.told == [100, 403]
            assert client.hearing is anna
            await office.all_over()
        assert office.only(OutsideBarred).barred.by == "anna"


async def test_a_mobile_of_a_colleague_can_be_joined_to(autojump_clock: MockClock) -> None:
    boris = person("boris", "102", sip("boris-desk"), mobile("boris-mobile", "+79161112233"))
    async with open_office(acme(ANNA, boris, numbers={NUMBER: to("anna")})) as office:
        client, anna = await client_and_anna(office)
        office.outside("+79161112233", Phone(after_s=1))
        consult = office.call("102", device="anna-desk")
        await trio.sleep(5)
        anna.ask_transfer("102", consult)
        await trio.sleep(1)
        assert client.hearing is office.switch.dialled[-1]
        await office.all_over()
