"""The switch on the native engine: drains its events in batches, hands them to legs, and knows who is registered."""

import ipaddress
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
import trio
from attrs import define, field, frozen

from orchestrator import _rust_core as core
from orchestrator.devices.engine import words
from orchestrator.devices.engine.call import EngineCall
from orchestrator.devices.engine.leg import EngineLeg
from orchestrator.model.bans import Ban
from orchestrator.model.calls import Arrival
from orchestrator.model.certificate import Certificate
from orchestrator.model.errors import ConfigError, Problem, ResourceError
from orchestrator.model.identifiers import BindingId, CallId, CompanyId, DeviceId, LegId, PromptName
from orchestrator.model.registrations import Registration, TrunkState
from orchestrator.model.sip import SipTrace
from orchestrator.numbering.directory import Directory
from orchestrator.ports import Clock, Journal, TransferAsked
from orchestrator.settings import Settings


@frozen
class Listeners:
    """Who is told what the engine tells that belongs to no call. They return at once."""

    arrived: Callable[[Arrival], None]
    """Start a task that serves it."""
    registered: Callable[["RegistrationNews"], None]
    refreshed: Callable[[Sequence[tuple[BindingId, datetime]]], None]
    """These places last until then, and are as they were otherwise. Told once a second, of all at once."""
    trunk_changed: Callable[[TrunkState], None]
    transfer_asked: Callable[[TransferAsked], None]
    """Take it up, or tell its leg why not."""
    banned: Callable[[Ban], None]
    ban_lifted: Callable[[str], None]
    """The engine listens to this source again before the time."""


@frozen
class RegistrationNews:
    """The places where a device can be reached are now these; empty: it is offline."""

    company: CompanyId
    device: DeviceId
    registrations: tuple[Registration, ...]
    why: str
    """"registered", "unregistered", "expired" or "removed"."""


