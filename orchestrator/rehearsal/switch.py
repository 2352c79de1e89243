"""A switch without wires: phones and callers are scripted, time is whatever trio's clock says."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import define, field

from orchestrator.model.calls import (
    Answered,
    Arrival,
    CallerId,
    DialTarget,
    EndedBy,
    Failed,
    FromDevice,
    FromTrunk,
    LegEnd,
    Refusal,
    ToBinding,
)
from orchestrator.model.identifiers import BindingId, CallId, CompanyId, DeviceId, LegId, PromptName
from orchestrator.model.journal import LegFinished
from orchestrator.ports import Journal, Leg, TransferAsked
from orchestrator.rehearsal.leg import Caller, Phone, RehearsalLeg


@define(eq=False)
class RehearsalCall:
    """Implements `ports.Call`."""

    id: CallId
    company: CompanyId
    caller: RehearsalLeg | None
    switch: "RehearsalSwitch"
    legs: list[RehearsalLeg] = field(factory=list)
    _ends: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def ring(self) -> None:
        if self.caller is not None:
            self.caller.rings = True

    def answer(self, like: Leg | None = None) -> None:
        if self.caller is not None:
            self.caller.decide(Answered())

    def reject(self, status: int, reason: str = "") -> None:
        if self.caller is not None and self.caller.decided is None:
            self.caller.rejected_with = status
            self.caller.finish(LegEnd(EndedBy.US, status, reason))

    @asynccontextmanager
    async def dial(
        self, target: DialTarget, caller_id: CallerId, offer_of: Leg | None = None
    ) -> AsyncIterator[RehearsalLeg]:
        leg = self.switch.start(target, caller_id)
        leg.call = self
        self.legs.append(leg)
        try:
            yield leg
        finally:
            if not leg.kept:
                leg.hang_up()

    def adopt(self, leg: Leg) -> None:
        if not isinstance(leg, RehearsalLeg) or leg.call is None:
            return
        leg.call.legs.remove(leg)
        leg.call._ends.unpark_all()
        leg.keep()
        leg.call = self
        self.legs.append(leg)

    async def first_end(self, *legs: Leg) -> Leg:
        while True:
            for leg in legs:
                if leg.end is not None:
                    return leg
            await self._ends.park()

    def forget(self, leg: RehearsalLeg, end: LegEnd) -> None:
        """A leg has ended."""
        self.legs.remove(leg)
        self.switch.journal.write(
            self.company, LegFinished(self.id, leg.id, end.by, end.status, end.reason, end.media)
        )
        self._ends.unpark_all()


@define(eq=False)
class RehearsalSwitch:
    """Implements `ports.Switch`. Its nursery runs the scripts of all far ends."""

    journal: Journal
    nursery: trio.Nursery
    places: dict[DeviceId, dict[BindingId, Phone]] = field(factory=dict)
    """Where devices are registered, and what happens there when it rings."""
    outside: dict[str, Phone] = field(factory=dict)
    """Who answers public numbers; others do not exist."""
    prompts: dict[PromptName, float] = field(factory=dict)
    """Prompts that there are, and how long each takes."""
    dialled: list[RehearsalLeg] = field(factory=list)
    """Every leg that was ever dialled, oldest first."""
    shown: list[CallerId] = field(factory=list)
    """What each of them saw of the caller."""
    calls: dict[CallId, RehearsalCall] = field(factory=dict)
    """Calls that are going on."""
    waiting: dict[LegId, RehearsalLeg] = field(factory=dict)
    """Arrivals that no call was opened for yet."""
    refused: dict[LegId, int] = field(factory=dict)
    transfer_asked: Callable[[TransferAsked], None] = lambda _: None
    """Who is told of transfers that far ends ask for."""
    _ids: Iterator[int] = field(factory=lambda: itertools.count(1))

    def register(self, device: DeviceId, phone: Phone) -> BindingId:
        """One more place where this device rings."""
        binding = BindingId(next(self._ids))
        self.places.setdefault(device, {})[binding] = phone
        return binding

    def unregister(self, device: DeviceId) -> None:
        """The device goes offline."""
        self.places.pop(device, None)

    def arrive(
        self,
        company: CompanyId,
        source: FromDevice | FromTrunk,
        called: str,
        *,
        caller: Caller = Caller(),
        caller_id: CallerId = CallerId(""),
        can_hear_prompts: bool = True,
        speaks: bool = True,
        instead_of: tuple[CallId, LegId] | None = None,
    ) -> Arrival:
        """Somebody calls; give the arrival to `flows.serve`."""
        leg = RehearsalLeg(LegId(next(self._ids)), None, called, self.prompts if can_hear_prompts else {})
        self.waiting[leg.id] = leg
        self.nursery.start_soon(leg.act, lambda leg: leg.follow_caller(caller))
        return Arrival(leg.id, company, source, caller_id, called, can_hear_prompts, speaks, instead_of)

    def refuse(self, arrival: Arrival, status: int, retry_after_s: int | None = None) -> None:
        if arrival.leg in self.waiting:
            leg = self.waiting.pop(arrival.leg)
            leg.rejected_with = self.refused[arrival.leg] = status
            leg.finish(LegEnd(EndedBy.US, status))

    def bindings(self, company: CompanyId, device: DeviceId) -> Sequence[BindingId]:
        return tuple(self.places.get(device, ()))

    @asynccontextmanager
    async def call(
        self, id: CallId, company: CompanyId, arrival: Arrival | None
    ) -> AsyncIterator[RehearsalCall]:
        call = self.calls[id] = RehearsalCall(id, company, None, self)
        if arrival is not None:
            leg = self.waiting.pop(arrival.leg)
            call.caller, leg.call = leg, call
            call.legs.append(leg)
            if leg.end is not None:
                # It left before its task had begun.
                call.forget(leg, leg.end)
        try:
            yield call
        finally:
            for leg in tuple(call.legs):
                leg.hang_up()
            del self.calls[id]

    def start(self, target: DialTarget, caller_id: CallerId) -> RehearsalLeg:
        """Begin to ring `target`."""
        nobody = Phone(Failed(Refusal.UNREACHABLE, 404), 0.0)
        if isinstance(target, ToBinding):
            number = ""
            phone = self.places.get(target.device, {}).get(target.binding, nobody)
        else:
            number = target.number
            phone = self.outside.get(target.number, nobody)
        leg = RehearsalLeg(LegId(next(self._ids)), target.device, number, self.prompts)
        self.dialled.append(leg)
        self.shown.append(caller_id)
        self.nursery.start_soon(leg.act, lambda leg: leg.follow_phone(phone))
        return leg
