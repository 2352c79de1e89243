"""One client's TCP stream with the promises that the web server itself does not make.

A write ends within `WRITE_S`, so a client that stops reading holds nothing for longer; `abort` ends one at once,
even where the web server shields it from cancellation.
"""

import contextlib
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import anyio
import anyio.abc

WRITE_S: Final = 10.0
"""How long one write may wait for the client to read."""


class BoundedStream(anyio.abc.SocketStream):
    """Hands everything through, and bounds writes."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._writing: anyio.CancelScope | None = None
        self._aborted = False

    async def send(self, item: bytes) -> None:
        """Raises `BrokenResourceError` if the client does not read in time, or the stream was aborted."""
        if self._aborted:
            raise anyio.BrokenResourceError
        with anyio.move_on_after(WRITE_S) as self._writing:
            await self._stream.send(item)
            self._writing = None
            return
        self._writing = None
        self._aborted = True
        raise anyio.BrokenResourceError

    def abort(self) -> None:
        """End a write that waits, and refuse further ones."""
        self._aborted = True
        if self._writing is not None:
            self._writing.cancel()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """As the stream does."""
        return await self._stream.receive(max_bytes)

    async def send_eof(self) -> None:
        """As the stream does."""
        with contextlib.suppress(anyio.BusyResourceError):
            await self._stream.send_eof()

    async def aclose(self) -> None:
        """As the stream does."""
        await self._stream.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """As the stream's: addresses and the like."""
        return self._stream.extra_attributes

    @property
    def _raw_socket(self) -> Any:
        return self._stream.extra(anyio.abc.SocketAttribute.raw_socket)


def source_of(address: Sequence[Any] | None) -> str:
    """Whom a socket address stands for when limits are shared out: a host, or the /64 of one in IPv6; "" for None.

    Everybody with IPv6 has 2^64 addresses, so these count as one.
    """
    if address is None:
        return ""
    try:
        found = ipaddress.ip_address(str(address[0]).partition("%")[0])
    except ValueError:
        return str(address[0])
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
