"""Test phones on the native engine: they register, call, answer, play, record and press keys over real SIP and RTP.

```
async with open_phones(["udp:127.0.0.1:0"]) as phones:
    anna = phones.add(PhoneAccount(user="anna-desk", password="…", domain="demo.example", port=5060))
    await anna.registered()
    call = anna.call("102")
    if await call.answered():
        call.send_tone(425)
    end = await call.ended()
```

To the engine a phone is a trunk that registers with the exchange. A `PhoneAccount` without a password registers
nowhere: it is a carrier's end of an IP trunk, called and calling by address.
"""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import define, field, frozen

from orchestrator import _rust_core as core
from orchestrator.devices.engine.words import Event
from orchestrator.model.errors import ResourceError

INCOMING_MAX = 256
"""Calls that wait for somebody to look at them; more are told that the phone is busy."""
KEYS_MAX = 256
COMPANY = "phones"
DRAINED_AT_ONCE = 256


@frozen
class PhoneAccount:
    """Where a phone belongs, and who it says it is."""

    user: str
    domain: str
    """The company's domain: host part of its addresses, and the realm whose challenges it answers."""
    host: str = "127.0.0.1"
    port: int = 5060
    transport: str = "udp"
    password: str | None = field(default=None, repr=False)
    sha256: bool = False
    """Answer SHA-256 challenges too (RFC 8760)."""


@define(eq=False)
class PhoneCall:
    """One call of a phone, incoming or outgoing."""

    phone: "Phone"
    leg: int
    incoming: core.IncomingCall | None = None
    keys: str = ""
    """What the other side has pressed so far, at most the last `KEYS_MAX`."""
    end: core.LegEnded | None = None
    """How it ended; None while it lives."""
    playing: str = ""
    """The sound that `play` has asked for last."""
    played_ms: int = 0
    """How much of it was played, once it is over."""
    recording_fault: str | None = None
    """Why the file of `record` is not whole."""
    rings: trio.Event = field(factory=trio.Event, repr=False)
    picked_up: trio.Event = field(factory=trio.Event, repr=False)
    played: trio.Event = field(factory=trio.Event, repr=False)
    file_closed: trio.Event = field(factory=trio.Event, repr=False)
    gone: trio.Event = field(factory=trio.Event, repr=False)

    def ring(self) -> None:
        """Tell the caller that this phone rings."""
        self.engine.ring(self.leg)

    def answer(self) -> None:
        """Pick up an incoming call; `answered` returns once the caller knows."""
        self.engine.answer(self.leg)

    def reject(self, status: int = 486) -> None:
        """Refuse an incoming call: 486 busy, 603 declined, 480 not here."""
        self.engine.reject(self.leg, status)

    def hang_up(self) -> None:
        """End the call whatever its state."""
        self.engine.hang_up(self.leg)

    def send_tone(self, hz: float, level_db: float = -12.0) -> None:
        """Send a sine wave to the other side until told otherwise."""
        self.engine.hears(self.leg, [core.Tone(hz, level_db=level_db)])

    def send_silence(self) -> None:
        """Send packets without sound."""
        self.engine.hears(self.leg, [core.Silence()])

    async def play(self, name: str) -> bool:
        """Play to the other side what `Phones.load` named, once; returns at its end or at the call's.

        False if nothing was played: no such sound, the other side speaks no G.711, or the call has ended.
        """
        self.played = trio.Event()
        self.playing, self.played_ms = name, 0
        self.engine.hears(self.leg, [core.Prompt(name)])
        if self.end is None:
            await self.played.wait()
        return self.played_ms > 0

    def send_keys(self, keys: str) -> None:
        """Press keys, one after the other (RFC 4733)."""
        self.engine.send_keys(self.leg, keys)

    def record(self, path: str) -> None:
        """Write what the other side says to a WAV file; the file is whole once `recorded` returns."""
        self.engine.record(self.leg, path)

    async def recorded(self) -> None:
        """Wait until the file of `record` is closed; the end of the call closes it."""
        await self.file_closed.wait()

    async def ringing(self) -> bool:
        """Wait until the far end rings, or answers without ringing; False if the call ended first."""
        await self.rings.wait()
        return self.end is None

    async def answered(self) -> bool:
        """Wait until the call is up; False if it ended first."""
        await self.picked_up.wait()
        return self.end is None

    async def ended(self) -> core.LegEnded:
        """Wait for the end of the call."""
        await self.gone.wait()
        if self.end is None:
            raise AssertionError("a call that is gone has an end")
        return self.end

    @property
    def engine(self) -> core.Engine:
        """What carries this call."""
        return self.phone.phones.engine

    def handle(self, event: Event) -> None:
        """Take what the engine tells of this call's leg."""
        match event:
            case core.LegRinging():
                self.rings.set()
            case core.LegAnswered():
                # A greeting answers at once; whoever waits for ringing waits no longer.
                self.rings.set()
                self.picked_up.set()
            case core.KeyPressed():
                self.keys = (self.keys + event.key)[-KEYS_MAX:]
            case core.PlaybackEnded() if event.prompt == self.playing:
                self.played_ms = event.played_ms
                self.played.set()
            case core.RecordingEnded():
                self.recording_fault = event.error
                self.file_closed.set()
            case core.LegEnded():
                self.end = event
                for waited in (self.rings, self.picked_up, self.played, self.file_closed, self.gone):
                    waited.set()
            case _:
                pass


