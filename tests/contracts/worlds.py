"""Two worlds with the same hands: phones to register, script and call from, on the engine and in the rehearsal."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import trio
from attrs import define, evolve, field

from orchestrator import _rust_core as core
from orchestrator.devices.engine.phone import Phone as RealPhone
from orchestrator.devices.engine.phone import PhoneAccount, PhoneCall, Phones, open_phones
from orchestrator.devices.engine.switch import EngineSwitch, Listeners, RegistrationNews, open_switch
from orchestrator.model.calls import Answered, Arrival, CallerId, Failed, FromDevice, FromTrunk, Refusal
from orchestrator.model.directory import SipDevice, Trunk, TrunkHost
from orchestrator.model.identifiers import DeviceId, PromptName
from orchestrator.numbering.directory import Directory, directory_of
from orchestrator.ports import RINGBACK, Switch, TransferAsked
from orchestrator.rehearsal.leg import Caller, Phone, RehearsalLeg
from orchestrator.rehearsal.stage import RehearsalClock, RehearsalJournal, Stage, open_stage
from orchestrator.settings import Settings
from tests.scenarios.company import ACME, CARRIER, acme, person, sip

DEVICES = ("anna-desk", "boris-desk")
NUMBER = "+79161234567"
SECRET = "a secret of the test"
SHORT = PromptName("short")
SHORT_S = 0.4


class FarEnd(Protocol):
    """The one who called us."""

    async def ended_with(self) -> int:
        """SIP status that ended it for him."""

    async def answered(self) -> None: ...

    def hang_up(self) -> None: ...


class Hands(Protocol):
    """What a contract test does to a world from outside."""

    @property
    def switch(self) -> Switch: ...

    @property
    def journal(self) -> RehearsalJournal: ...

    async def online(self, device: str, phone: Phone) -> None:
        """Register a device that behaves so when it rings."""

    async def offline(self, device: str) -> None: ...

    async def outside(self, phone: Phone) -> None:
        """Somebody at `NUMBER`, behind the trunk."""

    async def call(self, device: str | None, called: str) -> tuple[Arrival, FarEnd]:
        """A device, or with None somebody behind the trunk, calls."""


@define(eq=False)
class RehearsalHands:
    stage: Stage

    @property
    def switch(self) -> Switch:
        return self.stage.switch

    @property
    def journal(self) -> RehearsalJournal:
        return self.stage.journal

    async def online(self, device: str, phone: Phone) -> None:
        self.stage.switch.register(DeviceId(device), phone)

    async def offline(self, device: str) -> None:
        self.stage.switch.unregister(DeviceId(device))

    async def outside(self, phone: Phone) -> None:
        self.stage.switch.outside[NUMBER] = phone

    async def call(self, device: str | None, called: str) -> tuple[Arrival, FarEnd]:
        switch = self.stage.switch
        source = FromTrunk(CARRIER) if device is None else FromDevice(DeviceId(device))
        number = "+74950000000" if device is None else device
        arrival = switch.arrive(ACME, source, called, caller=Caller(), caller_id=CallerId(number, "Ivan"))
        return arrival, RehearsalFarEnd(switch.waiting[arrival.leg])


@define(eq=False)
class RehearsalFarEnd:
    leg: RehearsalLeg

    async def ended_with(self) -> int:
        with self.leg.while_lasts():
            await trio.sleep_forever()
        return self.leg.end.status if self.leg.end else 0

    async def answered(self) -> None:
        await self.leg.outcome()

    def hang_up(self) -> None:
        self.leg.leave()


@define(eq=False)
class EngineHands:
    switch: EngineSwitch
    journal: RehearsalJournal
    phones: Phones
    carrier: Phones
    nursery: trio.Nursery
    port: int
    arrivals: trio.MemoryReceiveChannel[Arrival]
    news: trio.lowlevel.ParkingLot
    at: dict[str, RealPhone] = field(factory=dict)

    async def online(self, device: str, phone: Phone) -> None:
        account = PhoneAccount(device, "acme.example", port=self.port, password=SECRET)
        self.at[device] = made = self.phones.add(account)
        while not self.switch.bindings(ACME, DeviceId(device)):
            await self.news.park()
        self.nursery.start_soon(self._behave, made, phone)

    async def offline(self, device: str) -> None:
        self.phones.remove(self.at.pop(device))
        while self.switch.bindings(ACME, DeviceId(device)):
            await self.news.park()

    async def outside(self, phone: Phone) -> None:
        self.nursery.start_soon(self._behave, self._carrier(), phone)

    async def call(self, device: str | None, called: str) -> tuple[Arrival, FarEnd]:
        caller = self._carrier() if device is None else self.at[device]
        call = caller.call(called, "Ivan", "+74950000000" if device is None else "")
        return await self.arrivals.receive(), EngineFarEnd(call)

    def _carrier(self) -> RealPhone:
        if "carrier" not in self.at:
            account = PhoneAccount("carrier", "127.0.0.1", port=self.port)
            self.at["carrier"] = self.carrier.add(account)
        return self.at["carrier"]

    async def _behave(self, at: RealPhone, phone: Phone) -> None:
        async for call in at.incoming:
            self.nursery.start_soon(self._handle, call, phone)

    async def _handle(self, call: PhoneCall, phone: Phone) -> None:
        call.ring()
        await trio.sleep(min(phone.after_s, FOR_EVER_S))
        if isinstance(phone.does, Failed):
            call.reject(phone.does.status)
            return
        call.answer()
        await trio.sleep(min(phone.talks_s, FOR_EVER_S))
        call.hang_up()


@define(eq=False)
class EngineFarEnd:
    call: PhoneCall

    async def ended_with(self) -> int:
        return (await self.call.ended()).status

    async def answered(self) -> None:
        assert await self.call.answered()

    def hang_up(self) -> None:
        self.call.hang_up()


@asynccontextmanager
async def open_world(name: str) -> AsyncIterator[Hands]:
    """Open one of the two worlds."""
    if name == "rehearsal":
        async with open_stage() as stage:
            stage.switch.prompts.update({SHORT: SHORT_S, RINGBACK: 1.0})
            yield RehearsalHands(stage)
        return
    arrivals_in, arrivals = trio.open_memory_channel[Arrival](64)
    journal = RehearsalJournal()
    news = trio.lowlevel.ParkingLot()

    def registered(_: RegistrationNews) -> None:
        news.unpark_all()

    asked: list[TransferAsked] = []
    listeners = Listeners(
        arrived=arrivals_in.send_nowait,
        registered=registered,
        refreshed=lambda _: None,
        trunk_changed=lambda _: None,
        transfer_asked=asked.append,
        banned=lambda _: None,
        ban_lifted=lambda _: None,
    )
    settings = Settings(
        sip_listen=("udp:127.0.0.1:0",), media_address="127.0.0.1", media_ports=(21000, 21999)
    )
    async with AsyncExitStack() as stack:
        switch = await stack.enter_async_context(open_switch(settings, journal, RehearsalClock(), listeners))
        phones = await stack.enter_async_context(open_phones(("udp:127.0.0.1:0",)))
        carrier = await stack.enter_async_context(open_phones(("udp:127.0.0.2:0",)))
        nursery = await stack.enter_async_context(trio.open_nursery())
        switch.configure([_directory(_port(carrier.listening))])
        switch.set_prompt(None, RINGBACK, b"\x10\x20" * 8000)
        switch.set_prompt(ACME, SHORT, b"\x10\x20" * int(8000 * SHORT_S))
        port = _port(switch.engine.listening())
        yield EngineHands(switch, journal, phones, carrier, nursery, port, arrivals, news)
        nursery.cancel_scope.cancel()


def _directory(carrier_port: int) -> Directory:
    """The story's company with real secrets, and its carrier at a real address."""
    people = []
    for device, extension in zip(DEVICES, ("101", "102"), strict=True):
        ha1 = core.ha1(device, "acme.example", SECRET)
        phone: SipDevice = evolve(sip(device), ha1_md5=ha1)
        people.append(person(device.removesuffix("-desk"), extension, phone))
    directory = acme(*people)
    trunk: Trunk = evolve(directory.trunks[CARRIER], hosts=(TrunkHost("127.0.0.2", carrier_port),))
    return directory_of(directory.company, directory.people.values(), (trunk,))


def _port(listening: list[str]) -> int:
    return int(listening[0].rpartition(":")[2])


FOR_EVER_S = 60.0
BUSY = Phone(Failed(Refusal.BUSY, 486), 0.05)
ANSWERS = Phone(Answered(), 0.05)
