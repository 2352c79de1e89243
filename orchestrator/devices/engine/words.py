"""From the engine's words to ours: arrivals, outcomes, ends, registrations, accounts and trunks."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import get_args

from orchestrator import _rust_core as core
from orchestrator.model.bans import Ban, BanReason
from orchestrator.model.calls import (
    Arrival,
    CallerId,
    Diversion,
    EndedBy,
    Failed,
    FromDevice,
    FromTrunk,
    LegEnd,
    MediaQuality,
    Refusal,
)
from orchestrator.model.certificate import Certificate
from orchestrator.model.directory import SipDevice
from orchestrator.model.identifiers import BindingId, CallId, CompanyId, DeviceId, LegId, TrunkId
from orchestrator.model.registrations import Answering, Registration, Standing, TrunkServer, TrunkState
from orchestrator.model.sip import SipMessage
from orchestrator.numbering.directory import Directory

Event = (
    core.IncomingCall
    | core.LegRinging
    | core.LegHeardEarly
    | core.LegAnswered
    | core.LegEnded
    | core.TransferAsked
    | core.KeyPressed
    | core.PlaybackEnded
    | core.RecordingEnded
    | core.RegistrationChanged
    | core.RegistrationsRefreshed
    | core.CertificateRead
    | core.ServerTried
    | core.TrunkStateChanged
    | core.WrongPasswords
    | core.MalformedMessages
    | core.SourceBanned
    | core.BanLifted
)
"""Whatever the engine tells."""


def certificate_of(event: core.CertificateRead) -> Certificate:
    """The certificate in force."""
    return Certificate(datetime.fromtimestamp(event.ends_at_s, UTC), event.fault or "")


def arrival_of(event: core.IncomingCall, instead_of: tuple[CallId, LegId] | None = None) -> Arrival:
    """A call that waits for a decision."""
    device, trunk = event.device, event.trunk
    codecs = set(map(str.upper, event.codecs))
    diverted = None if event.diverted is None else Diversion(*event.diverted)
    return Arrival(
        LegId(event.leg),
        CompanyId(event.company),
        FromTrunk(TrunkId(trunk or "")) if device is None else FromDevice(DeviceId(device)),
        CallerId(event.caller_number, event.caller_name, event.hidden, diverted),
        event.called,
        not PLAYABLE.isdisjoint(codecs),
        not codecs <= NO_SOUND,
        instead_of,
    )


def end_of(event: core.LegEnded) -> LegEnd:
    """How a leg ended."""
    report = event.media
    media = None
    if report is not None:
        media = MediaQuality(
            report.codec,
            report.packets_received,
            report.packets_sent,
            report.packets_lost,
            report.loss_percent,
            report.jitter_ms,
            report.round_trip_ms,
            report.mos,
        )
    return LegEnd(_BY[event.by], event.status, event.reason, media, event.moved_to)


def failure_of(end: LegEnd, *, rang: bool) -> Failed:
    """Why the far end of a dialled leg did not pick up (RFC 3261 §21). `rang`: whether it rang before."""
    return Failed(_refusal_of(end, rang=rang), end.status, end.reason, end.moved_to)


def _refusal_of(end: LegEnd, *, rang: bool) -> Refusal:
    if rang and end.by in _FAR and end.status in _RANG_IN_VAIN and "declin" not in end.reason.lower():
        return Refusal.NO_ANSWER
    if end.by is EndedBy.PEER:
        if end.status == 480 and "declin" in end.reason.lower():
            return Refusal.DECLINED
        return _REFUSALS.get(end.status, Refusal.UNREACHABLE)
    return Refusal.UNREACHABLE


def registrations_of(event: core.RegistrationChanged, now: datetime) -> tuple[Registration, ...]:
    """Where a device can be reached from now on."""
    return tuple(
        Registration(
            CompanyId(event.company),
            DeviceId(event.device),
            binding.contact,
            binding.source,
            binding.transport,
            now + timedelta(seconds=binding.expires_in_s),
            binding.call_id,
            binding.cseq,
            binding.user_agent,
            tuple(binding.path),
            BindingId(binding.id),
            binding.instance,
        )
        for binding in event.bindings
    )


def expiries_of(event: core.RegistrationsRefreshed, now: datetime) -> list[tuple[BindingId, datetime]]:
    """When each binding that was refreshed expires."""
    return [(BindingId(binding), now + timedelta(seconds=left_s)) for binding, left_s in event.bindings]


def trunk_state_of(event: core.TrunkStateChanged) -> TrunkState:
    """How a trunk and we stand now."""
    servers = tuple(
        TrunkServer(one.host, one.address, Answering(one.standing), one.is_home, one.status, one.reason)
        for one in event.servers
    )
    company, trunk = CompanyId(event.company), TrunkId(event.trunk)
    if event.registers:
        state = Standing.REGISTERED if event.registered else Standing.REFUSED
        if event.status == 0:
            state = Standing.REGISTERING
        return TrunkState(company, trunk, state, event.status, event.reason, servers)
    if all(one.state is Answering.DOWN for one in servers):
        first = servers[0]
        return TrunkState(company, trunk, Standing.UNREACHABLE, first.status, first.reason, servers)
    is_up = any(one.state is Answering.UP for one in servers)
    state = Standing.REACHABLE if is_up else Standing.BY_ADDRESS
    return TrunkState(company, trunk, state, servers=servers)


def sip_messages_of(messages: Iterable[core.SipMessage], now: datetime) -> Iterator[SipMessage]:
    """Messages as they came and went, with the dates that they have by our clock."""
    for message in messages:
        yield SipMessage(
            now - timedelta(seconds=message.age_s),
            LegId(message.leg),
            message.received,
            message.transport,
            message.local,
            message.remote,
            message.repeated,
            message.text,
        )


def restored_of(registrations: Iterable[Registration], now: datetime) -> Iterator[core.RestoredBinding]:
    """Registrations of an earlier run, but for those that have expired meanwhile."""
    for registration in registrations:
        left_s = (registration.expires_at - now).total_seconds()
        if left_s > 0:
            yield core.RestoredBinding(
                company=registration.company,
                device=registration.device,
                contact=registration.contact,
                source=registration.source,
                transport=registration.transport,
                expires_in_s=left_s,
                call_id=registration.call_id,
                cseq=registration.cseq,
                user_agent=registration.user_agent,
                path=registration.path,
                instance=registration.instance,
            )


def ban_of(event: core.SourceBanned, now: datetime) -> Ban:
    """A source that is not listened to from now on."""
    ends_at = now + timedelta(seconds=event.lasts_s)
    return Ban(event.source, _REASONS[event.why], now, ends_at, event.times, event.account)


def restored_bans_of(bans: Iterable[Ban], now: datetime, memory: timedelta) -> Iterator[core.RestoredBan]:
    """Bans of an earlier run; those that are over are remembered for `memory`."""
    for ban in bans:
        left_s = (ban.ends_at - now).total_seconds()
        yield core.RestoredBan(
            source=ban.source,
            left_s=max(0.0, left_s),
            forgotten_in_s=max(0.0, left_s + memory.total_seconds()),
            times=ban.times,
        )


def accounts_of(directory: Directory) -> list[core.Account]:
    """Everybody of a company who may register."""
    realm = directory.company.domain
    return [
        core.Account(
            company=directory.id,
            device=device.id,
            username=device.username,
            realm=realm,
            ha1_md5=device.ha1_md5,
            ha1_sha256=device.ha1_sha256,
        )
        for _, device in directory.owners.values()
        if isinstance(device, SipDevice)
    ]


def trunks_of(directory: Directory) -> list[core.Trunk]:
    """The trunks of a company."""
    return [
        core.Trunk(
            company=directory.id,
            id=trunk.id,
            hosts=[
                core.TrunkHost(one.host, one.port, priority=one.priority, weight=one.weight)
                for one in trunk.hosts
            ],
            failover_s=trunk.failover_s,
            health_s=trunk.health_s,
            transport=trunk.transport,
            sources=trunk.sources,
            username=trunk.username,
            realm=trunk.realm,
            ha1_md5=trunk.ha1_md5,
            ha1_sha256=trunk.ha1_sha256,
            register=trunk.register,
            max_calls=trunk.max_calls,
            early_media=trunk.early_media,
            identity=trunk.identity.value,
            trusted=trunk.trusted,
            codecs=trunk.codecs,
            forwarding=trunk.forwarding.value,
        )
        for trunk in directory.trunks.values()
    ]


PLAYABLE = frozenset({"PCMA", "PCMU"})
"""Encodings that prompts can be played in."""
NO_SOUND = frozenset({"TELEPHONE-EVENT", "CN"})
"""Encodings that nobody speaks: keys and comfort noise."""
_BY = {by.value: by for by in EndedBy}
_REASONS: dict[str, BanReason] = {reason: reason for reason in get_args(BanReason)}
_FAR = frozenset({EndedBy.PEER, EndedBy.TIMEOUT})
_RANG_IN_VAIN = frozenset({408, 480, 487})
"""What phones and carriers end ringing with that nobody heeds, and the engine too (timer C)."""
_REFUSALS = {
    486: Refusal.BUSY,
    600: Refusal.BUSY,
    603: Refusal.DECLINED,
    607: Refusal.DECLINED,
    608: Refusal.DECLINED,
}
"""RFC 3261 §21.4.24, §21.6.1, §21.6.2; RFC 8197; RFC 8688. The rest is unreachable."""
