"""All of Boris's phones ring; whoever is first has the call, the others fall silent."""

import math

from trio.testing import MockClock

from orchestrator.model.calls import EndedBy, Failed, Refusal
from orchestrator.model.directory import RingStrategy
from orchestrator.model.identifiers import DeviceId, PersonId
from orchestrator.model.journal import CallAnswered, DeviceFailed, DeviceRang, LegFinished, PersonNotReached
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, mobile, open_office, person, sip

SILENT = Phone(after_s=math.inf)
BUSY = Phone(Failed(Refusal.BUSY, 486), 0.2)


async def test_the_first_answer_wins_and_the_losers_are_cancelled(autojump_clock: MockClock) -> None:
    boris = person("boris", "102", sip("one"), sip("two"), sip("three"), strategy=RingStrategy.PARALLEL)
    async with open_office(acme(boris)) as office:
        office.online("one", SILENT)
        office.online("two", Phone(after_s=5))
        office.online("three", Phone(after_s=6))
        caller = office.call("102", talks_s=10)
        await office.all_over()
    assert office.journal.times_of(DeviceRang) == [0.0] * 3
    assert office.only(CallAnswered).answered_by.device == DeviceId("two")
    losers = [leg.end for leg in office.switch.dialled if leg.device != "two"]
    assert [end and (end.by, end.status) for end in losers] == [(EndedBy.US, 487)] * 2
    assert office.journal.times_of(LegFinished)[:2] == [5.0, 5.0]
    (winner,) = [leg for leg in office.switch.dialled if leg.device == "two"]
    assert caller.hearing is winner
    assert winner.hearing is caller


async def test_two_who_pick_up_in_one_moment_are_not_both_connected(autojump_clock: MockClock) -> None:
    boris = person("boris", "102", sip("one"), sip("two"), strategy=RingStrategy.PARALLEL)
    async with open_office(acme(boris)) as office:
        office.online("one", Phone(after_s=5))
        office.online("two", Phone(after_s=5))
        office.call("102", talks_s=10)
        await office.all_over()
    winner = office.only(CallAnswered).answered_by.device
    lost = [leg.end for leg in office.switch.dialled if leg.device != winner]
    assert [end and end.by for end in lost] == [EndedBy.US]
    assert office.journal.times_of(LegFinished)[0] == 5.0


async def test_each_place_where_a_device_is_registered_rings(autojump_clock: MockClock) -> None:
    async with open_office(acme(person("boris", "102"))) as office:
        office.online("boris-desk", SILENT)
        office.online("boris-desk", Phone(after_s=3))
        office.call("102", talks_s=1)
        await office.all_over()
    assert office.rung == ["boris-desk", "boris-desk"]
    assert office.only(CallAnswered).wait_ms == 3000


async def test_a_card_starts_each_phone_at_its_time(autojump_clock: MockClock) -> None:
    olga = person(
        "olga",
        "103",
        sip("desk", ring_s=25),
        mobile("mobile", "+79161230103", delay_s=8, ring_s=17),
        strategy=RingStrategy.AS_CARD,
    )
    async with open_office(acme(olga)) as office:
        office.online("desk", SILENT)
        office.outside("+79161230103", SILENT)
        office.call("103")
        await office.all_over()
    assert office.journal.times_of(DeviceRang) == [0.0, 8.0]
    assert office.journal.times_of(DeviceFailed) == [25.0, 25.0]
    assert office.only(PersonNotReached).because is Refusal.NO_ANSWER


async def test_a_card_does_not_wait_for_a_phone_that_is_gone(autojump_clock: MockClock) -> None:
    olga = person(
        "olga",
        "103",
        sip("desk"),
        sip("soft", delay_s=4),
        mobile("mobile", "+79161230103", delay_s=8),
        strategy=RingStrategy.AS_CARD,
    )
    async with open_office(acme(olga)) as office:
        office.online("soft", BUSY)
        office.outside("+79161230103", Phone(after_s=2))
        office.call("103", talks_s=1)
        await office.all_over()
    assert office.journal.times_of(DeviceRang) == [0.0, 0.2]
    assert office.only(CallAnswered).wait_ms == 2200


async def test_one_decline_speaks_for_the_person(autojump_clock: MockClock) -> None:
    boris = person("boris", "102", sip("one"), sip("two"), strategy=RingStrategy.PARALLEL)
    async with open_office(acme(boris)) as office:
        office.online("one", SILENT)
        office.online("two", Phone(Failed(Refusal.DECLINED, 603), 3))
        office.call("102")
        await office.all_over()
    missed = office.only(PersonNotReached)
    assert (missed.person, missed.because) == (PersonId("boris"), Refusal.DECLINED)
    assert office.journal.times_of(PersonNotReached) == [3.0]


async def test_all_busy_is_busy(autojump_clock: MockClock) -> None:
    boris = person("boris", "102", sip("one"), sip("two"), strategy=RingStrategy.PARALLEL)
    async with open_office(acme(boris)) as office:
        office.online("one", BUSY)
        office.online("two", BUSY)
        office.call("102")
        await office.all_over()
    assert office.only(PersonNotReached).because is Refusal.BUSY
