"""`GET /events`: what happens, as it happens. A stream for browsers and programs, or a long poll.

Each company's events are numbered without a gap. A reader resumes from any number that there was.
"""

import contextlib
from typing import Annotated

import trio
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from api.envelopes import TYPES, Envelope, Envelopes
from api.problems import Problem
from api.security import EventsRead
from api.streams import EventStream, Feed, Streams
from orchestrator.app import LOOKED_AT_MAX, Exchange
from orchestrator.model.errors import SlowConsumer
from orchestrator.model.identifiers import CallId, CompanyId
from orchestrator.model.journal import Entry

router = APIRouter(tags=["events"])


class EventPage(BaseModel):
    """What a long poll answers."""

    items: list[Envelope] = Field(max_length=200)
    after: int = Field(description="Ask with this `after` next. A page may be empty before there is no more")


@router.get(
    "/events",
    operation_id="listenToEvents",
    response_model=EventPage,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def listen(
    request: Request,
    access: EventsRead,
    after: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Resume behind this number")] = None,
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    wait: Annotated[
        float | None, Query(ge=0, le=60, description="Long poll: answer JSON within these seconds")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Events of a long poll")] = 50,
    types: Annotated[str | None, Query(max_length=500, description="Only these, with commas between")] = None,
    call: Annotated[str | None, Query(max_length=64, description="Only this call's")] = None,
) -> Response:
    """Answer `text/event-stream`, or with `wait` one JSON page as soon as there is something to tell."""
    company = access.company
    place = int(last_event_id) if last_event_id is not None else after
    _check_known(access.exchange, company, place)
    place = access.exchange.last_seq(company) if place is None else place
    envelopes: Envelopes = request.app.state.envelopes
    feed = Feed(access.exchange, company, _known(types), CallId(call) if call else None, envelopes)
    if wait is not None:
        return await _poll(feed, place, wait, limit)
    streams: Streams = request.app.state.streams
    secret = request.headers["authorization"].partition(" ")[2]

    async def allowed() -> bool:
        principal = await access.exchange.authenticate(secret)
        return principal is not None and principal.may("events.read")

    return EventStream(feed, place, streams, access.principal.key_id, allowed)


def _known(types: str | None) -> frozenset[type[Entry]] | None:
    if types is None:
        return None
    asked = frozenset(types.split(","))
    if unknown := sorted(asked - set(TYPES.values())):
        raise Problem("invalid_input", f"no such event type: {', '.join(unknown)}")
    return frozenset(kind for kind, name in TYPES.items() if name in asked)


def _check_known(exchange: Exchange, company: CompanyId, place: int | None) -> None:
    if place is None:
        return
    last = exchange.last_seq(company)
    if place > last:
        detail = "take a snapshot, then follow from its `seq`"
        snapshot = "/api/v1/calls"
        raise Problem("cursor_expired", detail, extra={"last": last, "snapshot": snapshot})


async def _poll(feed: Feed, place: int, wait_s: float, limit: int) -> Response:
    found = await feed.page(place, limit)
    with trio.move_on_after(wait_s), contextlib.suppress(SlowConsumer):
        async with feed.news() as news:
            # One request looks at so much only; then an empty page is an answer, too.
            while not found.records and found.place - place < LOOKED_AT_MAX:
                if not feed.is_behind(found.place):
                    await anext(news)
                found = await feed.page(found.place, limit)
    items = b",".join(feed.envelopes.encode(record) for record in found.records)
    body = b'{"items":[' + items + b'],"after":' + str(found.place).encode() + b"}"
    return Response(body, media_type="application/json")
