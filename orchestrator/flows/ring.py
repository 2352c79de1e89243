"""Rings the devices of one move until somebody picks up.

Where several ring, a nursery holds every leg. When one answers, or declines for its person, the nursery is cancelled
and each `dial` block ends its own leg. So no leg can be left ringing: there is nowhere to leave it.
"""

from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Party
from orchestrator.forwarding.strategy import Rung, verdict
from orchestrator.forwarding.walk import Moved, Ring
from orchestrator.model.calls import DialTarget, Failed, Outcome, Refusal, ToBinding, ToTrunk, Who
from orchestrator.model.directory import Device, OutsideDevice, Person
from orchestrator.model.identifiers import TrunkId
from orchestrator.model.journal import DeviceFailed, DeviceRang


async def ring(seeker: Seeker, move: Ring) -> Party | Refusal | Moved:
    """Whoever picked up, on a leg that is kept; or where a phone sends callers, or what the refusals mean."""
    if len(move.rungs) == 1:
        (rung,) = move.rungs
        targets = _targets(seeker, rung.device)
        if len(targets) == 1:
            who = _who(move.person, rung.device)
            outcome = await _ring_one(seeker, who, targets[0], rung.ring_s)
            if isinstance(outcome, Failed):
                return Moved(outcome.moved_to) if outcome.moved_to else outcome.why
            return outcome
    return await _Together(seeker, move.person, move.rungs).ring()


async def dial_outside(seeker: Seeker, trunk: TrunkId, number: str, forwarded: str = "") -> Party | Failed:
    """Dial a number that is nobody's device; `forwarded`: why callers of somebody else are sent there."""
    who, target = Who(trunk=trunk, number=number), ToTrunk(trunk, number)
    return await _ring_one(seeker, who, target, OUTSIDE_RING_S, forwarded=forwarded)


FOLLOW_ME = "follow-me"
"""Why a call goes to a device outside (RFC 5806 §4.3)."""


@define
class _Together:
    """Several devices, each with its time. The first answer wins; the moment nothing rings, the next one starts."""

    seeker: Seeker
    person: Person
    rungs: tuple[Rung, ...]
    winner: Party | None = None
    moved_to: str = ""
    """Where the first phone that does so sends callers, if nobody beside it answers or declines: those ring on."""
    refusals: list[Refusal] = field(factory=list)
    ringing: int = 0
    idle: trio.Event = field(factory=trio.Event)

    async def ring(self) -> Party | Refusal | Moved:
        async with trio.open_nursery() as nursery:
            last_s = 0.0
            for rung in self.rungs:
                if self.ringing and rung.start_s > last_s:
                    with trio.move_on_after(rung.start_s - last_s):
                        await self.idle.wait()
                last_s = rung.start_s
                targets = _targets(self.seeker, rung.device)
                if not targets:
                    self.refusals.append(Refusal.OFFLINE)
                for target in targets:
                    self.ringing += 1
                    self.idle = trio.Event()
                    nursery.start_soon(self._try, rung, target, nursery.cancel_scope)
        if self.winner is not None:
            return self.winner
        why = verdict(self.refusals)
        return Moved(self.moved_to) if self.moved_to and why is not Refusal.DECLINED else why

    async def _try(self, rung: Rung, target: DialTarget, all_of_them: trio.CancelScope) -> None:
        who = _who(self.person, rung.device)
        outcome = await _ring_one(self.seeker, who, target, rung.ring_s, self._claim)
        if isinstance(outcome, Party):
            all_of_them.cancel()
            return
        self.refusals.append(outcome.why)
        self.moved_to = self.moved_to or outcome.moved_to
        if outcome.why is Refusal.DECLINED:
            all_of_them.cancel()
        self.ringing -= 1
        if not self.ringing:
            self.idle.set()

    def _claim(self, party: Party) -> bool:
        """Two may pick up in one moment; the second has lost."""
        if self.winner is None:
            self.winner = party
        return self.winner is party


async def _ring_one(
    seeker: Seeker,
    who: Who,
    target: DialTarget,
    ring_s: float,
    claim: Callable[[Party], bool] = lambda _: True,
    forwarded: str = FOLLOW_ME,
) -> Party | Failed:
    story = seeker.story
    outcome: Outcome = Failed(Refusal.NO_ANSWER)
    async with story.call.dial(*seeker.as_dialled(target, forwarded), seeker.leg) as leg:
        story.tell(DeviceRang(story.id, leg.id, who.device, who.person, _number_of(target)))
        if isinstance(target, ToTrunk):
            # A carrier may take a while to find anybody, or find nobody.
            leg.on_ringing(seeker.hears_ringing)
        else:
            seeker.hears_ringing()
        try:
            with trio.move_on_after(ring_s):
                outcome = await leg.outcome()
        finally:
            leg.on_ringing(None)
        if isinstance(outcome, Failed):
            because, status, reason = outcome.why, outcome.status, outcome.reason
            story.tell(DeviceFailed(story.id, leg.id, who.device, who.person, because, status, reason))
            return outcome
        party = Party(leg, who)
        if claim(party):
            leg.keep()
            return party
    return Failed(Refusal.NO_ANSWER)


def _who(person: Person, device: Device) -> Who:
    if isinstance(device, OutsideDevice):
        return Who(person.id, device.id, None, device.number, person.name)
    return Who(person.id, device.id, None, person.extension, person.name)


def _number_of(target: DialTarget) -> str:
    return target.number if isinstance(target, ToTrunk) else ""


def _targets(seeker: Seeker, device: Device) -> Sequence[DialTarget]:
    """Where a device can be dialled at this moment."""
    story = seeker.story
    if isinstance(device, OutsideDevice):
        trunk = story.directory.way_out
        return (ToTrunk(trunk.id, device.number, device.id),) if trunk else ()
    bindings = story.world.switch.bindings(story.directory.id, device.id)
    return [ToBinding(device.id, binding) for binding in bindings]


OUTSIDE_RING_S = 120.0
"""A number outside rings no longer than this; carriers give up earlier."""
