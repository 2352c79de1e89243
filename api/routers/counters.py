"""Figures of the day, live: each is a fold of the journal and equals its recomputation."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.schemas import Out
from api.security import RecordsRead
from orchestrator.model.calls import Direction

router = APIRouter(prefix="/counters", tags=["records"])


class FiguresOut(Out):
    """What happened to some calls of the day. `offered` is the sum of ringing, answered, missed, refused, announced."""

    offered: int
    ringing: int
    talking: int
    answered: int
    missed: int
    refused: int
    announced: int
    wait_mean_ms: float | None = Field(description="null if nobody answered")
    talk_ms: int
    talk_mean_ms: float | None


class PersonFiguresOut(Out):
    """One person's day."""

    offered: int
    ringing: int
    talking: int
    answered: int
    missed: int
    made: int
    wait_mean_ms: float | None
    talk_ms: int


class CountersOut(Out):
    """One company's figures at a moment."""

    day: str = Field(description="The company's local date")
    at: datetime
    calls_now: int
    total: FiguresOut
    by_direction: dict[Direction, FiguresOut]
    by_person: dict[str, PersonFiguresOut] = Field(description="The busiest `limit` people of the day")
    by_number: dict[str, FiguresOut] = Field(description="The busiest `limit` numbers of the day")


@router.get("", operation_id="getCounters", response_model=CountersOut)
async def show(
    access: RecordsRead,
    limit: Annotated[int, Query(ge=0, le=1_000, description="People and numbers at most")] = 200,
    person: Annotated[str | None, Query(max_length=64, description="Only this person's figures")] = None,
    number: Annotated[str | None, Query(max_length=32, description="Only this number's figures")] = None,
) -> object:
    """Calls now, and today's figures: of the company, by direction, person and number."""
    counters = access.exchange.counters(access.company)
    people = {p: f for p, f in counters.by_person.items() if person in (None, p)}
    numbers = {n: f for n, f in counters.by_number.items() if number in (None, n)}
    return {
        "day": counters.day,
        "at": counters.at,
        "calls_now": counters.calls_now,
        "total": counters.total,
        "by_direction": counters.by_direction,
        "by_person": dict(sorted(people.items(), key=lambda item: -item[1].offered - item[1].made)[:limit]),
        "by_number": dict(sorted(numbers.items(), key=lambda item: -item[1].offered)[:limit]),
    }
