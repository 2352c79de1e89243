"""Who hides is seen by colleagues and by those who come to help, and by nobody else."""

import pytest
import trio
from trio.testing import MockClock

from orchestrator.model.calls import CallerId
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, mobile, open_office, person, to


@pytest.mark.parametrize(
    ("called", "shown"),
    [
        ("+74957654321", CallerId("+74951234500", hidden=True)),
        ("112", CallerId("+74951234500")),
        ("101", CallerId("199", "Zoe", hidden=True)),
    ],
)
async def test_a_phone_that_hides_is_hidden_outside(
    called: str, shown: CallerId, autojump_clock: MockClock
) -> None:
    async with open_office(acme(person("anna", "101"))) as office:
        office.online("anna-desk")
        office.outside(called)
        office.call(called, hidden=True)
        await office.all_over()
    assert office.switch.shown == [shown]


async def test_whoever_calls_from_outside_hides_no_number_of_ours(autojump_clock: MockClock) -> None:
    """Forwarded outside, the call shows the company's number: hiding that would hide nothing of the caller."""
    anna = person("anna", "101", mobile("anna-mobile", "+79161230101"))
    async with open_office(acme(anna, numbers={"+74951234501": to("anna")})) as office:
        office.outside("+79161230101")
        office.call("+74951234501", device=None, hidden=True)
        await office.all_over()
    assert [(seen.number, seen.hidden) for seen in office.switch.shown] == [("+74951234500", False)]


@pytest.mark.parametrize("hidden", [True, False])
async def test_who_hides_still_does_when_somebody_transfers_the_call(
    hidden: bool, autojump_clock: MockClock
) -> None:
    async with open_office(acme(person("anna", "101"))) as office:
        office.online("anna-desk", Phone(after_s=1))
        office.outside("+74957654321", Phone(after_s=1, talks_s=5))
        office.call("101", hidden=hidden)
        await trio.sleep(5)
        office.switch.dialled[0].ask_transfer("+74957654321")
        await office.all_over()
    assert office.switch.shown[1] == CallerId("+74951234500", hidden=hidden)
