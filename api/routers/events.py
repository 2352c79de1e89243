"""`GET /events`: what happens, as it happens. A stream for browsers and programs, or a long poll.

Each company's events are numbered without a gap. A reader resumes from any number that is still kept. Filtered
streams have holes, so heartbeats carry the highest number that was looked at: silence differs from loss.
"""

from collections import Counter
from typing import Annotated, Any, Final

import trio
from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.counters import HttpCounters
from api.envelopes import TYPES, Envelope, Envelopes
from api.problems import Problem
from api.security import EventsRead
from orchestrator.app import Exchange
from orchestrator.model.errors import SlowConsumer
from orchestrator.model.identifiers import CompanyId
from orchestrator.model.journal import Record

router = APIRouter(tags=["events"])


class EventPage(BaseModel):
    """What a long poll answers."""

    items: list[Envelope] = Field(max_length=200)
    after: int = Field(description="Ask with this `after` next")


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
    wanted = _Wanted(_known(types), call)
    place = int(last_event_id) if last_event_id is not None else after
    _check_kept(access.exchange, company, place)
    place = access.exchange.last_seq(company) if place is None else place
    envelopes: Envelopes = request.app.state.envelopes
    if wait is not None:
        return await _poll(access.exchange, company, place, wait, limit, wanted, envelopes)
    streams: Streams = request.app.state.streams
    return EventStream(access.exchange, company, place, wanted, envelopes, streams, access.principal.key_id)


class _Wanted:
    """Which records a reader asked for."""

    def __init__(self, types: frozenset[str] | None, call: str | None) -> None:
        self._types = types
        self._call = call

    def __call__(self, record: Record) -> bool:
        if self._types is not None and TYPES[type(record.entry)] not in self._types:
            return False
        return self._call is None or getattr(record.entry, "call", None) == self._call


def _known(types: str | None) -> frozenset[str] | None:
    if types is None:
        return None
    asked = frozenset(types.split(","))
    if unknown := sorted(asked - set(TYPES.values())):
        raise Problem("invalid_input", f"no such event type: {', '.join(unknown)}")
    return asked


def _check_kept(exchange: Exchange, company: CompanyId, place: int | None) -> None:
    if place is None:
        return
    oldest, last = exchange.oldest_seq(company), exchange.last_seq(company)
    if place + 1 < oldest or place > last:
        detail = "take a snapshot, then follow from its `seq`"
        snapshot = "/api/v1/calls"
        raise Problem("cursor_expired", detail, extra={"oldest": oldest, "last": last, "snapshot": snapshot})


async def _poll(
    exchange: Exchange,
    company: CompanyId,
    place: int,
    wait_s: float,
    limit: int,
    wanted: _Wanted,
    envelopes: Envelopes,
) -> Response:
    items: list[bytes] = []

    async def look() -> bool:
        nonlocal items, place
        while not items and (page := await exchange.entries_after(company, place, limit)):
            items = [envelopes.encode(r) for r in page if wanted(r)]
            place = page[-1].seq
        return bool(items)

    if not await look():
        with trio.move_on_after(wait_s):
            async with exchange.subscribe(company) as news:
                while not await look():
                    await anext(news)
    body = b'{"items":[' + b",".join(items) + b'],"after":' + str(place).encode() + b"}"
    return Response(body, media_type="application/json")


class Streams:
    """Limits the open streams: per key and per company."""

    def __init__(self, counters: HttpCounters) -> None:
        self.counters = counters
        self._open: Counter[str] = Counter()

    def enter(self, key: str, company: CompanyId) -> None:
        """Raises a `Problem` when there are too many."""
        places = {f"key {key}": MAX_PER_KEY, f"company {company}": MAX_PER_COMPANY}
        if any(self._open[place] >= limit for place, limit in places.items()):
            raise Problem("rate_limited", "too many open streams", headers={"Retry-After": "10"})
        self._open.update(places.keys())
        self.counters.streams_open += 1

    def leave(self, key: str, company: CompanyId) -> None:
        """Undo `enter`."""
        self._open.subtract((f"key {key}", f"company {company}"))
        self._open += Counter()
        self.counters.streams_open -= 1


class EventStream(Response):
    """Writes events while the client reads. A client that reads too slowly is let go, with leave to resume."""

    media_type = "text/event-stream"

    def __init__(
        self,
        exchange: Exchange,
        company: CompanyId,
        place: int,
        wanted: _Wanted,
        envelopes: Envelopes,
        streams: Streams,
        key: str,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        streams.enter(key, company)
        self._exchange = exchange
        self._company = company
        self._place = place
        self._wanted = wanted
        self._envelopes = envelopes
        self._streams = streams
        self._key = key
        self._quiet_since = trio.current_time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client leaves."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._stream(send)
                nursery.cancel_scope.cancel()
        finally:
            self._streams.leave(self._key, self._company)

    async def _stream(self, send: Send) -> None:
        await self._write(send, f"retry: {RETRY_MS}\n\n".encode())
        try:
            await self._catch_up(send)
            async with self._exchange.subscribe(self._company) as news:
                await self._catch_up(send)
                while True:
                    record = None
                    with trio.move_on_at(self._quiet_since + HEARTBEAT_S):
                        record = await anext(news)
                    if record is not None and record.seq > self._place:
                        await self._tell(send, [record])
                    if trio.current_time() >= self._quiet_since + HEARTBEAT_S:
                        await self._write(
                            send, f"id: {self._place}\nevent: heartbeat\ndata: {{}}\n\n".encode()
                        )
        except SlowConsumer:
            self._streams.counters.streams_cut += 1
            goodbye = f"id: {self._place}\nevent: slow_consumer\ndata: {{}}\n\n".encode()
            await send({"type": "http.response.body", "body": goodbye, "more_body": False})
        except StopAsyncIteration:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _catch_up(self, send: Send) -> None:
        while page := await self._exchange.entries_after(self._company, self._place, PAGE):
            await self._tell(send, page)

    async def _tell(self, send: Send, records: list[Record]) -> None:
        events = [
            b"id: %d\nevent: %b\ndata: %b\n\n"
            % (r.seq, TYPES[type(r.entry)].encode(), self._envelopes.encode(r))
            for r in records
            if self._wanted(r)
        ]
        if events:
            await self._write(send, b"".join(events))
        self._place = records[-1].seq

    async def _write(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._quiet_since = trio.current_time()


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while True:
        message: dict[str, Any] = dict(await receive())
        if message["type"] == "http.disconnect":
            scope.cancel()
            return


HEARTBEAT_S: Final = 15.0
RETRY_MS: Final = 2_000
PAGE: Final = 500
MAX_PER_KEY: Final = 20
MAX_PER_COMPANY: Final = 1_000
