"""Decides, move by move, how a destination is reached. Pure: it is told what came of each move.

    destination ─▶ person ─ do not disturb │ offline │ at the call limit │ rung in vain ─▶ next step ─▶ …
                ─▶ number outside, announcement                                        └─▶ terminal

Nobody is tried twice, at most `CHAIN_MAX` people are tried, and every walk that nobody ends by answering
returns an `End`.
"""

from collections.abc import Callable, Generator

from attrs import define, field, frozen

from orchestrator.forwarding.strategy import Rung, rungs_of, verdict
from orchestrator.model.calls import Refusal
from orchestrator.model.directory import (
    Announcement,
    Destination,
    Device,
    OutsideDevice,
    Person,
    RingStrategy,
    ToOutside,
    ToPerson,
)
from orchestrator.model.identifiers import CallId, DeviceId, PersonId, PromptName, TrunkId
from orchestrator.model.journal import DeviceSkipped, LoopCut, OutsideBarred, PersonNotReached
from orchestrator.model.outside import Way
from orchestrator.numbering.directory import Directory


@frozen
class Ring:
    """Ring these devices of `person`. Send back the refusal if nobody answered, or where one of them sends callers."""

    person: Person
    rungs: tuple[Rung, ...]


@frozen
class Moved:
    """A phone of the person who was rung sends callers on to this number: the person has forwarded them there."""

    number: str


Reply = Refusal | Moved | None
"""What came of a move; None: there was nothing to come of it."""


@frozen
class Dial:
    """Dial a number outside that is nobody's device. Send back the refusal if nobody answered."""

    trunk: TrunkId
    number: str
    by: PersonId | None = None
    """Who sends callers there; None: the company itself."""
    why: Refusal | None = None
    """What came of those who were tried before; None: nobody was."""


@frozen
class Play:
    """Play a prompt, then go on."""

    prompt: PromptName


@frozen
class End:
    """Nobody was found: what a walk returns. The declared terminal is to be played."""

    prompt: PromptName
    sought: bool
    """Whether somebody was sought before; otherwise the number led to this announcement."""


Told = DeviceSkipped | OutsideBarred | PersonNotReached | LoopCut
"""What was decided and needs no doing, for the journal."""

Move = Ring | Dial | Play | Told


@frozen
class Presence:
    """What a walk asks of the world when a person's or a device's turn comes."""

    is_online: Callable[[DeviceId], bool]
    calls_of: Callable[[PersonId], int]
    """Calls that this person takes part in now."""


