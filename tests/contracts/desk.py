"""Two native engines across loopback, an exchange and a phone, each with a desk on which its events lie."""

import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
from attrs import define, field

from orchestrator import _rust_core as core

E = TypeVar("E")

COMPANY = "acme"
DOMAIN = "acme.example"
SECRET = "a secret of the test"
PATIENCE_S = 8.0


@define(eq=False)
class Desk:
    """An engine, and what it has told that nobody has looked at yet."""

    engine: core.Engine
    events: list[Any] = field(factory=list)
    ended: set[int] = field(factory=set)
    """Legs whose last event has come; another one of theirs is a defect."""
    news: trio.Event = field(factory=trio.Event)
    next_leg: int = core.FIRST_DIALLED_LEG

    @property
    def port(self) -> int:
        """UDP port that the engine is bound to."""
        return self.port_of("udp")

    def port_of(self, transport: str) -> int:
        """Port of the first listener of that transport."""
        return next(
            int(at.rpartition(":")[2]) for at in self.engine.listening() if at.startswith(f"{transport}:")
        )

    async def event(self, kind: type[E], **wanted: object) -> E:
        """Take the oldest event of that kind whose fields are as wanted."""
        with trio.fail_after(PATIENCE_S):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and all(getattr(event, k) == v for k, v in wanted.items()):
                        self.events.remove(event)
                        return event
                await self.news.wait()

    def has(self, kind: type[object], **wanted: object) -> bool:
        """Whether such an event lies there."""
        return any(
            isinstance(event, kind) and all(getattr(event, k) == v for k, v in wanted.items())
            for event in self.events
        )

    def leg(self) -> int:
        """A number for a leg to dial."""
        self.next_leg += 1
        return self.next_leg

    async def run(self) -> None:
        """Lay the engine's events on the desk until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self.engine.event_fd())
            self.take(self.engine.drain_events(256))

    def take(self, events: list[Any]) -> None:
        """Lay these on the desk."""
        for event in events:
            leg = getattr(event, "leg", None)
            assert leg not in self.ended, f"after the end of its leg: {event}"
            if isinstance(event, core.LegEnded):
                self.ended.add(event.leg)
            self.events.append(event)
        self.news.set()
        self.news = trio.Event()

    async def counter(self, name: str, at_least: int) -> int:
        """Wait until a counter is there."""
        with trio.fail_after(PATIENCE_S):
            while self.engine.counters().get(name, 0) < at_least:  # noqa: ASYNC110 - counters tell nobody
                await trio.sleep(0.05)
        return self.engine.counters()[name]


@asynccontextmanager
async def open_desk(*sip_listen: str, **options: Any) -> AsyncIterator[Desk]:
    """Open an engine; leaving the block closes it."""
    options = {"media_address": "127.0.0.1", "media_ports": (22000, 29999), "default_realm": DOMAIN} | options
    engine = core.Engine(sip_listen=sip_listen or ("udp:127.0.0.1:0", "tcp:127.0.0.1:0"), **options)
    try:
        desk = Desk(engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.run)
            yield desk
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(engine.close)
    desk.take(engine.drain_events(100_000))


@asynccontextmanager
async def open_pair(**options: Any) -> AsyncIterator[tuple[Desk, Desk]]:
    """An exchange that knows the devices "anna" and "boris", and phones that are at nobody's place yet."""
    async with open_desk(**options) as exchange, open_desk(decision_timeout_s=60.0) as phone:
        exchange.engine.set_accounts([account("anna"), account("boris")])
        yield exchange, phone


def lasting(transport: str = "udp") -> str:
    """An address to listen on now and after a restart: a free port that the kernel gives to nobody by itself."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    while True:
        port = random.SystemRandom().randrange(10_000, 20_000)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"{transport}:127.0.0.1:{port}"


def account(device: str, *, sha256: bool = False) -> core.Account:
    """A device of the company, with `SECRET`."""
    return core.Account(
        company=COMPANY,
        device=device,
        username=device,
        realm=DOMAIN,
        ha1_md5=core.ha1(device, DOMAIN, SECRET),
        ha1_sha256=core.ha1(device, DOMAIN, SECRET, "SHA-256") if sha256 else None,
    )


def line(
    exchange: Desk, user: str, *, secret: str = SECRET, transport: str = "udp", sha256: bool = False
) -> core.Trunk:
    """What the exchange is to a phone: a trunk that it registers with."""
    return core.Trunk(
        company="phones",
        id=user,
        hosts=[core.TrunkHost("127.0.0.1", exchange.port_of(transport))],
        transport=transport,
        username=user,
        realm=DOMAIN,
        ha1_md5=core.ha1(user, DOMAIN, secret),
        ha1_sha256=core.ha1(user, DOMAIN, secret, "SHA-256") if sha256 else None,
        domain=DOMAIN,
        register=True,
    )


async def register(exchange: Desk, phone: Desk, *lines: core.Trunk) -> list[core.Binding]:
    """Let the phone register these lines; the places where the exchange finds them, in the order of their names."""
    phone.engine.set_trunks(lines)
    found = []
    for _ in lines:
        assert (await phone.event(core.TrunkStateChanged)).registered
        found.append(await exchange.event(core.RegistrationChanged, why="registered"))
    return [change.bindings[0] for change in sorted(found, key=lambda change: change.device)]


@define
class Call:
    """A call of Anna to Boris through the exchange, with its four legs."""

    caller: int
    """Anna's phone dialled it."""
    incoming: core.IncomingCall
    """The same at the exchange."""
    dialled: int
    """The exchange dialled it."""
    callee: core.IncomingCall
    """The same at Boris's phone."""


async def call(exchange: Desk, phone: Desk, binding: core.Binding) -> Call:
    """Let Anna dial 102 and the exchange ring Boris's phone, which has yet to answer."""
    caller = phone.leg()
    phone.engine.dial_trunk(caller, "phones", "anna", "102", caller_number="anna", caller_name="Анна")
    incoming = await exchange.event(core.IncomingCall)
    dialled = exchange.leg()
    exchange.engine.dial_binding(
        dialled, binding.id, caller_number="101", caller_name=incoming.caller_name, offer_of=incoming.leg
    )
    callee = await phone.event(core.IncomingCall)
    phone.engine.ring(callee.leg)
    await exchange.event(core.LegRinging, leg=dialled)
    exchange.engine.ring(incoming.leg)
    await phone.event(core.LegRinging, leg=caller)
    return Call(caller, incoming, dialled, callee)


async def connect(exchange: Desk, phone: Desk, binding: core.Binding) -> Call:
    """A call that both sides have answered, each hearing the other through the exchange."""
    made = await call(exchange, phone, binding)
    phone.engine.answer(made.callee.leg)
    await exchange.event(core.LegAnswered, leg=made.dialled)
    exchange.engine.answer(made.incoming.leg, like=made.dialled)
    exchange.engine.hears(made.incoming.leg, [made.dialled])
    exchange.engine.hears(made.dialled, [made.incoming.leg])
    await phone.event(core.LegAnswered, leg=made.caller)
    await exchange.event(core.LegAnswered, leg=made.incoming.leg)
    return made
