"""The fold behind `Counters`: one company's day, entry by entry."""

from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

from attrs import define, field

from orchestrator.model.calls import Direction, EndCause
from orchestrator.model.identifiers import E164, CallId, PersonId
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallRouted,
    CallTransferred,
    PersonNotReached,
    Record,
    TransferFailed,
)
from orchestrator.statistics.counters import Counters
from orchestrator.statistics.sums import PersonSums, Sums


@define
class Day:
    """Counts the local day of the newest arrival. Bounded by the calls going on, the people and the numbers."""

    HEEDS: ClassVar = (
        CallArrived,
        CallRouted,
        PersonNotReached,
        CallAnswered,
        CallTransferred,
        TransferFailed,
        CallEnded,
    )
    """Kinds of entries that count."""

    zone: tzinfo
    _calls: dict[CallId, "_Call"] = field(factory=dict)
    _begins: datetime | None = None
    _ends: datetime | None = None
    _directions: dict[Direction, Sums] = field(factory=dict)
    _numbers: dict[E164, Sums] = field(factory=dict)
    _people: dict[PersonId, PersonSums] = field(factory=dict)

    def apply(self, record: Record) -> None:
        """Take the next entry. Costs a few microseconds."""
        entry = record.entry
        if isinstance(entry, CallArrived):
            self._arrived(entry, record.at)
            return
        if not isinstance(entry, self.HEEDS):
            return
        call = self._calls.get(entry.call)
        if call is None:
            return
        match entry:
            case CallRouted():
                self._routed(call, entry)
            case PersonNotReached():
                self._seek(call, entry.next)
            case CallTransferred():
                self._seek(call, entry.to)
            case TransferFailed():
                self._missed(call)
            case CallAnswered():
                if entry.prompt is None:
                    self._answered(call, entry)
                else:
                    call.greeted = True
            case CallEnded():
                self._ended(call, entry)

    def keep_earlier(self, other: "Day") -> None:
        """Take in the calls that `other` knows and that go on since before this day."""
        for call in other._calls.keys() - self._calls.keys():
            self._calls[call] = _Call([], counts=False)

    def snapshot(self, now: datetime) -> Counters:
        """The figures of the day that `now` (UTC) lies in."""
        today = self._begins is not None and self._ends is not None and self._begins <= now < self._ends
        directions = self._directions if today else {}
        total = Sums()
        for sums in directions.values():
            total.add(sums)
        return Counters(
            now.astimezone(self.zone).date().isoformat(),
            now,
            len(self._calls),
            total.figures(),
            {direction: sums.figures() for direction, sums in directions.items()},
            {person: sums.figures() for person, sums in self._people.items()} if today else {},
            {number: sums.figures() for number, sums in self._numbers.items()} if today else {},
        )

    def _arrived(self, entry: CallArrived, at: datetime) -> None:
        if self._ends is None or at >= self._ends:
            self._begins, self._ends = day_of(at, self.zone)
            self._directions, self._numbers, self._people = {}, {}, {}
            for earlier in self._calls.values():
                earlier.counts = False
        sums = self._directions.setdefault(entry.direction, Sums())
        sums.offered += 1
        sums.ringing += 1
        call = self._calls[entry.call] = _Call([sums])
        if (person := entry.caller.person) is not None:
            self._person(person).made += 1
            call.talkers.append(person)

    def _routed(self, call: "_Call", entry: CallRouted) -> None:
        if entry.number is not None and len(call.sums) == 1 and call.counts and not call.answered:
            sums = self._numbers.setdefault(entry.number, Sums())
            sums.offered += 1
            sums.ringing += 1
            call.sums.append(sums)
        call.refused = entry.because in _TURNED_AWAY
        self._seek(call, entry.to)

    def _seek(self, call: "_Call", to: str) -> None:
        """The caller goes on to somebody else; whoever was sought before has missed the call."""
        self._missed(call)
        call.sought = call.sought or to.startswith(("person:", "outside:"))
        if call.counts and to.startswith("person:"):
            call.target = PersonId(to[7:])
            sums = self._person(call.target)
            sums.offered += 1
            sums.ringing += 1

    def _missed(self, call: "_Call") -> None:
        if call.counts and call.target is not None:
            sums = self._person(call.target)
            sums.ringing -= 1
            sums.missed += 1
        call.target = None

    def _answered(self, call: "_Call", entry: CallAnswered) -> None:
        first, call.answered = not call.answered, True
        if not call.counts:
            return
        if first:
            for sums in call.sums:
                sums.ringing -= 1
                sums.talking += 1
                sums.answered += 1
                sums.wait_ms += entry.wait_ms
            for talker in call.talkers:
                self._person(talker).talking += 1
        person = entry.answered_by.person
        if person is None:
            self._missed(call)
            return
        if call.target != person:
            self._seek(call, f"person:{person}")
        call.target = None
        of_person = self._person(person)
        of_person.ringing -= 1
        of_person.answered += 1
        of_person.wait_ms += entry.wait_ms
        if person not in call.talkers:
            of_person.talking += 1
            call.talkers.append(person)

    def _ended(self, call: "_Call", entry: CallEnded) -> None:
        del self._calls[entry.call]
        self._missed(call)
        if not call.counts:
            return
        for sums in call.sums:
            if call.answered:
                sums.talking -= 1
                sums.over += 1
                sums.talk_ms += entry.talk_ms
                continue
            sums.ringing -= 1
            if call.refused or entry.cause in _NOT_SERVED:
                sums.refused += 1
            elif call.greeted and not call.sought:
                sums.announced += 1
            else:
                sums.missed += 1
        for talker in call.talkers if call.answered else ():
            of_person = self._person(talker)
            of_person.talking -= 1
            of_person.talk_ms += entry.talk_ms

    def _person(self, person: PersonId) -> PersonSums:
        sums = self._people.get(person)
        if sums is None:
            sums = self._people[person] = PersonSums()
        return sums


def day_of(at: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Begin and end (UTC) of the local day that `at` (UTC) lies in; 23 to 25 hours apart where clocks change."""
    begins = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    ends = (begins + timedelta(days=1)).replace(fold=0)
    return begins.astimezone(at.tzinfo), ends.astimezone(at.tzinfo)


@define(eq=False)
class _Call:
    """What the fold remembers of a call that is going on."""

    sums: list[Sums]
    """Of its direction and, once known, of its number."""
    talkers: list[PersonId] = field(factory=list)
    target: PersonId | None = None
    """Who is sought now."""
    counts: bool = True
    """False once its day is over."""
    answered: bool = False
    greeted: bool = False
    """Heard an announcement."""
    sought: bool = False
    """Was to reach somebody."""
    refused: bool = False


_TURNED_AWAY = frozenset({"unknown_number", "not_allowed"})
_NOT_SERVED = frozenset({EndCause.REFUSED, EndCause.DECISION_LATE, EndCause.CRASHED})
