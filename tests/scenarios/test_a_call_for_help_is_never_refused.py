"""An emergency number is called while the exchange refuses everybody else."""

import pytest
from trio.testing import MockClock

from orchestrator.model.calls import EndCause
from orchestrator.model.journal import CallEnded, CommandCompleted
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import acme, open_office, person

COMPANY = acme(person("anna", "101"))


@pytest.mark.parametrize("device", ["zoe-desk", "stranger"])
async def test_with_a_disk_that_fails_and_from_any_device(device: str, autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.journal.accepting = False
        office.outside("112", Phone(after_s=2))
        caller = office.call("112", device=device, talks_s=30)
        await office.all_over()
    assert caller.rejected_with is None
    assert office.only(CallEnded).cause is EndCause.CALLER_HUNG_UP
    assert office.only(CallEnded).talk_ms == 30_000


async def test_by_command(autojump_clock: MockClock) -> None:
    async with open_office(COMPANY) as office:
        office.journal.accepting = False
        office.online("anna-desk", Phone(after_s=1, talks_s=30))
        office.outside("112", Phone(after_s=2))
        command = office.originate("anna", "112")
        await office.all_over()
    assert office.only(CommandCompleted).command == command
    # The engine rings a phone above its limits where such a number is shown.
    assert office.switch.shown[0].number == "112"