@define(eq=False)
class Phone:
    """One account: a phone that registers, or a carrier that needs not."""

    phones: "Phones"
    account: PhoneAccount
    is_registered: bool = False
    status: int = 0
    """SIP status of the last answer to a register, 0 before the first."""
    incoming_in: trio.MemorySendChannel[PhoneCall] = field(init=False, repr=False)
    incoming: trio.MemoryReceiveChannel[PhoneCall] = field(init=False, repr=False)
    """Calls to this phone; each waits for `ring`, `answer` or `reject`."""

    def __attrs_post_init__(self) -> None:
        self.incoming_in, self.incoming = trio.open_memory_channel[PhoneCall](INCOMING_MAX)

    def call(self, number: str, name: str = "", caller: str = "") -> PhoneCall:
        """Dial. The call is under way when this returns. `caller` is the number that a carrier shows."""
        return self.phones.dial(self, number, name, caller)

    @property
    def is_free(self) -> bool:
        """No call of this phone rings or goes on."""
        return all(call.phone is not self for call in self.phones.calls.values())

    async def registered(self, wanted: bool = True) -> None:
        """Wait until the exchange knows this phone, or with False no longer does."""
        await self.phones.until(lambda: self.is_registered is wanted)

    async def refused(self) -> int:
        """Wait until a register is refused; its SIP status."""
        await self.phones.until(lambda: self.status >= 300)
        return self.status


