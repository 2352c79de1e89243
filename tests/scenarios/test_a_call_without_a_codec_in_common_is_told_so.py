"""What nobody may speak ends with 488, and the trace says why."""

from datetime import UTC, datetime

import pytest
from trio.testing import MockClock

from orchestrator.explain import names_in, trace
from orchestrator.model.calls import Direction, EndCause, Failed, Refusal
from orchestrator.model.journal import CallArrived, CallEnded, DeviceFailed, Record
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import ACME, acme, open_office, person, to

OUTSIDE = "+74957654321"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("called", ["+74951234501", "112"])
async def test_a_caller_who_offers_no_permitted_codec_is_refused(
    called: str, autojump_clock: MockClock
) -> None:
    directory = acme(person("anna", "101"), numbers={"+74951234501": to("anna")})
    async with open_office(directory) as office:
        office.online("anna-desk")
        caller = office.call(called, device=None, speaks=False)
        await office.all_over()
    assert caller.rejected_with == 488
    assert office.rung == []
    ended = office.only(CallEnded)
    assert (ended.cause, ended.detail) == (EndCause.REFUSED, "no_codec")
    assert office.only(CallArrived).direction is Direction.INBOUND
    records = [Record(ACME, seq, NOON, entry) for seq, entry in enumerate(office.journal.entries)]
    told = [sentence.text for sentence in trace(records, names_in(directory), "en")]
    assert any(text.startswith("The caller offers no codec that may be spoken") for text in told), told


async def test_a_trunk_without_a_codec_in_common_says_so_to_the_caller(autojump_clock: MockClock) -> None:
    async with open_office(acme()) as office:
        refused = Failed(Refusal.UNREACHABLE, 488, "no codec in common with the trunk")
        office.outside(OUTSIDE, Phone(refused, after_s=0))
        caller = office.call(OUTSIDE)
        await office.all_over()
    assert caller.rejected_with == 488
    assert office.only(DeviceFailed).reason == "no codec in common with the trunk"
