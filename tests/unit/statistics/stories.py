"""Random days of a company: calls that interleave, each told as a flow would tell it."""

import random
from datetime import UTC, datetime, timedelta

from orchestrator.model.calls import Direction, EndCause, EndedBy, Refusal, Who
from orchestrator.model.identifiers import (
    E164,
    CallId,
    CompanyId,
    DeviceId,
    LegId,
    PersonId,
    PromptName,
    TrunkId,
)
from orchestrator.model.journal import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallRouted,
    CallTransferred,
    DeviceRang,
    Entry,
    LegFinished,
    PersonNotReached,
    Record,
)

COMPANY = CompanyId("demo")
PEOPLE = [PersonId(name) for name in ("anna", "boris", "olga")]
NUMBERS = [E164("+74951234500"), E164("+74951234501")]
START = datetime(2026, 11, 24, 19, 30, tzinfo=UTC)
"""Half past ten in the evening in Moscow: many days reach over midnight."""


def day(seed: int, calls: int, *, finished: bool = True) -> list[Record]:
    """The journal of some calls. Unless `finished`, some go on at its end."""
    rng = random.Random(seed)
    stories = [_call(rng, place) for place in range(calls)]
    at, records = START, list[Record]()
    going = [story for story in stories if story]
    while going:
        story = rng.choice(going)
        at += timedelta(seconds=rng.choice((0.0, 0.01, 1.0, 60.0, 900.0)))
        records.append(Record(COMPANY, len(records) + 1, at, story.pop(0)))
        going = [story for story in stories if story]
        if not finished and len(records) > 5 * calls:
            break
    return records


def _call(rng: random.Random, place: int) -> list[Entry]:
    call, leg = CallId(f"call-{place}"), LegId(place * 100 + 1)
    direction = rng.choice(list(Direction))
    inside = direction is not Direction.INBOUND
    caller = Who(person=rng.choice(PEOPLE)) if inside else Who(trunk=TrunkId("t"), number=f"+7916{place}")
    story: list[Entry] = [CallArrived(call, leg, direction, caller, "x")]
    if rng.random() < 0.1:
        story.append(CallRouted(call, "nowhere", "unknown_number"))
        return [*story, CallEnded(call, EndCause.REFUSED, 1, 0, 404)]
    number = rng.choice([*NUMBERS, None])
    if rng.random() < 0.1:
        story.append(CallRouted(call, "announcement:welcome", "number", None, number))
        story.append(CallAnswered(call, leg, Who(), 5, PromptName("welcome")))
        return [*story, CallEnded(call, EndCause.TERMINAL, 5, 0)]
    if direction is Direction.OUTBOUND:
        story.append(CallRouted(call, "outside:+79990000000", "outside"))
        person, answered_by = None, Who(trunk=TrunkId("t"), number="+79990000000")
    else:
        person = rng.choice(PEOPLE)
        story.append(CallRouted(call, f"person:{person}", "number", person, number))
        answered_by = Who(person)
    talk_ms = 0
    for hop in range(rng.randrange(4)):
        story.append(DeviceRang(call, LegId(leg + hop + 1), DeviceId("d"), person))
        if rng.random() < 0.5:
            wait_ms, talk_ms = rng.randrange(1000), rng.randrange(100_000)
            story.append(CallAnswered(call, LegId(leg + hop + 1), answered_by, wait_ms))
            if rng.random() < 0.3:
                target = rng.choice(PEOPLE)
                story.append(CallTransferred(call, leg, f"person:{target}"))
                if rng.random() < 0.5:
                    story.append(CallAnswered(call, LegId(leg + 50), Who(target), wait_ms))
            break
        story.append(LegFinished(call, LegId(leg + hop + 1), EndedBy.US, 487))
        if person is not None:
            nobody = person
            person = rng.choice(PEOPLE)
            answered_by = Who(person)
            story.append(PersonNotReached(call, nobody, Refusal.NO_ANSWER, f"person:{person}"))
    cause = EndCause.CALLER_HUNG_UP if talk_ms else rng.choice((EndCause.ABANDONED, EndCause.TERMINAL))
    return [*story, CallEnded(call, cause, rng.randrange(1000), talk_ms)]