@define(eq=False)
class Phones:
    """Some phones that share one engine. Made by `open_phones`."""

    engine: core.Engine
    table: dict[str, Phone] = field(factory=dict)
    calls: dict[int, PhoneCall] = field(factory=dict)
    legs: "itertools.count[int]" = field(factory=lambda: itertools.count(core.FIRST_DIALLED_LEG))
    news: trio.Event = field(factory=trio.Event)

    @property
    def listening(self) -> list[str]:
        """Addresses really bound, as "udp:127.0.0.1:5060"."""
        return self.engine.listening()

    def add(self, account: PhoneAccount) -> Phone:
        """Take up an account; it registers from now on if it has a password."""
        phone = self.table[account.user] = Phone(self, account)
        self._push_accounts()
        return phone

    def remove(self, phone: Phone) -> None:
        """Unregister and forget."""
        del self.table[phone.account.user]
        self._push_accounts()

    def load(self, name: str, samples: bytes) -> None:
        """Name a sound for `PhoneCall.play`: mono signed 16-bit little-endian, 8 kHz."""
        self.engine.set_prompt(name, samples)

    def dial(self, phone: Phone, number: str, name: str, caller: str) -> PhoneCall:
        """Start a call of `phone`."""
        leg = next(self.legs)
        call = self.calls[leg] = PhoneCall(phone, leg)
        user = phone.account.user
        self.engine.dial_trunk(leg, COMPANY, user, number, caller_number=caller or user, caller_name=name)
        return call

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something about a registration makes `holds` true."""
        while not holds():
            await self.news.wait()

    async def run(self) -> None:
        """Hand the engine's events to their phones and calls until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self.engine.event_fd())
            while events := self.engine.drain_events(DRAINED_AT_ONCE):
                for event in events:
                    self._handle(event)
                await trio.lowlevel.checkpoint()

    def _handle(self, event: Event) -> None:
        match event:
            case core.IncomingCall():
                self._arrive(event)
            case core.TrunkStateChanged():
                if phone := self.table.get(event.trunk):
                    phone.is_registered, phone.status = event.registered, event.status
                    self.news.set()
                    self.news = trio.Event()
            case core.RegistrationChanged() | core.RegistrationsRefreshed():
                pass
            case core.WrongPasswords() | core.CertificateRead():
                pass
            case core.MalformedMessages() | core.SourceBanned() | core.BanLifted():
                pass
            case _:
                if call := self.calls.get(event.leg):
                    call.handle(event)
                    if call.end:
                        del self.calls[event.leg]

    def _arrive(self, event: core.IncomingCall) -> None:
        phone = self.table.get(event.trunk or "")
        if phone is None:
            self.engine.reject(event.leg, 404)
            return
        call = self.calls[event.leg] = PhoneCall(phone, event.leg, event)
        try:
            phone.incoming_in.send_nowait(call)
        except trio.WouldBlock:
            call.reject(486)

    def _push_accounts(self) -> None:
        self.engine.set_trunks([_trunk(phone.account) for phone in self.table.values()])


@asynccontextmanager
async def open_phones(
    sip_listen: Sequence[str] = ("udp:127.0.0.1:0", "tcp:127.0.0.1:0"),
    *,
    media_address: str = "127.0.0.1",
    media_ports: tuple[int, int] = (40000, 49999),
) -> AsyncIterator[Phones]:
    """Open an engine for phones. Leaving the block ends their calls and registrations (at most 2 s).

    Raises `ResourceError` naming the address if a socket cannot be opened.
    """
    try:
        engine = core.Engine(
            sip_listen=sip_listen,
            default_realm=COMPANY,
            media_address=media_address,
            media_ports=media_ports,
            # A person decides slowly, and a phone in front of nobody rings until its caller gives up.
            max_undecided_age_s=300.0,
            decision_timeout_s=300.0,
            user_agent="Tandem phone",
            # It plays and records, which is possible with G.711 only.
            only_playable=True,
        )
    except OSError as error:
        raise ResourceError(str(error)) from error
    try:
        phones = Phones(engine)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(phones.run)
            yield phones
            nursery.cancel_scope.cancel()
    finally:
        # Closing waits for the far end's answers; nothing else of this process runs through here.
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(engine.close)


def _trunk(account: PhoneAccount) -> core.Trunk:
    """The engine's word for it."""
    secret = account.password

    def ha1(algorithm: str) -> str | None:
        return None if secret is None else core.ha1(account.user, account.domain, secret, algorithm)

    return core.Trunk(
        company=COMPANY,
        id=account.user,
        hosts=[core.TrunkHost(account.host, account.port)],
        transport=account.transport,
        username=account.user if secret is not None else None,
        realm=account.domain if secret is not None else None,
        ha1_md5=ha1("MD5"),
        ha1_sha256=ha1("SHA-256") if account.sha256 else None,
        domain=account.domain,
        register=secret is not None,
        contact_user=account.user,
    )