@define(eq=False)
class EngineSwitch:
    """Implements `ports.Switch`. Made by `open_switch`."""

    engine: core.Engine
    journal: Journal
    clock: Clock
    listeners: Listeners
    legs: dict[int, EngineLeg] = field(factory=dict)
    """Every leg that lives."""
    prompts: dict[str, float] = field(factory=dict)
    """Names that the engine knows, with their lengths in seconds."""
    certificate: Certificate | None = None
    """Of TLS, if the exchange listens for that, as for WSS."""
    faults: int = 0
    """Events that a fault of ours has lost."""
    _waiting: dict[LegId, EngineLeg] = field(factory=dict)
    """Arrivals that no call was opened for yet; some may have ended again."""
    _places: dict[tuple[str, str], tuple[BindingId, ...]] = field(factory=dict)
    _ids: Iterator[int] = field(factory=lambda: itertools.count(core.FIRST_DIALLED_LEG))

    def call(self, id: CallId, company: CompanyId, arrival: Arrival | None) -> EngineCall:
        caller = None
        if arrival is not None:
            caller = self._waiting.pop(arrival.leg)
        return EngineCall(id, company, caller, self)

    def refuse(self, arrival: Arrival, status: int, retry_after_s: int | None = None) -> None:
        if self._waiting.pop(arrival.leg, None):
            self.engine.reject(arrival.leg, status, retry_after_s=retry_after_s)

    def bindings(self, company: CompanyId, device: DeviceId) -> Sequence[BindingId]:
        return self._places.get((company, device), ())

    def configure(self, directories: Iterable[Directory]) -> None:
        """Tell the engine who may register and which trunks there are. Calls that go on are not touched."""
        accounts, trunks = [], []
        emergency: dict[str, Sequence[str]] = {}
        for directory in directories:
            emergency[directory.id] = directory.company.emergency_numbers
            accounts += words.accounts_of(directory)
            trunks += words.trunks_of(directory)
        self.engine.set_accounts(accounts, emergency_numbers=emergency)
        self.engine.set_trunks(trunks)

    def fault(self) -> str:
        """Why the engine does not work now; "" while it does. What one fault of it has ended is over, and counted."""
        silent_ms = self.engine.counters().get("sip_thread_silent_ms", 0)
        return f"its SIP thread has done nothing for {silent_ms} ms" if silent_ms > SILENT_MAX_MS else ""

    def restore(self, registrations: Iterable[Registration]) -> None:
        """Take over registrations of an earlier run. After `configure`; the news of them follow."""
        self.engine.restore_bindings(list(words.restored_of(registrations, self.clock.now())))

    def restore_bans(self, bans: Iterable[Ban], memory: timedelta) -> None:
        """Take over bans of an earlier run. After `restore`: who is registered is not banned, and is told as lifted."""
        self.engine.restore_bans(list(words.restored_bans_of(bans, self.clock.now(), memory)))

    def lift_ban(self, source: str) -> None:
        """Listen to a source again, as if it had never been banned."""
        self.engine.lift_ban(source)

    def set_prompt(self, company: CompanyId | None, name: PromptName, samples: bytes) -> None:
        """Keep a prompt for one company or for all: mono signed 16-bit little-endian, 8 kHz. Empty: forget it."""
        full = name if company is None else f"{company}/{name}"
        self.engine.set_prompt(full, samples)
        if samples:
            self.prompts[full] = len(samples) / PROMPT_BYTES_PER_S
        else:
            self.prompts.pop(full, None)

    async def sip_trace(self, legs: Sequence[LegId]) -> SipTrace:
        """What these legs look like on the wire."""
        messages, left_out = await trio.to_thread.run_sync(self.engine.sip_messages, legs)
        return SipTrace(tuple(words.sip_messages_of(messages, self.clock.now())), left_out)

    def new_leg(self) -> EngineLeg:
        """A leg that we dial."""
        leg = EngineLeg(LegId(next(self._ids)), self)
        self.legs[leg.id] = leg
        return leg

    async def run(self, pumping: trio.CancelScope) -> None:
        """Hand the engine's events on until `pumping` is cancelled."""
        fd, drain = self.engine.event_fd(), self.engine.drain_events
        with pumping:
            while True:
                await trio.lowlevel.wait_readable(fd)
                while events := drain(DRAINED_AT_ONCE):
                    for event in events:
                        self._handle(event)
                    await trio.lowlevel.checkpoint()

    def _handle(self, event: words.Event) -> None:
        """One event; a fault of ours loses this one only."""
        try:
            match event:
                case core.LegEnded():
                    if leg := self.legs.pop(event.leg, None):
                        leg.handle_end(words.end_of(event))
                case core.LegAnswered():
                    if leg := self.legs.get(event.leg):
                        leg.handle_answered()
                case core.LegRinging():
                    if leg := self.legs.get(event.leg):
                        leg.handle_ringing()
                case core.LegHeardEarly():
                    leg, listener = self.legs.get(event.leg), self.legs.get(event.listener)
                    if leg and listener:
                        leg.handle_heard_early(listener)
                case core.IncomingCall():
                    self._arrived(event)
                case core.PlaybackEnded():
                    if leg := self.legs.get(event.leg):
                        leg.handle_played(event.prompt, event.played_ms)
                case core.TransferAsked():
                    self._transfer_asked(event)
                case core.ServerTried():
                    if leg := self.legs.get(event.leg):
                        leg.handle_tried(event)
                case core.RegistrationChanged():
                    self._registered(event)
                case core.RegistrationsRefreshed():
                    self.listeners.refreshed(words.expiries_of(event, self.clock.now()))
                case core.WrongPasswords(source=source, count=count, account=account):
                    _log.warning("wrong_passwords", source=source, count=count, last_account=account)
                case core.MalformedMessages(source=source, count=count, last=last):
                    _log.warning("malformed_messages", source=source, count=count, last=last)
                case core.SourceBanned():
                    self.listeners.banned(words.ban_of(event, self.clock.now()))
                case core.BanLifted(source=source):
                    self.listeners.ban_lifted(source)
                case core.TrunkStateChanged():
                    self._trunk_changed(event)
                case core.CertificateRead():
                    self._certified(words.certificate_of(event))
                case core.KeyPressed() | core.RecordingEnded():
                    pass
        except Exception as fault:
            self.faults += 1
            _log.error("engine_event_lost", engine_event=repr(event), exc_info=fault)

    def _arrived(self, event: core.IncomingCall) -> None:
        leg = self.legs[event.leg] = EngineLeg(LegId(event.leg), self)
        instead_of = None
        if event.instead_of is not None:
            other = self.legs.get(event.instead_of)
            if other is None or other.call is None:
                self.engine.reject(leg.id, NO_SUCH_CALL)
                return
            instead_of = (other.call.id, other.id)
        self._waiting[leg.id] = leg
        self.listeners.arrived(words.arrival_of(event, instead_of))

    def _transfer_asked(self, event: core.TransferAsked) -> None:
        leg = self.legs.get(event.leg)
        if leg is None or leg.call is None:
            return  # It has ended meanwhile, and its subscription with it.
        instead_of = None
        if event.instead_of is not None:
            other = self.legs.get(event.instead_of)
            if other is None or other.call is None:
                leg.tell_transfer(NO_SUCH_CALL)
                return
            instead_of = (other.call.id, other.id)
        self.listeners.transfer_asked(TransferAsked(leg.call.id, leg, event.to, instead_of))

    def _registered(self, event: core.RegistrationChanged) -> None:
        key = (event.company, event.device)
        registrations = words.registrations_of(event, self.clock.now())
        if registrations:
            self._places[key] = tuple(BindingId(binding.id) for binding in event.bindings)
        else:
            self._places.pop(key, None)
        self.listeners.registered(
            RegistrationNews(
                CompanyId(event.company),
                DeviceId(event.device),
                registrations,
                event.why,
            )
        )

    def _certified(self, certificate: Certificate) -> None:
        self.certificate = certificate
        ends_at = f"{certificate.ends_at:%Y-%m-%d}"
        if trouble := certificate.trouble(self.clock.now()):
            _log.error("certificate_in_trouble", why=trouble, ends_at=ends_at)
        elif certificate.is_ending(self.clock.now()):
            _log.warning("certificate_ends_soon", ends_at=ends_at)
        else:
            _log.info("certificate_in_force", ends_at=ends_at)

    def _trunk_changed(self, event: core.TrunkStateChanged) -> None:
        self.listeners.trunk_changed(words.trunk_state_of(event))


