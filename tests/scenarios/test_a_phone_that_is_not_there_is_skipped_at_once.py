"""Anna's desk phone is off, so her mobile rings at once; nobody takes it, then Boris does."""

from trio.testing import MockClock

from orchestrator.model.calls import EndCause, Refusal
from orchestrator.model.identifiers import DeviceId, PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallEnded,
    DeviceFailed,
    DeviceRang,
    DeviceSkipped,
    PersonNotReached,
)
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, mobile, open_office, person, sip, to

ANNA = person(
    "anna",
    "101",
    sip("anna-desk"),
    mobile("anna-mobile", "+79161230101", ring_s=25),
    then={Refusal.NO_ANSWER: to("boris")},
)
BORIS = person("boris", "102")


async def test_offline_costs_no_time_and_no_answer_leads_to_the_deputy(autojump_clock: MockClock) -> None:
    async with open_office(acme(ANNA, BORIS)) as office:
        office.outside("+79161230101", Phone(after_s=float("inf")))
        office.online("boris-desk", Phone(after_s=3))
        caller = office.call("101", talks_s=30)
        await office.all_over()
    journal = office.journal
    skipped = office.only(DeviceSkipped)
    assert (skipped.device, skipped.because) == (DeviceId("anna-desk"), Refusal.OFFLINE)
    assert journal.times_of(DeviceSkipped) == [0.0]
    assert journal.times_of(DeviceRang) == [0.0, 25.0]
    assert office.rung == ["anna-mobile", "boris-desk"]
    assert office.only(DeviceFailed).because is Refusal.NO_ANSWER
    missed = office.only(PersonNotReached)
    assert (missed.person, missed.because, missed.next) == (
        PersonId("anna"),
        Refusal.NO_ANSWER,
        "person:boris",
    )
    answered = office.only(CallAnswered)
    assert (answered.answered_by.person, answered.wait_ms) == (PersonId("boris"), 28_000)
    ended = office.only(CallEnded)
    assert (ended.cause, ended.wait_ms, ended.talk_ms) == (EndCause.CALLER_HUNG_UP, 28_000, 30_000)
    assert caller.rings
