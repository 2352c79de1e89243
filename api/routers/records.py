"""Call records: one for each call, open while it goes on."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from api.directory import bad_cursor, decode_cursor, encode_cursor
from api.problems import Problem
from api.schemas import Cursor, IdPath, LegOut, Limit, Out, Page, WhoOut
from api.security import RecordsRead
from orchestrator.model.calls import Direction, EndCause
from orchestrator.model.identifiers import E164, CallId, PersonId

router = APIRouter(prefix="/call-records", tags=["records"])


class CallRecordOut(Out):
    """What is kept of a call."""

    call: str
    direction: Direction
    caller: WhoOut
    called: str = Field(description="As dialled")
    to: str = Field(description="Where its number led")
    number: str | None = Field(description="The company's public number that was dialled")
    started_at: datetime
    answered_at: datetime | None = Field(description="When the first human answered")
    answered_by: WhoOut | None
    ended_at: datetime | None = Field(description="null while it goes on")
    wait_ms: int = Field(description="Arrival to the answer of a human, or to the end")
    talk_ms: int
    cause: EndCause | None
    status: int = Field(description="SIP status behind the end, 0 if there was none")
    detail: str
    people: list[str] = Field(max_length=1_000, description="Everybody who called, was sought or answered")
    legs: list[LegOut] = Field(max_length=100)


@router.get("", operation_id="listCallRecords", response_model=Page[CallRecordOut])
async def list_records(
    access: RecordsRead,
    cursor: Cursor = None,
    limit: Limit = 50,
    person: Annotated[str | None, Query(max_length=64)] = None,
    number: Annotated[str | None, Query(max_length=32, description="Public number that was dialled")] = None,
    direction: Direction | None = None,
    since: Annotated[AwareDatetime | None, Query(description="Began then or later")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Began before")] = None,
) -> object:
    """The newest first."""
    found = await access.exchange.records(
        access.company,
        before=_place(cursor),
        limit=limit + 1,
        person=PersonId(person) if person is not None else None,
        number=E164(number) if number is not None else None,
        direction=direction,
        since=since,
        until=until,
    )
    last = found[limit - 1] if len(found) > limit else None
    following = encode_cursor(last.started_at.isoformat(), last.call) if last else None
    return {"items": found[:limit], "next_cursor": following}


@router.get("/{call}", operation_id="getCallRecord", response_model=CallRecordOut)
async def show(access: RecordsRead, call: IdPath) -> object:
    """One record."""
    found = await access.exchange.record(access.company, CallId(call))
    if found is None:
        raise Problem("not_found", "no such call")
    return found


def _place(cursor: str | None) -> tuple[datetime, CallId] | None:
    if cursor is None:
        return None
    at, call = decode_cursor(cursor, 2)
    try:
        started_at = datetime.fromisoformat(at)
    except ValueError as error:
        raise bad_cursor() from error
    if started_at.tzinfo is None:
        raise bad_cursor()
    return started_at, CallId(call)
