"""The bodies of requests: how large one may be, how long it may take to come, and how many wait in memory at once.

Up to `SMALL.size` is read before anybody knows who asks, at the expense of the address it comes from. The document of
a whole company is more: only its route reads it, once key and scope are checked, at the expense of the company. So
nobody can use up another's share.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio
from attrs import frozen
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.counters import HttpCounters
from api.problems import Problem


@frozen
class Bounds:
    """Limits in bytes and seconds."""

    name: str
    size: int
    """Of one body."""
    within_s: float
    share: int
    """Of all bodies that one holder has in memory."""
    total: int
    """Of all holders together."""


class Bodies:
    """Reads bodies within their bounds, and remembers who has how much in memory."""

    def __init__(self, counters: HttpCounters) -> None:
        self._counters = counters
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def taken(
        self, receive: Receive, headers: Headers, bounds: Bounds, holder: str
    ) -> AsyncIterator[bytes]:
        """The whole body, counted as the holder's until the block ends.

        Raises a `Problem`, or `ClientDisconnect` if the connection ended before the body did.
        """
        if (length := headers.get("content-length", "")).isdecimal() and int(length) > bounds.size:
            raise _too_large(bounds)
        body = bytearray()
        places = bounds.name, f"{bounds.name} {holder}"
        try:
            with trio.move_on_after(bounds.within_s) as reading:
                await self._read(receive, body, bounds, places)
            if reading.cancelled_caught:
                raise Problem("request_timeout", f"within {bounds.within_s:g} s", headers=_CLOSE)
            yield bytes(body)
        finally:
            self._held.subtract(dict.fromkeys(places, len(body)))
            self._held += Counter()

    async def _read(self, receive: Receive, body: bytearray, bounds: Bounds, places: tuple[str, str]) -> None:
        whole, own = places
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            if len(body) + len(chunk) > bounds.size:
                raise _too_large(bounds)
            if self._held[own] + len(chunk) > bounds.share:
                self._counters.bodies_refused += 1
                raise Problem(
                    "rate_limited", "too many bodies at once", headers={"Retry-After": "1", **_CLOSE}
                )
            if self._held[whole] + len(chunk) > bounds.total:
                self._counters.bodies_refused += 1
                raise Problem("overloaded", headers={"Retry-After": "1", **_CLOSE})
            body += chunk
            self._held.update(dict.fromkeys(places, len(chunk)))
            if not message.get("more_body", False):
                return


def _too_large(bounds: Bounds) -> Problem:
    return Problem("too_large", f"at most {bounds.size} bytes", headers=_CLOSE)


_CLOSE: Final = {"Connection": "close"}
SMALL: Final = Bounds("small", size=64 << 10, within_s=10.0, share=4 << 20, total=128 << 20)
DOCUMENT: Final = Bounds("document", size=32 << 20, within_s=60.0, share=32 << 20, total=256 << 20)
"""A company with 100,000 numbers is a document of some 10 MiB."""