@asynccontextmanager
async def open_switch(
    settings: Settings, journal: Journal, clock: Clock, listeners: Listeners, secret: bytes | None = None
) -> AsyncIterator[EngineSwitch]:
    """Start the engine. Leaving the block ends what is left of it (at most 2 s); end the calls' tasks before.

    `secret` is 32 bytes that outlive restarts; what depends on it stays the same.
    Raises `ResourceError` naming the address if a socket cannot be opened, `ConfigError` for a bad setting.
    """
    engine = _start(settings, secret)
    try:
        switch = EngineSwitch(engine, journal, clock, listeners)
        # Calls that are being cancelled still wait to hear of their legs' ends.
        pumping = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(switch.run, pumping)
            try:
                yield switch
            finally:
                pumping.cancel()
    finally:
        # The pump has ended: it must not wait for a descriptor that is being closed.
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(engine.close)


def _start(settings: Settings, secret: bytes | None) -> core.Engine:
    _check_media_address(settings.media_address)
    try:
        return core.Engine(
            sip_listen=settings.sip_listen,
            default_realm=settings.default_realm,
            media_address=settings.media_address,
            media_ports=settings.media_ports,
            advertised_address=settings.advertised_address,
            tls_certificate=settings.tls_certificate,
            tls_key=settings.tls_key,
            tls_authorities=settings.tls_authorities,
            ws_origins=settings.ws_origin,
            media_threads=settings.media_threads,
            max_legs=settings.max_legs,
            max_requests_of_source=settings.max_requests_of_source,
            name_servers=settings.name_servers,
            ban_s=settings.ban_s,
            never_banned=settings.never_ban,
            decision_timeout_s=settings.decision_timeout_s,
            media_timeout_s=settings.media_timeout_s,
            registration_expires_s=settings.registration_expires_s,
            sip_trace_calls=settings.sip_trace_calls,
            hep=settings.hep,
            hep_id=settings.hep_id,
            hep_password=settings.hep_password,
            secret=secret,
        )
    except OSError as error:
        remedy = "; name another address with --sip-listen" if "cannot listen" in str(error) else ""
        raise ResourceError(f"{error}{remedy}") from error
    except ValueError as error:
        raise ConfigError([Problem("", str(error))]) from error


def _check_media_address(text: str) -> None:
    """Each call binds its own sockets: what is not ours would be found out by the first caller."""
    try:
        address = ipaddress.ip_address(text)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((text, 0))
    except ValueError as error:
        what = f"must be an address such as 192.0.2.10, not {text!r}"
        raise ConfigError([Problem("--media-address", what)]) from error
    except OSError as error:
        what = (
            f"{text} is not this machine's ({error.strerror}); that of a NAT goes into --advertised-address"
        )
        raise ConfigError([Problem("--media-address", what)]) from error


NO_SUCH_CALL = 481
SILENT_MAX_MS = 3_000
"""A thread that works comes round each 250 ms."""
DRAINED_AT_ONCE = 256
PROMPT_BYTES_PER_S = 16_000
_log = structlog.get_logger(__name__)
