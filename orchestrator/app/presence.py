"""Who is registered now: told by the switch, remembered in the store, journalled where it is news."""

from collections.abc import Iterable
from datetime import datetime

import structlog
from attrs import define, field
from msgspec.structs import replace

from orchestrator.devices.engine.switch import RegistrationNews
from orchestrator.devices.store.bindings import Bindings
from orchestrator.model.directory import Trunk
from orchestrator.model.identifiers import BindingId, CompanyId, DeviceId, TrunkId
from orchestrator.model.journal import (
    DeviceRegistered,
    DeviceUnregistered,
    TrunkChanged,
    TrunkServerChanged,
)
from orchestrator.model.registrations import (
    Answering,
    Registration,
    Standing,
    TrunkServer,
    TrunkState,
)
from orchestrator.ports import Clock, Journal


@define(eq=False)
class Presence:
    """Registrations by company and device, trunks by company. Bounded by the directory."""

    bindings: Bindings
    journal: Journal
    clock: Clock
    _devices: dict[CompanyId, dict[DeviceId, tuple[BindingId, ...]]] = field(factory=dict)
    _registrations: dict[BindingId, Registration] = field(factory=dict)
    _places: dict[tuple[CompanyId, DeviceId], frozenset[str]] = field(factory=dict)
    """Where each device was when the journal last told of it, a run before this one included."""
    _trunks: dict[tuple[CompanyId, TrunkId], TrunkState] = field(factory=dict)

    async def load(self) -> list[Registration]:
        """What an earlier run left and is still good; what has expired meanwhile is told."""
        now = self.clock.now()
        known: dict[tuple[CompanyId, DeviceId], list[Registration]] = {}
        for registration in await self.bindings.load():
            known.setdefault((registration.company, registration.device), []).append(registration)
        good: list[Registration] = []
        for (company, device), registrations in known.items():
            alive = [registration for registration in registrations if registration.expires_at > now]
            if alive:
                self._places[company, device] = _places(alive)
                good += alive
            else:
                self.bindings.set(company, device, ())
                self.journal.write(company, DeviceUnregistered(device, "expired"))
        return good

    def handle_registered(self, news: RegistrationNews) -> None:
        """A device came, moved or went."""
        company, device, key = news.company, news.device, (news.company, news.device)
        devices = self._devices.setdefault(company, {})
        for gone in devices.pop(device, ()):
            del self._registrations[gone]
        if bound := {one.binding: one for one in news.registrations if one.binding is not None}:
            devices[device] = tuple(bound)
            self._registrations |= bound
        self.bindings.set(company, device, news.registrations)
        before, now = self._places.get(key, frozenset()), _places(news.registrations)
        if before == now:
            return
        if not now:
            del self._places[key]
            self.journal.write(company, DeviceUnregistered(device, news.why))
            return
        self._places[key] = now
        for place, new in {_place(one): one for one in news.registrations}.items():
            if place not in before:
                entry = DeviceRegistered(device, new.source, new.transport, new.user_agent)
                self.journal.write(company, entry)

    def handle_refreshed(self, expiries: Iterable[tuple[BindingId, datetime]]) -> None:
        """Phones said that they are still where they were: no news, and the most frequent thing that they say."""
        known = self._registrations
        for binding, expires_at in expiries:
            now = known[binding] = replace(known[binding], expires_at=expires_at)
            of_device = self._devices[now.company][now.device]
            self.bindings.extend(now.company, now.device, [known[binding] for binding in of_device])

    def handle_trunk(self, state: TrunkState) -> None:
        """A trunk got or lost its registration, is refused for another reason or begins anew, or one of its servers is
        gone or back."""
        before = self._trunks.get((state.company, state.trunk))
        self._trunks[state.company, state.trunk] = state
        if state.state in _OF_REGISTERING and (before is None or _register_of(before) != _register_of(state)):
            self._tell_register(state)
        known = {(one.host, one.address): one.state for one in before.servers} if before else {}
        for one in state.servers:
            was_down = known.get((one.host, one.address)) is Answering.DOWN
            if was_down != (one.state is Answering.DOWN):
                self._tell_server(state, one)

    def _tell_register(self, state: TrunkState) -> None:
        log = _log.warning if state.state is Standing.REFUSED else _log.info
        words = {"status": state.status, "reason": state.reason} if state.status else {}
        log(f"trunk_{state.state.value}", company=state.company, trunk=state.trunk, **words)
        if state.state is not Standing.REGISTERING:
            home = next((one.text for one in state.servers if one.registered), "")
            entry = TrunkChanged(
                state.trunk,
                state.state is Standing.REGISTERED,
                state.status,
                state.reason,
                home if len(state.servers) > 1 else "",
            )
            self.journal.write(state.company, entry)

    def _tell_server(self, state: TrunkState, server: TrunkServer) -> None:
        is_down = server.state is Answering.DOWN
        log, what = (_log.warning, "down") if is_down else (_log.info, "up")
        log(
            f"trunk_server_{what}",
            company=state.company,
            trunk=state.trunk,
            server=server.text,
            **({"status": server.status, "reason": server.reason} if is_down else {}),
        )
        entry = TrunkServerChanged(state.trunk, server.text, not is_down, server.status, server.reason)
        self.journal.write(state.company, entry)

    def registrations(self, company: CompanyId) -> list[Registration]:
        """Where the company's devices are registered, by device."""
        devices = self._devices.get(company, {})
        return [self._registrations[binding] for device in sorted(devices) for binding in devices[device]]

    def trunk(self, company: CompanyId, trunk: Trunk) -> TrunkState:
        """A trunk's state. What was told of it before its hosts or its manner changed counts no longer."""
        told = self._trunks.get((company, trunk.id))
        hosts = {host.host for host in trunk.hosts}
        if (
            told is not None
            and (told.state in _OF_REGISTERING) == trunk.register
            and {one.host for one in told.servers} <= hosts
        ):
            return told
        return TrunkState(company, trunk.id, Standing.REGISTERING if trunk.register else Standing.BY_ADDRESS)


def _register_of(state: TrunkState) -> object:
    """What is news of a registration."""
    return state.state, state.status, state.reason, [one.text for one in state.servers if one.registered]


def _places(registrations: "list[Registration] | tuple[Registration, ...]") -> frozenset[str]:
    return frozenset(_place(one) for one in registrations)


def _place(registration: Registration) -> str:
    """What is told of it. A new port or contact is none: phones change them with each connection."""
    address = registration.source.rpartition(":")[0]
    return f"{registration.transport} {address} {registration.user_agent}"


_OF_REGISTERING = frozenset({Standing.REGISTERING, Standing.REGISTERED, Standing.REFUSED})
_log = structlog.get_logger(__name__)
