"""Event streams (Server-Sent Events): resumable, limited, and never a burden to the exchange.

Filtered streams have holes, so heartbeats carry the highest number that was looked at: silence differs from loss.
Who reads too slowly is let go with leave to resume; whose key was revoked is let go at the next heartbeat.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import trio
from attrs import frozen
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.counters import HttpCounters
from api.envelopes import TYPES, Envelopes
from api.problems import Problem
from orchestrator.app import Exchange, Found, Subscription
from orchestrator.model.errors import SlowConsumer
from orchestrator.model.identifiers import CallId, CompanyId
from orchestrator.model.journal import Entry, Record


@frozen
class Feed:
    """One company's events, as one reader wants them."""

    exchange: Exchange
    company: CompanyId
    kinds: frozenset[type[Entry]] | None
    call: CallId | None
    envelopes: Envelopes

    async def page(self, place: int, limit: int) -> Found:
        """Wanted records behind `place`, and how far was looked."""
        return await self.exchange.entries_after(self.company, place, limit, kinds=self.kinds, call=self.call)

    def is_behind(self, place: int) -> bool:
        """Whether there is anything behind `place`, wanted or not."""
        return place < self.exchange.last_seq(self.company)

    def news(self) -> AbstractAsyncContextManager[Subscription]:
        """Records from now on, wanted or not."""
        return self.exchange.subscribe(self.company)

    def wants(self, record: Record) -> bool:
        """Whether the reader asked for it."""
        if self.kinds is not None and type(record.entry) not in self.kinds:
            return False
        return self.call is None or getattr(record.entry, "call", None) == self.call


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
    """Writes events while the client reads. Raises a `Problem` when there are too many streams."""

    media_type = "text/event-stream"

    def __init__(
        self, feed: Feed, place: int, streams: Streams, key: str, allowed: Callable[[], Awaitable[bool]]
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        streams.enter(key, feed.company)
        self._feed = feed
        self._place = place
        self._streams = streams
        self._key = key
        self._allowed = allowed
        self._quiet_since = trio.current_time()
        self._asked_at = trio.current_time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the client leaves."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                await self._stream(send)
                nursery.cancel_scope.cancel()
        finally:
            self._streams.leave(self._key, self._feed.company)

    async def _stream(self, send: Send) -> None:
        await self._write(send, b"retry: %d\n\n" % RETRY_MS)
        try:
            await self._catch_up(send)
            async with self._feed.news() as news:
                await self._catch_up(send)
                while await self._may_go_on():
                    records = await self._next(news)
                    if records:
                        wanted = [record for record in records if self._feed.wants(record)]
                        await self._tell(send, wanted, records[-1].seq)
                    if trio.current_time() >= self._quiet_since + HEARTBEAT_S:
                        await self._write(send, self._note(b"heartbeat"))
            goodbye = b""
        except SlowConsumer:
            self._streams.counters.streams_cut += 1
            goodbye = self._note(b"slow_consumer")
        await send({"type": "http.response.body", "body": goodbye, "more_body": False})

    async def _next(self, news: Subscription) -> list[Record]:
        """What has come since, waiting for it; nothing when a heartbeat is due."""
        records: list[Record] = []
        with trio.move_on_at(self._quiet_since + HEARTBEAT_S):
            records.append(await anext(news))
            await trio.sleep(GATHER_S)
        while len(records) < PAGE and news.waiting():
            records.append(await anext(news))
        return [record for record in records if record.seq > self._place]

    async def _catch_up(self, send: Send) -> None:
        while self._feed.is_behind(self._place):
            found = await self._feed.page(self._place, PAGE)
            await self._tell(send, found.records, found.place)
            if not found.records:
                # A long search tells how far it is: whoever breaks it off goes on from there.
                await self._write(send, self._note(b"heartbeat"))

    async def _tell(self, send: Send, wanted: Sequence[Record], place: int) -> None:
        events = [
            b"id: %d\nevent: %b\ndata: %b\n\n"
            % (record.seq, TYPES[type(record.entry)].encode(), self._feed.envelopes.encode(record))
            for record in wanted
        ]
        if events:
            await self._write(send, b"".join(events))
        self._place = place

    async def _write(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        self._quiet_since = trio.current_time()

    async def _may_go_on(self) -> bool:
        if trio.current_time() < self._asked_at + HEARTBEAT_S:
            return True
        self._asked_at = trio.current_time()
        return await self._allowed()

    def _note(self, kind: bytes) -> bytes:
        return b"id: %d\nevent: %b\ndata: {}\n\n" % (self._place, kind)


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while True:
        message: dict[str, Any] = dict(await receive())
        if message["type"] == "http.disconnect":
            scope.cancel()
            return


HEARTBEAT_S: Final = 15.0
GATHER_S: Final = 0.02
"""Events that come within this time travel in one write: under load a write for each would cost more than the calls."""
RETRY_MS: Final = 2_000
PAGE: Final = 500
MAX_PER_KEY: Final = 20
MAX_PER_COMPANY: Final = 1_000
