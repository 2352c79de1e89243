"""The small company that the stories play in, and hands to play them."""

from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import trio
from attrs import define, field

from orchestrator.flows.originate import originate
from orchestrator.flows.serve import serve
from orchestrator.flows.world import World
from orchestrator.model.calls import CallerId, Diversion, FromDevice, FromTrunk, Refusal
from orchestrator.model.commands import OriginateCall
from orchestrator.model.directory import (
    Announcement,
    Company,
    Destination,
    Device,
    DeviceKind,
    Number,
    OutsideDevice,
    Person,
    RingStrategy,
    SipDevice,
    ToPerson,
    Trunk,
    TrunkHost,
)
from orchestrator.model.errors import NoSuchCompany
from orchestrator.model.identifiers import (
    E164,
    CallId,
    CommandId,
    CompanyId,
    DeviceId,
    ExtensionNumber,
    PersonId,
    PromptName,
    TrunkId,
)
from orchestrator.model.journal import CallArrived, CallEnded, Entry
from orchestrator.model.outside import NATIONAL
from orchestrator.numbering.directory import Directory, directory_of
from orchestrator.ports import RINGBACK
from orchestrator.rehearsal.leg import Caller, Phone, RehearsalLeg
from orchestrator.rehearsal.stage import RehearsalJournal, open_stage
from orchestrator.rehearsal.switch import RehearsalSwitch

ACME = CompanyId("acme")
CARRIER = TrunkId("carrier")
UNAVAILABLE, WELCOME, BUSY = (PromptName(name) for name in ("unavailable", "welcome", "busy"))
PROMPTS = {UNAVAILABLE: 4.0, WELCOME: 6.0, BUSY: 3.0, RINGBACK: 5.0}

E = TypeVar("E", bound=Entry)


def sip(id: str, *, ring_s: float = 20.0, delay_s: float = 0.0) -> SipDevice:
    return SipDevice(DeviceId(id), DeviceKind.DESK, id, "0" * 32, ring_s=ring_s, delay_s=delay_s)


def mobile(id: str, number: str, *, ring_s: float = 25.0, delay_s: float = 0.0) -> OutsideDevice:
    return OutsideDevice(DeviceId(id), DeviceKind.MOBILE, E164(number), ring_s=ring_s, delay_s=delay_s)


def person(
    id: str,
    extension: str,
    *devices: Device,
    strategy: RingStrategy = RingStrategy.SERIAL,
    then: Mapping[Refusal, Destination] | None = None,
    do_not_disturb: bool = False,
    call_limit: int | None = None,
) -> Person:
    devices = devices or (sip(f"{id}-desk"),)
    extension_number = ExtensionNumber(extension)
    return Person(
        PersonId(id), id.title(), extension_number, devices, strategy, then or {}, do_not_disturb, call_limit
    )


def to(id: str) -> ToPerson:
    return ToPerson(PersonId(id))


def acme(*people: Person, numbers: Mapping[str, Destination] | None = None) -> Directory:
    """A company of these people and of Zoe (199), whose desk phone the stories call from."""
    company = Company(
        ACME,
        "Acme",
        "acme.example",
        Announcement(UNAVAILABLE),
        outside_trunk=CARRIER,
        outside_prefixes={"+7": NATIONAL, "+1": NATIONAL},
    )
    trunk = Trunk(CARRIER, (TrunkHost("192.0.2.1"),), E164("+74951234500"))
    leads = (numbers or {}).items()
    return directory_of(
        company,
        (*people, person("zoe", "199")),
        (trunk,),
        [Number(E164(number), destination) for number, destination in leads],
    )


@define(eq=False)
class Office:
    """A rehearsal of this company."""

    world: World
    switch: RehearsalSwitch
    journal: RehearsalJournal
    nursery: trio.Nursery
    directory: Directory
    commands: int = 0
    callers: list[RehearsalLeg] = field(factory=list)
    running: int = 0
    idle: trio.Event = field(factory=trio.Event)

    def online(self, device: str, phone: Phone = Phone()) -> None:
        self.switch.register(DeviceId(device), phone)

    def outside(self, number: str, phone: Phone = Phone()) -> None:
        self.switch.outside[number] = phone

    def call(
        self,
        called: str,
        *,
        patience_s: float = 600.0,
        talks_s: float = 60.0,
        device: str | None = "zoe-desk",
        can_hear: bool = True,
        hidden: bool = False,
        speaks: bool = True,
        diverted: Diversion | None = None,
        instead_of: RehearsalLeg | None = None,
    ) -> RehearsalLeg:
        """Somebody calls: a device, or with None a trunk; the call is served from now on."""
        source = FromTrunk(CARRIER) if device is None else FromDevice(DeviceId(device))
        arrival = self.switch.arrive(
            ACME,
            source,
            called,
            caller=Caller(patience_s, talks_s),
            caller_id=CallerId("84997654321" if device is None else "", "Ivan", hidden, diverted),
            can_hear_prompts=can_hear,
            speaks=speaks,
            instead_of=None if instead_of is None else (_call_of(instead_of), instead_of.id),
        )
        leg = self.switch.waiting[arrival.leg]
        self.callers.append(leg)
        self._start(serve(self.world, arrival))
        return leg

    def originate(self, caller: str, to: str) -> CommandId:
        id = self.next_command()
        self._start(originate(self.world, OriginateCall(id, ACME, PersonId(caller), to)))
        return id

    def _start(self, flow: Coroutine[None, None, None]) -> None:
        async def run() -> None:
            try:
                await flow
            finally:
                self.running -= 1
                self.idle.set()

        self.running += 1
        self.nursery.start_soon(run)

    def next_command(self) -> CommandId:
        self.commands += 1
        return CommandId(f"c{self.commands}")

    @property
    def call_ids(self) -> list[CallId]:
        return [entry.call for entry in self.journal.of(CallArrived)]

    async def all_over(self) -> None:
        """Wait until no call goes on; then none has left anything behind."""
        while self.running:
            self.idle = trio.Event()
            await self.idle.wait()
        self.check_nothing_is_left()

    def check_nothing_is_left(self) -> None:
        assert not self.switch.calls
        assert not self.world.active.engaged
        assert [leg for leg in (*self.switch.dialled, *self.callers) if leg.end is None] == []
        arrived = [entry.call for entry in self.journal.of(CallArrived)]
        assert sorted(arrived) == sorted(entry.call for entry in self.journal.of(CallEnded))

    def only(self, kind: type[E]) -> E:
        (entry,) = self.journal.of(kind)
        return entry

    @property
    def rung(self) -> list[str]:
        """Which devices or numbers were rung, oldest first."""
        return [str(leg.device or leg.number) for leg in self.switch.dialled]


def _call_of(leg: RehearsalLeg) -> CallId:
    return CallId("gone") if leg.call is None else leg.call.id


@asynccontextmanager
async def open_office(directory: Directory) -> AsyncIterator[Office]:
    """Rehearse a company. Leaving the block stops the exchange."""
    office: Office | None = None

    def lookup(company: CompanyId) -> Directory:
        if office is None or company != ACME:
            raise NoSuchCompany(company)
        return office.directory

    async with open_stage() as stage, trio.open_nursery() as nursery:
        stage.switch.prompts.update(PROMPTS)
        world = World(stage.switch, stage.journal, stage.identifiers, lookup)
        stage.switch.transfer_asked = world.active.handle_asked
        office = Office(world, stage.switch, stage.journal, nursery, directory)
        yield office
        nursery.cancel_scope.cancel()