@define
class Walker:
    """One caller's way through the directory. Stop asking for moves once somebody has answered."""

    call: CallId
    directory: Directory
    presence: Presence
    calling: DeviceId | None = None
    """The device that calls: it cannot ring."""
    chain: list[PersonId] = field(factory=list)
    """Those tried, oldest first."""
    _by: PersonId | None = None
    """Whose next step is being followed; None: nobody's but the company's."""
    _why: Refusal | None = None
    """Why that step is followed."""
    _moved: str | None = None
    """Where a phone of the person who was tried last sends callers."""
    _detours: int = 0
    _sought: bool = False

    def walk(self, start: Destination) -> Generator[Move, Reply, End]:
        """Yield moves; send back what came of each `Ring` and `Dial`, None for the others."""
        destination: Destination | None = start
        last = self.directory.company.terminal.prompt
        while destination is not None:
            match destination:
                case Announcement(prompt, None):
                    last, destination = prompt, None
                case Announcement(prompt, then):
                    yield Play(prompt)
                    destination = then
                case ToOutside(number):
                    destination = yield from self._outside(number)
                case ToPerson(id):
                    destination = yield from self._person(id)
        return End(last, self._sought)

    def next_step(self, person: Person, why: Refusal) -> Destination:
        """Where somebody goes on who did not reach `person`."""
        steps = person.next_steps
        step = steps.get(why)
        if step is None and why is Refusal.UNREACHABLE:
            step = steps.get(Refusal.OFFLINE)
        return step or self.directory.company.terminal

    def _outside(self, number: str) -> Generator[Move, Reply, Destination | None]:
        self._sought = True
        own = self.directory.number(number)
        if own is not None:
            # A number of ours is not dialled through the carrier and back.
            self._detours += 1
            self._by = self._why = None
            return own.leads_to if self._detours <= CHAIN_MAX else None
        if barred := self._barred(self._by, number):
            yield barred
        elif (trunk := self.directory.way_out) is not None:
            yield Dial(trunk.id, number, self._by, self._why)
        return None

    def _person(self, id: PersonId) -> Generator[Move, Reply, Destination | None]:
        self._sought = True
        person = self.directory.person(id)
        if person is None:
            return None
        if id in self.chain or len(self.chain) >= CHAIN_MAX:
            yield LoopCut(self.call, id, tuple(self.chain))
            return None
        self.chain.append(id)
        why = yield from self.reach(person)
        sent_on = self._sent_on()
        step = sent_on or self.next_step(person, why)
        # To those who are called next, a phone that sends callers on has deflected them (RFC 5806 §4.3).
        self._by, self._why = person.id, Refusal.DECLINED if sent_on else why
        if isinstance(step, ToOutside) and (barred := self._barred(person.id, step.number)):
            yield barred
            step = self.directory.company.terminal
        named = "terminal" if step is self.directory.company.terminal else name_of(step)
        yield PersonNotReached(self.call, id, why, named)
        return step

    def reach(self, person: Person) -> Generator[Move, Reply, Refusal]:
        """The moves that try one person; why they were in vain."""
        if person.do_not_disturb:
            return Refusal.DO_NOT_DISTURB
        if all(self._why_not(person, device) for device in person.devices):
            refusals = yield from self._skip(person, person.devices)
            return verdict(refusals)
        if person.call_limit is not None and self.presence.calls_of(person.id) >= person.call_limit:
            return Refusal.BUSY
        if person.strategy is RingStrategy.SERIAL:
            return (yield from self._one_by_one(person))
        refusals = yield from self._skip(person, person.devices)
        ready = [device for device in person.devices if not self._why_not(person, device)]
        for rungs in rungs_of(person.strategy, ready):
            refusals.append((yield from self._ring(person, rungs)))
        return verdict(refusals)

    def _one_by_one(self, person: Person) -> Generator[Move, Reply, Refusal]:
        """Presence is asked when a device's turn comes: much happens while another rings."""
        refusals: list[Refusal] = []
        for device, rungs in zip(person.devices, rungs_of(person.strategy, person.devices), strict=True):
            if self._why_not(person, device):
                refusals += yield from self._skip(person, (device,))
                continue
            refusals.append((yield from self._ring(person, rungs)))
            if refusals[-1] is Refusal.DECLINED or self._moved is not None:
                break
        return verdict(refusals)

    def _ring(self, person: Person, rungs: tuple[Rung, ...]) -> Generator[Move, Reply, Refusal]:
        reply = yield Ring(person, rungs)
        if isinstance(reply, Moved):
            self._moved = reply.number
            return Refusal.UNREACHABLE
        return reply or Refusal.UNREACHABLE

    def _sent_on(self) -> Destination | None:
        """Where the phone of the person just tried sends callers: a person, or a number that its owner may call."""
        number, self._moved = self._moved, None
        if number is None:
            return None
        if person := self.directory.by_extension(number):
            return ToPerson(person.id)
        public = self.directory.spelled_out(number)
        return ToOutside(public) if public else None

    def _skip(self, person: Person, devices: tuple[Device, ...]) -> Generator[Move, Reply, list[Refusal]]:
        refusals = []
        for device in devices:
            if why := self._why_not(person, device):
                if isinstance(device, OutsideDevice) and device.id != self.calling:
                    barred = self.directory.bar(person.id, device.number, Way.FORWARD)
                    if barred is not None:
                        yield OutsideBarred(self.call, barred)
                yield DeviceSkipped(self.call, person.id, device.id, why)
                refusals.append(why)
        return refusals

    def _why_not(self, person: Person, device: Device) -> Refusal | None:
        """Why this device cannot ring now."""
        if device.id == self.calling:
            return Refusal.BUSY
        if isinstance(device, OutsideDevice):
            barred = self.directory.bar(person.id, device.number, Way.FORWARD)
            return Refusal.UNREACHABLE if barred else None
        return None if self.presence.is_online(device.id) else Refusal.OFFLINE

    def _barred(self, by: PersonId | None, number: str) -> OutsideBarred | None:
        """Why callers are not sent there; a number of ours is led on inside."""
        if self.directory.number(number) is not None:
            return None
        barred = self.directory.bar(by, number, Way.FORWARD)
        return OutsideBarred(self.call, barred) if barred else None


def name_of(destination: Destination) -> str:
    """As the journal names destinations: "person:anna", "outside:+7…", "announcement:busy"."""
    match destination:
        case ToPerson(person):
            return f"person:{person}"
        case ToOutside(number):
            return f"outside:{number}"
        case Announcement(prompt):
            return f"announcement:{prompt}"


CHAIN_MAX = 10
"""People tried for one caller; forwarding beyond that is taken for a loop."""
