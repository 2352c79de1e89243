"""The calls that are going on now, as one company's journal tells them."""

import enum
from datetime import datetime
from typing import ClassVar

from attrs import define, field
from msgspec import Struct

from orchestrator.model.calls import Direction, Who
from orchestrator.model.identifiers import E164, CallId, CompanyId, LegId, PersonId, PromptName
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallRouted,
    CallTransferred,
    DeviceRang,
    LegFinished,
    Record,
    TransferFailed,
)


class CallState(enum.Enum):
    """How far a call has come."""

    RINGING = "ringing"
    """Nobody has answered, or somebody new is being sought after a transfer."""
    ANNOUNCING = "announcing"
    """A prompt is being played to the caller."""
    TALKING = "talking"


class LiveCall(Struct, frozen=True):
    """A call that is going on."""

    call: CallId
    company: CompanyId
    direction: Direction
    caller: Who
    called: str
    started_at: datetime
    state: CallState
    since: datetime
    """When it came into this state."""
    to: str = ""
    """Where its number led: "person:anna", "outside:+7…", …"""
    person: PersonId | None = None
    """Whom it seeks or talks to, where that is one of the company's people."""
    number: E164 | None = None
    """The company's public number that was dialled, if it was one."""
    answered_by: Who | None = None
    prompt: PromptName | None = None
    ringing: tuple[LegId, ...] = ()
    """Legs towards those who are being rung."""


@define
class CallBoard:
    """A fold: the calls that have arrived and not ended, oldest first."""

    HEEDS: ClassVar = (
        CallArrived,
        CallRouted,
        DeviceRang,
        LegFinished,
        CallAnswered,
        CallTransferred,
        TransferFailed,
        CallEnded,
    )
    """Kinds of entries that move a call."""

    calls: dict[CallId, LiveCall] = field(factory=dict)

    def apply(self, record: Record) -> None:
        """Take the next entry. Costs a few microseconds."""
        entry = record.entry
        if not isinstance(entry, self.HEEDS):
            return
        if isinstance(entry, CallArrived):
            self.calls[entry.call] = LiveCall(
                entry.call,
                record.company,
                entry.direction,
                entry.caller,
                entry.called,
                record.at,
                CallState.RINGING,
                record.at,
            )
        elif isinstance(entry, CallEnded):
            self.calls.pop(entry.call, None)
        elif call := self.calls.get(entry.call):
            self.calls[entry.call] = _after(call, record.at, entry)


def _after(call: LiveCall, at: datetime, entry: "_Moves") -> LiveCall:
    state, since, to = call.state, call.since, call.to
    person, number, answered_by = call.person, call.number, call.answered_by
    prompt, ringing = call.prompt, call.ringing
    match entry:
        case CallRouted():
            to, person, number = entry.to, entry.person, entry.number or number
        case DeviceRang():
            ringing = (*ringing, entry.leg)
            person = entry.person or person
        case LegFinished():
            ringing = tuple(leg for leg in ringing if leg != entry.leg)
        case CallAnswered():
            state, since = (CallState.ANNOUNCING if entry.prompt else CallState.TALKING), at
            prompt = entry.prompt
            ringing = tuple(leg for leg in ringing if leg != entry.leg)
            if not entry.prompt:
                answered_by, person = entry.answered_by, entry.answered_by.person
        case CallTransferred():
            state, since, to, ringing = CallState.RINGING, at, entry.to, ()
            person = PersonId(entry.to[7:]) if entry.to.startswith("person:") else None
        case TransferFailed() if state is CallState.RINGING and answered_by is not None:
            # Whoever transferred has waited for this, and is joined again.
            state, since, ringing, person = CallState.TALKING, at, (), answered_by.person
            to = f"person:{person}" if person else f"outside:{answered_by.number}"
        case TransferFailed():
            pass
    return LiveCall(
        call.call,
        call.company,
        call.direction,
        call.caller,
        call.called,
        call.started_at,
        state,
        since,
        to,
        person,
        number,
        answered_by,
        prompt,
        ringing,
    )


_Moves = CallRouted | DeviceRang | LegFinished | CallAnswered | CallTransferred | TransferFailed
