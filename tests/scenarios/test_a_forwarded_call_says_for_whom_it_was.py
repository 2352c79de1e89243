"""A call that leads outside says for whom it was and why; one that was forwarded before is told so."""

from datetime import UTC, datetime

import pytest
from trio.testing import MockClock

from orchestrator.explain import names_in, trace
from orchestrator.model.calls import Answered, Diversion, Failed, Outcome, Refusal
from orchestrator.model.directory import Destination, ToOutside
from orchestrator.model.identifiers import E164
from orchestrator.model.journal import CallArrived, CallEnded, Record
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import ACME, acme, open_office, person, to

NUMBER, MOBILE, SECRETARY = "+74951234501", "+79161230101", "+79161230102"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AWAY: dict[Refusal, Destination] = {why: ToOutside(E164(SECRETARY)) for why in Refusal}
BEFORE = Diversion("84957770000", "user-busy", 2)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (None, "unavailable"),
        (Failed(Refusal.BUSY, 486), "user-busy"),
        (Failed(Refusal.DECLINED, 603), "deflection"),
        (Failed(Refusal.NO_ANSWER, 480), "no-answer"),
    ],
)
async def test_a_next_step_outside_says_why(
    outcome: Outcome | None, reason: str, autojump_clock: MockClock
) -> None:
    directory = acme(person("anna", "101", then=AWAY), numbers={NUMBER: to("anna")})
    async with open_office(directory) as office:
        if outcome is not None:
            office.online("anna-desk", Phone(outcome, after_s=1))
        office.outside(SECRETARY)
        office.call(NUMBER, device=None, diverted=BEFORE)
        await office.all_over()
    assert office.switch.shown[-1].diverted == Diversion(NUMBER, reason, 3)


async def test_a_number_that_leads_outside_always_does_so(autojump_clock: MockClock) -> None:
    async with open_office(acme(numbers={NUMBER: ToOutside(E164(SECRETARY))})) as office:
        office.outside(SECRETARY, Phone(Answered(), 0))
        office.call(NUMBER, device=None)
        await office.all_over()
    assert [seen.diverted for seen in office.switch.shown] == [Diversion(NUMBER, "unconditional", 1)]


async def test_who_dials_outside_diverts_nothing(autojump_clock: MockClock) -> None:
    async with open_office(acme()) as office:
        office.outside(MOBILE)
        office.call(MOBILE)
        await office.all_over()
    assert [seen.diverted for seen in office.switch.shown] == [None]


@pytest.mark.parametrize(("count", "rejected_with"), [(3, None), (10, 482)])
async def test_the_trace_says_who_was_called_first(
    count: int, rejected_with: int | None, autojump_clock: MockClock
) -> None:
    directory = acme(person("anna", "101"), numbers={NUMBER: to("anna")})
    async with open_office(directory) as office:
        office.online("anna-desk", Phone(after_s=1))
        before = Diversion(BEFORE.number, BEFORE.reason, count)
        caller = office.call(NUMBER, device=None, diverted=before)
        await office.all_over()
        records = [Record(ACME, seq, NOON, entry) for seq, entry in enumerate(office.journal.entries)]
    assert caller.rejected_with == rejected_with
    assert office.only(CallArrived).diverted == Diversion("+74957770000", "user-busy", count)
    english, russian = (trace(records, names_in(directory), language) for language in ("en", "ru"))
    assert f"; forwarded from +74957770000 (user-busy, {count} times)" in english[0].text
    assert f"; переадресовано с +74957770000 (занято, переадресаций: {count})" in russian[0].text
    assert (office.only(CallEnded).detail == "loop") is (rejected_with == 482)
