"""Sergey takes one call at a time; a second caller goes where his card says."""

import trio
from trio.testing import MockClock

from orchestrator.model.calls import Refusal
from orchestrator.model.journal import CallAnswered, PersonNotReached
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, open_office, person, to

SERGEY = person("sergey", "302", call_limit=1, then={Refusal.BUSY: to("darya")})
DARYA = person("darya", "301")


async def test_the_second_caller_goes_on_and_the_third_finds_him_free(autojump_clock: MockClock) -> None:
    async with open_office(acme(SERGEY, DARYA)) as office:
        office.online("sergey-desk", Phone(after_s=1))
        office.online("darya-desk", Phone(after_s=1))
        office.call("302", talks_s=20)
        await trio.sleep(10)
        office.call("302", talks_s=20)
        await trio.sleep(30)
        office.call("302", talks_s=20)
        await office.all_over()
    people = [answer.answered_by.person for answer in office.journal.of(CallAnswered)]
    assert people == ["sergey", "darya", "sergey"]
    assert office.only(PersonNotReached).because is Refusal.BUSY


async def test_whom_a_caller_has_given_up_on_is_free(autojump_clock: MockClock) -> None:
    sergey = person("sergey", "302", call_limit=1, then={Refusal.NO_ANSWER: to("darya")})
    async with open_office(acme(sergey, DARYA)) as office:
        office.online("sergey-desk", Phone(after_s=21))
        office.online("darya-desk", Phone(after_s=1))
        office.call("302", talks_s=100)
        await trio.sleep(30)
        office.call("302", patience_s=10)
        await office.all_over()
    assert office.rung == ["sergey-desk", "darya-desk", "sergey-desk"]


async def test_who_calls_himself_counts(autojump_clock: MockClock) -> None:
    async with open_office(acme(SERGEY, DARYA)) as office:
        office.online("sergey-desk", Phone(after_s=1))
        office.online("darya-desk", Phone(after_s=1))
        office.call("301", device="sergey-desk", talks_s=20)
        await trio.sleep(5)
        office.call("302", talks_s=1)
        await office.all_over()
    assert [answer.answered_by.person for answer in office.journal.of(CallAnswered)] == ["darya", "darya"]


async def test_without_a_limit_any_number_of_calls_reach_one_number(autojump_clock: MockClock) -> None:
    async with open_office(acme(DARYA, numbers={"+73831234501": to("darya")})) as office:
        office.online("darya-desk", Phone(after_s=1))
        for _ in range(300):
            office.call("+73831234501", device=None, talks_s=20)
        await office.all_over()
    assert len(office.journal.of(CallAnswered)) == 300
