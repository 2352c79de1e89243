from typing import cast

import trio
from attrs import define, field
from trio.testing import MockClock

from orchestrator.devices.engine.call import LAST_WORDS_MAX_S, EngineCall
from orchestrator.devices.engine.leg import EngineLeg
from orchestrator.devices.engine.switch import EngineSwitch
from orchestrator.model.calls import EndedBy, LegEnd
from orchestrator.model.identifiers import CallId, CompanyId, LegId
from orchestrator.model.journal import LegFinished
from orchestrator.rehearsal.stage import RehearsalJournal


@define
class Deaf:
    """An engine that does as it is told, and says nothing."""

    hung_up: list[int] = field(factory=list)

    def hang_up(self, leg: int) -> None:
        self.hung_up.append(leg)


@define
class Switch:
    journal: RehearsalJournal = field(factory=RehearsalJournal)
    engine: Deaf = field(factory=Deaf)


async def test_a_leg_that_tells_its_end_too_late_has_ended_before_its_call(autojump_clock: MockClock) -> None:
    switch = Switch()
    leg = EngineLeg(LegId(1), cast(EngineSwitch, switch))
    async with EngineCall(CallId("c"), CompanyId("demo"), leg, cast(EngineSwitch, switch)):
        pass
    assert trio.current_time() == LAST_WORDS_MAX_S
    assert switch.engine.hung_up == [1]
    leg.handle_end(LegEnd(EndedBy.US, 200))
    [told] = switch.journal.of(LegFinished)
    assert (told.leg, told.by) == (1, EndedBy.TIMEOUT)
