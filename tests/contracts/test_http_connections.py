"""What a broken or hostile client sends ends its own connection; everybody else is served on."""

import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
import trio
from fastapi import FastAPI

from api import connections, server
from api.counters import HttpCounters
from api.server import serve_http
from tests.unit.api.conftest import app_of
from tests.unit.api.fake_exchange import FakeExchange

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
HOSTILE = {
    "trailing byte behind an upgrade": UPGRADE + b"x",
    "upgrade without a key": UPGRADE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
    "upgrade with a bad key": UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"\xff\xfe"),
    "upgrade with garbage frames": UPGRADE + b"\xff" * 400,
    "non-ASCII HTTP2-Settings": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: \xff\xfe\xfd\r\n\r\n",
    "broken HTTP2-Settings": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
    "HTTP/2 preface and garbage": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    "endless header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000,
    "bad chunk": b"POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "non-ASCII target": b"GET /\xd0\xb6 HTTP/1.1\r\nHost: x\r\n\r\n",
    "broken percent": b"GET /%zz%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    "body shorter than said": b"POST /api/v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhello",
    "nothing": b"",
}


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(server, "KEEP_ALIVE_S", 1)
    return app_of(FakeExchange())


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[tuple[int, HttpCounters]]:
    counters = HttpCounters()
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(serve_http, app, ["127.0.0.1:0"], counters)
        yield int(url.rpartition(":")[2]), counters
        nursery.cancel_scope.cancel()


async def healthy(port: int) -> bool:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with trio.fail_after(5):
            return b"".join([chunk async for chunk in stream]).startswith(b"HTTP/1.1 200")


async def throw(port: int, data: bytes, reset: bool) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        await stream.send_all(data)
        if reset:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        else:
            await stream.send_eof()
            with trio.move_on_after(1):
                async for _ in stream:
                    pass
    except trio.BrokenResourceError:
        pass
    finally:
        await trio.aclose_forcefully(stream)


async def test_no_input_harms_others(app: FastAPI) -> None:
    async with served(app) as (port, counters):
        for data in HOSTILE.values():
            for reset in (False, True):
                await throw(port, data, reset)
            assert await healthy(port)
        await gone(counters)
        assert counters.connections > 2 * len(HOSTILE)
        assert counters.server_restarts == 0


async def test_what_breaks_the_protocol_machine_is_counted(app: FastAPI) -> None:
    async with served(app) as (port, counters):
        await throw(port, HOSTILE["non-ASCII HTTP2-Settings"], False)
        assert await healthy(port)
        assert counters.connections_failed >= 1


async def test_many_at_once_leave_nothing_behind(app: FastAPI) -> None:
    async with served(app) as (port, counters):
        async with trio.open_nursery() as nursery:
            for round in range(5):
                for data in HOSTILE.values():
                    nursery.start_soon(throw, port, data, round % 2 == 0)
        assert await healthy(port)
        await gone(counters)


async def gone(counters: HttpCounters) -> None:
    with trio.fail_after(10):
        while counters.connections_open:  # noqa: ASYNC110  # a counter has no event
            await trio.sleep(0.02)


@contextmanager
def setting(module: object, **values: object) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(module, name, value)
        yield


async def test_headers_must_come_soon(app: FastAPI) -> None:
    with setting(server, KEEP_ALIVE_S=0.2):
        async with served(app) as (port, counters):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            with trio.fail_after(5):
                while counters.connections_open or not counters.connections:
                    try:
                        await stream.send_all(b"G")
                    except trio.BrokenResourceError:
                        break
                    await trio.sleep(0.05)
            await gone(counters)
            await stream.aclose()


async def test_a_client_that_never_reads_is_let_go(app: FastAPI) -> None:
    with setting(connections, WRITE_S=0.3):
        async with served(app) as (port, counters):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with trio.move_on_after(8) as waiting:
                while counters.connections_open or not counters.connections:
                    try:
                        with trio.move_on_after(0.05):
                            await stream.send_all(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
                    except trio.BrokenResourceError:
                        break
            assert not waiting.cancelled_caught
            await gone(counters)
            assert await healthy(port)
            await stream.aclose()


async def test_connections_are_limited_per_source(app: FastAPI) -> None:
    with setting(server, MAX_CONNECTIONS_PER_SOURCE=3, KEEP_ALIVE_S=0.3):
        async with served(app) as (port, counters):
            streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(5)]
            with trio.fail_after(5):
                while counters.connections_refused < 2:  # noqa: ASYNC110  # a counter has no event
                    await trio.sleep(0.01)
            assert counters.connections_open == 3
            for stream in streams:
                await stream.aclose()
            await gone(counters)
            assert await healthy(port)


@contextmanager
def no_file_left() -> Iterator[None]:
    """Within, this process can open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    filling = []
    try:
        with suppress(OSError):
            while True:
                filling.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in filling:
            os.close(fd)


async def is_served(stream: trio.SocketStream) -> bool:
    """Whether a connection that stays is answered."""
    await stream.send_all(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}"):
        if not (part := await stream.receive_some()):
            return False
        answer += part
    return answer.startswith(b"HTTP/1.1 200")


async def test_who_is_connected_stays_so_while_no_more_can_be_accepted(app: FastAPI) -> None:
    with setting(server, KEEP_ALIVE_S=5), trio.fail_after(5):
        async with (
            served(app) as (port, counters),
            await trio.open_tcp_stream("127.0.0.1", port) as connected,
        ):
            assert await is_served(connected)
            with socket.socket() as late:
                with no_file_left():
                    late.connect(("127.0.0.1", port))
                    while not counters.accept_failures:  # noqa: ASYNC110  # a counter has no event
                        await trio.sleep(0.01)
                assert await is_served(connected)
                async with trio.SocketStream(trio.socket.from_stdlib_socket(late)) as waiting:
                    assert await is_served(waiting)
            assert counters.server_restarts == 0


async def test_a_busy_port_is_told_by_its_address(app: FastAPI) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            await serve_http(app, [f"127.0.0.1:{port}"], HttpCounters())
    with pytest.raises(OSError, match="cannot listen on nonsense"):
        await serve_http(app, ["nonsense"], HttpCounters())
