"""INVITE with Replaces: a colleague picks up what rings, and Anna goes on with another phone of hers."""

import math

import trio
from trio.testing import MockClock

from orchestrator.model.calls import EndCause, EndedBy, Refusal
from orchestrator.model.directory import RingStrategy
from orchestrator.model.identifiers import DeviceId, PersonId
from orchestrator.model.journal import CallAnswered, CallEnded, CallTransferred, LegMoved
from orchestrator.numbering.directory import Directory
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import ACME, acme, open_office, person, sip, to

SILENT = Phone(after_s=math.inf)


def company(*, boris: RingStrategy = RingStrategy.SERIAL) -> Directory:
    people = (
        person("anna", "101", sip("desk"), sip("mobile")),
        person("boris", "102", sip("one"), sip("two"), strategy=boris, then={Refusal.NO_ANSWER: to("olga")}),
        person("olga", "103"),
    )
    return acme(*people)


async def test_a_colleague_picks_up_what_rings(autojump_clock: MockClock) -> None:
    async with open_office(company(boris=RingStrategy.PARALLEL)) as office:
        office.online("one", SILENT)
        office.online("two", SILENT)
        caller = office.call("102", talks_s=10)
        await trio.sleep(3)
        rung = office.switch.dialled[0]
        taker = office.call("102", device="desk", instead_of=rung)
        await trio.sleep(1)
        assert (caller.hearing, taker.hearing) == (taker, caller)
        assert [leg.end and (leg.end.by, leg.end.status) for leg in office.switch.dialled] == [
            (EndedBy.US, 487)
        ] * 2
        assert office.world.active.calls_of(ACME, PersonId("anna")) == 1
        await office.all_over()
    answered = office.only(CallAnswered)
    assert (answered.answered_by.person, answered.wait_ms) == (PersonId("anna"), 3000)
    assert office.only(LegMoved).into == answered.call
    ended = {entry.call: entry for entry in office.journal.of(CallEnded)}
    assert ended.pop(answered.call).cause is EndCause.CALLER_HUNG_UP
    (gone,) = ended.values()
    assert (gone.cause, gone.detail) == (EndCause.TRANSFERRED, answered.call)


async def test_her_other_phone_takes_over_and_either_side_may_be_hers(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.online("olga-desk", Phone(after_s=1))
        at_desk = office.call("103", device="desk", talks_s=math.inf)
        await trio.sleep(5)
        (olga,) = office.switch.dialled
        at_mobile = office.call("103", device="mobile", instead_of=at_desk, talks_s=math.inf)
        await trio.sleep(1)
        assert at_desk.end is not None
        assert (olga.hearing, at_mobile.hearing) == (at_mobile, olga)
        again = office.call("103", device="desk", instead_of=at_mobile, talks_s=5)
        await trio.sleep(1)
        assert (olga.hearing, again.hearing) == (again, olga)
        await office.all_over()
    assert len(office.journal.of(CallTransferred)) == 2
    causes = [entry.cause for entry in office.journal.of(CallEnded)]
    assert sorted(causes, key=str) == [EndCause.CALLER_HUNG_UP, EndCause.TRANSFERRED, EndCause.TRANSFERRED]


async def test_what_was_answered_is_its_owners_only(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.online("one", Phone(after_s=1))
        caller = office.call("102", talks_s=20)
        await trio.sleep(5)
        (boris,) = office.switch.dialled
        for place in (boris, caller):
            taker = office.call("102", device="desk", instead_of=place)
            await trio.sleep(1)
            assert taker.rejected_with == 403
        assert (caller.hearing, boris.hearing) == (boris, caller)
        await office.all_over()
    assert not office.journal.of(LegMoved)


async def test_one_who_is_gone_and_one_who_picks_up_second_hear_so(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.online("one", SILENT)
        office.call("102", talks_s=5)
        await trio.sleep(1)
        (rung,) = office.switch.dialled
        first = office.call("102", device="desk", instead_of=rung)
        second = office.call("102", device="mobile", instead_of=rung)
        await trio.sleep(1)
        assert {first.rejected_with, second.rejected_with} == {None, 491}
        late = office.call("102", device="mobile", instead_of=rung)
        await office.all_over()
    assert late.rejected_with == 481


async def test_who_picks_up_in_the_moment_of_an_answer_leaves_nobody_on_a_leg(
    autojump_clock: MockClock,
) -> None:
    async with open_office(company()) as office:
        office.online("one", Phone(after_s=2))
        caller = office.call("102", talks_s=5)
        await trio.sleep(0.5)
        (rung,) = office.switch.dialled
        await trio.sleep(1.5)
        taker = office.call("102", device="desk", instead_of=rung)
        await trio.sleep(1)
        with_whom = caller.hearing
        assert with_whom in (rung, taker)
        loser = rung if with_whom is taker else taker
        assert loser.end is not None
        await office.all_over()


async def test_one_who_has_gone_already_disturbs_nobody(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.online("one", Phone(after_s=5))
        office.call("102", talks_s=5)
        await trio.sleep(1)
        (rung,) = office.switch.dialled
        office.call("102", device="desk", instead_of=rung).leave()
        await office.all_over()
    assert office.only(CallAnswered).answered_by.device == DeviceId("one")
