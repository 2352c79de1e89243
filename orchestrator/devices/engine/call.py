"""One call on the engine: its legs, and the blocks that end them."""

from types import TracebackType
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from orchestrator.devices.engine.leg import EngineLeg
from orchestrator.model.calls import CallerId, DialTarget, EndedBy, LegEnd, ToBinding
from orchestrator.model.identifiers import CallId, CompanyId
from orchestrator.model.journal import EarlyMediaHeard, LegFinished
from orchestrator.ports import Leg

if TYPE_CHECKING:
    from orchestrator.devices.engine.switch import EngineSwitch


@define(eq=False)
class EngineCall:
    """Implements `ports.Call`, and is the block that opens it."""

    id: CallId
    company: CompanyId
    caller: EngineLeg | None
    switch: "EngineSwitch"
    legs: list[EngineLeg] = field(factory=list)
    _rings: bool = False
    _ends: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def __aenter__(self) -> "EngineCall":
        if self.caller is not None:
            self._take(self.caller)
            if self.caller.end is not None:
                # It left before its task had begun.
                self.forget(self.caller, self.caller.end)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for leg in self.legs:
            leg.hang_up()
        if self.legs:
            with trio.move_on_after(LAST_WORDS_MAX_S, shield=True):
                while self.legs:
                    await self._ends.park()
        for leg in tuple(self.legs):
            # Whatever it tells later comes after the end of its call, and is nobody's news.
            leg.handle_end(LegEnd(EndedBy.TIMEOUT, 408, "its end was not told in time"))

    def ring(self) -> None:
        if self.caller is not None and not self._rings:
            self._rings = True
            self.switch.engine.ring(self.caller.id)

    def answer(self, like: Leg | None = None) -> None:
        if self.caller is not None:
            self.switch.engine.answer(self.caller.id, like=None if like is None else like.id)

    def reject(self, status: int, reason: str = "") -> None:
        if self.caller is not None and self.caller.end is None:
            self.switch.engine.reject(self.caller.id, status, reason)

    def dial(self, target: DialTarget, caller_id: CallerId, offer_of: Leg | None = None) -> "Dialling":
        return Dialling(self, target, caller_id, offer_of)

    def adopt(self, leg: Leg) -> None:
        if not isinstance(leg, EngineLeg) or leg.call is None:
            return
        leg.call.legs.remove(leg)
        leg.call._ends.unpark_all()
        leg.keep()
        self._take(leg)

    async def first_end(self, *legs: Leg) -> Leg:
        while True:
            for leg in legs:
                if leg.end is not None:
                    return leg
            await self._ends.park()

    def start(self, target: DialTarget, caller_id: CallerId, offer_of: Leg | None) -> EngineLeg:
        """Begin to ring `target`."""
        leg = self.switch.new_leg()
        self._take(leg)
        offer = None if offer_of is None else offer_of.id
        number, name, diverted = caller_id.number, caller_id.name, caller_id.diverted
        engine = self.switch.engine
        if isinstance(target, ToBinding):
            engine.dial_binding(
                leg.id, target.binding, caller_number=number, caller_name=name, offer_of=offer
            )
        else:
            leg.trunk = target.trunk
            engine.dial_trunk(
                leg.id,
                self.company,
                target.trunk,
                target.number,
                caller_number=number,
                caller_name=name,
                hidden=caller_id.hidden,
                diverted=None if diverted is None else (diverted.number, diverted.reason, diverted.count),
                offer_of=offer,
            )
        return leg

    def heard_early(self, leg: EngineLeg) -> None:
        """A leg is heard before it answers. No 180 follows: a phone would ring over it."""
        self._rings = True
        self.switch.journal.write(self.company, EarlyMediaHeard(self.id, leg.id))

    def forget(self, leg: EngineLeg, end: LegEnd) -> None:
        """A leg has ended."""
        self.legs.remove(leg)
        leg.call = None  # no cycle: what is over goes without the garbage collector
        entry = LegFinished(self.id, leg.id, end.by, end.status, end.reason, end.media)
        self.switch.journal.write(self.company, entry)
        self._ends.unpark_all()

    def _take(self, leg: EngineLeg) -> None:
        leg.call = self
        self.legs.append(leg)


@define(eq=False)
class Dialling:
    """The block of one dialled leg."""

    call: EngineCall
    target: DialTarget
    caller_id: CallerId
    offer_of: Leg | None
    _leg: EngineLeg | None = None

    async def __aenter__(self) -> EngineLeg:
        self._leg = self.call.start(self.target, self.caller_id, self.offer_of)
        return self._leg

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leg is not None and not self._leg.kept:
            self._leg.hang_up()


LAST_WORDS_MAX_S = 5.0
"""The engine tells an end at once, unless its thread is stopped; the call does not wait longer for it."""
