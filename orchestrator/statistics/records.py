"""Call records: one per call, open while it goes on. Derived from the journal, never written by hand."""

from datetime import datetime, timedelta

from attrs import define, field
from msgspec import Struct

from orchestrator.model.calls import Direction, EndCause, EndedBy, MediaQuality, Who
from orchestrator.model.identifiers import E164, CallId, CompanyId, DeviceId, LegId, PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallRouted,
    CallTransferred,
    DeviceRang,
    LegFinished,
    LegMoved,
    PersonNotReached,
    Record,
)


class LegRecord(Struct, frozen=True):
    """How one leg of a call went. Without `by`, the leg is not over."""

    leg: LegId
    device: DeviceId | None = None
    person: PersonId | None = None
    number: str = ""
    by: EndedBy | None = None
    status: int = 0
    reason: str = ""
    media: MediaQuality | None = None


class CallRecord(Struct, frozen=True):
    """What is kept of a call."""

    company: CompanyId
    call: CallId
    direction: Direction
    caller: Who
    called: str
    started_at: datetime
    to: str = ""
    number: E164 | None = None
    """The company's public number that was dialled, if it was one."""
    answered_at: datetime | None = None
    """When the first human answered."""
    answered_by: Who | None = None
    """The first human."""
    ended_at: datetime | None = None
    """None while it goes on."""
    wait_ms: int = 0
    talk_ms: int = 0
    cause: EndCause | None = None
    status: int = 0
    detail: str = ""
    people: tuple[PersonId, ...] = ()
    """Everybody of the company who called, was sought or answered, in that order."""
    legs: tuple[LegRecord, ...] = ()


@define
class CallRecords:
    """The fold: drafts of the calls that go on."""

    open: dict[CallId, "_Draft"] = field(factory=dict)

    def apply(self, record: Record) -> CallRecord | None:
        """Take the next entry; the call's record where it is to be kept anew: at arrival, answer and end."""
        entry = record.entry
        if isinstance(entry, CallArrived):
            draft = self.open[entry.call] = _Draft(record.company, record.at, entry)
            return draft.record()
        if not isinstance(entry, _Told):
            return None
        found = self.open.get(entry.call)
        if found is None:
            return None
        if isinstance(entry, CallEnded):
            del self.open[entry.call]
        return found.record() if found.take(record.at, entry) else None


@define(eq=False)
class _Draft:
    """A record being written."""

    company: CompanyId
    started_at: datetime
    arrived: CallArrived
    to: str = ""
    number: E164 | None = None
    answered_at: datetime | None = None
    answer: CallAnswered | None = None
    end: CallEnded | None = None
    people: dict[PersonId, None] = field(factory=dict)
    legs: dict[LegId, LegRecord] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        caller = self.arrived.caller
        self._meet(caller.person)
        if self.arrived.leg:
            self.legs[self.arrived.leg] = LegRecord(
                self.arrived.leg, caller.device, caller.person, str(caller.number)
            )

    def take(self, at: datetime, entry: "_Told") -> bool:
        """Write `entry` in; true if the record is worth keeping anew."""
        match entry:
            case CallRouted():
                self.to, self.number = entry.to, entry.number or self.number
                self._meet(entry.person)
            case DeviceRang():
                self._meet(entry.person)
                if len(self.legs) < _LEGS_MAX:
                    self.legs[entry.leg] = LegRecord(entry.leg, entry.device, entry.person, entry.number)
            case PersonNotReached():
                self._meet(entry.person)
            case LegFinished():
                self._finish(entry)
            case LegMoved():
                if (leg := self.legs.get(entry.leg)) is not None:
                    reason = f"goes on in call {entry.into}"
                    self.legs[entry.leg] = LegRecord(
                        leg.leg, leg.device, leg.person, leg.number, EndedBy.US, 200, reason
                    )
            case CallAnswered():
                if entry.prompt is not None:
                    return False
                who = entry.answered_by
                self._meet(who.person)
                if entry.leg not in self.legs and len(self.legs) < _LEGS_MAX:
                    # It was dialled in another call, which an attended transfer has taken it from.
                    self.legs[entry.leg] = LegRecord(entry.leg, who.device, who.person, str(who.number))
                if self.answer is None:
                    self.answer, self.answered_at = entry, at
                    return True
            case CallTransferred():
                if entry.to.startswith("person:"):
                    self._meet(PersonId(entry.to[7:]))
            case CallEnded():
                self.end = entry
                return True
        return False

    def record(self) -> CallRecord:
        """The record as it stands."""
        arrived, answer, end = self.arrived, self.answer, self.end
        wait_ms = end.wait_ms if end else answer.wait_ms if answer else 0
        talk_ms = end.talk_ms if end else 0
        return CallRecord(
            self.company,
            arrived.call,
            arrived.direction,
            arrived.caller,
            arrived.called,
            self.started_at,
            self.to,
            self.number,
            self.answered_at,
            answer.answered_by if answer else None,
            self.started_at + timedelta(milliseconds=wait_ms + talk_ms) if end else None,
            wait_ms,
            talk_ms,
            end.cause if end else None,
            end.status if end else 0,
            end.detail if end else "",
            tuple(self.people),
            tuple(self.legs.values()),
        )

    def _meet(self, person: PersonId | None) -> None:
        if person is not None:
            self.people[person] = None

    def _finish(self, entry: LegFinished) -> None:
        leg = self.legs.get(entry.leg)
        if leg is not None:
            self.legs[entry.leg] = LegRecord(
                leg.leg,
                leg.device,
                leg.person,
                leg.number,
                entry.by,
                entry.status,
                entry.reason,
                entry.media,
            )


_Told = (
    CallRouted
    | DeviceRang
    | PersonNotReached
    | LegFinished
    | LegMoved
    | CallAnswered
    | CallTransferred
    | CallEnded
)
_LEGS_MAX = 100
"""Kept in a record; all are in the journal."""
