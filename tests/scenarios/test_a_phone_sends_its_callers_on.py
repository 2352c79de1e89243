"""Boris's own phone forwards (302): the call goes on as if he had forwarded it here."""

import pytest
from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.calls import Failed, Refusal
from orchestrator.model.directory import Person, RingStrategy
from orchestrator.model.identifiers import DeviceId
from orchestrator.model.journal import CallAnswered, DeviceFailed, LoopCut, OutsideBarred, PersonNotReached
from orchestrator.model.outside import Bar
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, open_office, person, sip, to
from tests.scenarios.test_nobody_calls_outside_without_the_right import company, service

OUTSIDE = "+74957654321"


def forwards(number: str, after_s: float = 0.1) -> Phone:
    return Phone(Failed(Refusal.UNREACHABLE, 302, "Moved Temporarily", number), after_s)


async def test_to_a_colleague(autojump_clock: MockClock) -> None:
    async with open_office(acme(person("boris", "102"), person("olga", "103"))) as office:
        office.online("boris-desk", forwards("103"))
        office.online("olga-desk", Phone(after_s=1))
        office.call("102", talks_s=1)
        await office.all_over()
    assert office.only(DeviceFailed).status == 302
    assert office.only(PersonNotReached).next == "person:olga"
    assert office.only(CallAnswered).answered_by.device == DeviceId("olga-desk")


async def test_not_to_the_phones_that_would_ring_next(autojump_clock: MockClock) -> None:
    boris = person("boris", "102", sip("one"), sip("two"), then={Refusal.UNREACHABLE: to("anna")})
    async with open_office(acme(boris, person("olga", "103"), person("anna", "101"))) as office:
        office.online("one", forwards("103"))
        office.online("two", Phone())
        office.online("olga-desk", Phone())
        office.call("102", talks_s=1)
        await office.all_over()
    assert office.rung == ["one", "olga-desk"]


@pytest.mark.parametrize(
    ("beside", "answers"),
    [
        (Phone(after_s=5), "two"),
        (Phone(Failed(Refusal.BUSY, 486), 5), "olga-desk"),
        (Phone(Failed(Refusal.DECLINED, 603), 5), None),
    ],
)
async def test_unless_a_phone_beside_it_answers_or_declines(
    autojump_clock: MockClock, beside: Phone, answers: str | None
) -> None:
    boris = person("boris", "102", sip("one"), sip("two"), strategy=RingStrategy.PARALLEL)
    async with open_office(acme(boris, person("olga", "103"))) as office:
        office.online("one", forwards("103"))
        office.online("two", beside)
        office.online("olga-desk", Phone())
        office.call("102", talks_s=1)
        await office.all_over()
    assert office.only(CallAnswered).answered_by.device == answers


async def test_not_in_circles(autojump_clock: MockClock) -> None:
    async with open_office(acme(person("boris", "102"), person("olga", "103"))) as office:
        office.online("boris-desk", forwards("103"))
        office.online("olga-desk", forwards("102"))
        office.call("102")
        await office.all_over()
    assert office.only(LoopCut).chain == ("boris", "olga")
    assert office.rung == ["boris-desk", "olga-desk"]


@pytest.mark.parametrize("said", [OUTSIDE, "84957654321"])
async def test_outside_if_he_may_forward_there(autojump_clock: MockClock, said: str) -> None:
    async with open_office(company(service(person("boris", "102"), "default"))) as office:
        office.online("boris-desk", forwards(said))
        office.outside(OUTSIDE, Phone())
        office.call("102", talks_s=1)
        await office.all_over()
    assert office.only(CallAnswered).answered_by.number == OUTSIDE


async def test_not_outside_without_the_right(autojump_clock: MockClock) -> None:
    async with open_office(company(service(person("boris", "102"), "lobby"))) as office:
        office.online("boris-desk", forwards(OUTSIDE))
        office.outside(OUTSIDE, Phone())
        office.call("102")
        await office.all_over()
    assert office.only(OutsideBarred).barred.because is Bar.FORWARD
    assert office.rung == ["boris-desk"]


@pytest.mark.parametrize("said", ["999", "nobody", "112"])
async def test_what_is_no_number_is_a_phone_that_cannot_be_reached(
    autojump_clock: MockClock, said: str
) -> None:
    boris: Person = evolve(person("boris", "102"), next_steps={Refusal.UNREACHABLE: to("olga")})
    async with open_office(acme(boris, person("olga", "103"))) as office:
        office.online("boris-desk", forwards(said))
        office.online("olga-desk", Phone())
        office.call("102", talks_s=1)
        await office.all_over()
    assert office.rung == ["boris-desk", "olga-desk"]
