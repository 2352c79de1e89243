"""Who breaks WebSocket, stalls it or makes us hold a lot for nothing, harms nobody who is on the phone."""

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.contracts.certificates import make_identity
from tests.contracts.desk import Desk, account, connect, line, open_desk, register
from tests.contracts.raw_sip import RawPeer
from tests.contracts.web_socket import (
    BINARY,
    MASK,
    PING,
    WebSocketPeer,
    frame,
    plain,
    secured,
    upgrade_request,
)

in_thread = trio.to_thread.run_sync


@asynccontextmanager
async def a_call_beside(*listen: str, **options: Any) -> AsyncIterator[Desk]:
    """An exchange with a call over UDP; at the end another one can be made at once."""
    listen = listen or ("ws:127.0.0.1:0",)
    async with (
        open_desk("udp:127.0.0.1:0", *listen, **options) as exchange,
        open_desk(decision_timeout_s=60.0) as phone,
    ):
        exchange.engine.set_accounts([account("anna")])
        (binding,) = await register(exchange, phone, line(exchange, "anna"))
        await connect(exchange, phone, binding)
        yield exchange
        began = trio.current_time()
        await connect(exchange, phone, binding)
        assert trio.current_time() - began < 1
        assert exchange.engine.counters()["thread_panics"] == 0


async def test_who_trickles_its_request_is_told_so_in_ten_seconds() -> None:
    async with a_call_beside() as exchange:
        stalled = [plain(exchange) for _ in range(60)]
        began = trio.current_time()
        try:
            request = upgrade_request()
            for peer in stalled[1::2]:
                peer.stream.sendall(request[:40])
            for byte in request[:95]:
                with contextlib.suppress(OSError):
                    stalled[0].stream.sendall(bytes([byte]))
                await trio.sleep(0.1)
            heads = [await in_thread(peer.head) for peer in stalled]
            assert {head.split("\r\n")[0] for head in heads} == {"HTTP/1.1 408 Request Timeout"}
            assert 9 < trio.current_time() - began < 13
            assert await exchange.counter("ws_upgrades_failed", 60) == 60
            await exchange.counter("tcp_dropped", 60)
        finally:
            for peer in stalled:
                peer.stream.close()


@pytest.mark.parametrize(
    ("says", "status"),
    [
        (b"\x81\x05hello", 1002),
        (frame("x", 0xC1), 1002),
        (frame("x", 0x83), 1002),
        (frame("x", 0x80), 1002),
        (frame("x", 0x01) + frame("y", 0x81), 1002),
        (frame("x", 0x09), 1002),
        (bytes([BINARY, 0xFF]) + b"\xff" * 8 + MASK, 1009),
        (bytes([BINARY, 0xFF]) + (65_537).to_bytes(8) + MASK, 1009),
        (frame(b"x" * 60_000, 0x02) + frame(b"x" * 6_000, 0x80), 1009),
    ],
    ids=[
        "not masked",
        "compressed",
        "unknown",
        "continues nothing",
        "two at once",
        "half a ping",
        "without end",
        "one byte too much",
        "too much in parts",
    ],
)
async def test_who_breaks_the_rules_is_told_which_and_let_go(says: bytes, status: int) -> None:
    async with a_call_beside() as exchange:
        with plain(exchange) as peer:
            peer.stream.sendall(upgrade_request())
            await in_thread(peer.head)
            peer.stream.sendall(says)
            assert await in_thread(peer.close_status) == status
        await gone(exchange)


@pytest.mark.parametrize(
    ("says", "status"),
    [
        (b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/WS x;branch=z9hG4bK1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /ws HTTP/1.1\r\nX: " + b"x" * 9_000, 431),
        (b"GET /ws HTTP/1.1\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
        (b"POST /ws HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    ],
    ids=["plain SIP", "TLS", "long", "many headers", "a browser's address line", "POST"],
)
async def test_what_asks_for_no_web_socket_is_told_in_http(says: bytes, status: int) -> None:
    async with a_call_beside() as exchange:
        with plain(exchange) as peer:
            peer.stream.sendall(says)
            assert (await in_thread(peer.head)).startswith(f"HTTP/1.1 {status} ")
        await exchange.counter("ws_upgrades_failed", 1)
        await gone(exchange)


async def test_who_asks_and_never_listens_is_dropped() -> None:
    async with a_call_beside() as exchange:
        for flood in ("OPTIONS", "pings"):
            with plain(exchange) as deaf:
                deaf.stream.sendall(upgrade_request())
                await in_thread(deaf.head)
                says = {"OPTIONS": frame(deaf.request("OPTIONS", "anna")), "pings": frame(bytes(125), PING)}
                with pytest.raises(OSError):  # noqa: PT011  # reset or broken pipe
                    await in_thread(shout, deaf, says[flood] * 200)
            assert exchange.engine.counters()["tcp_unsent_bytes"] < 1_000_000
            await gone(exchange)


def shout(peer: WebSocketPeer, says: bytes) -> None:
    for _ in range(20_000):
        peer.stream.sendall(says)


async def test_half_open_tls_and_a_request_that_never_comes_hold_nothing(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    async with a_call_beside("wss:127.0.0.1:0", **identity.options()) as exchange:
        shaken = [await in_thread(secured, exchange, identity) for _ in range(20)]
        half = [socket.create_connection(("127.0.0.1", exchange.port_of("wss"))) for _ in range(20)]
        try:
            await exchange.counter("tls_handshaking", 20)
            await exchange.counter("tls_handshakes_failed", 20)
            await exchange.counter("ws_upgrades_failed", 20)
            assert (await in_thread(shaken[0].head)).startswith("HTTP/1.1 408 ")
            await gone(exchange)
        finally:
            for peer in shaken:
                peer.stream.close()
            for stream in half:
                stream.close()


async def test_a_thousand_that_are_idle_cost_no_call_its_time() -> None:
    async with a_call_beside() as exchange:
        with contextlib.ExitStack() as closing:
            for number in range(1_000):
                # A source has 256 strangers at most.
                peer = closing.enter_context(plain(exchange, f"127.0.0.{2 + number % 5}"))
                peer.stream.sendall(upgrade_request())
            assert await exchange.counter("ws_upgrades", 1_000) == 1_000
            assert exchange.engine.counters()["ws_connections"] == 1_000
            question = RawPeer(exchange.port)
            question.send(question.request("OPTIONS", "anna"))
            assert (await in_thread(question.receive)).startswith("SIP/2.0 200 ")
            question.close()
        await gone(exchange)


async def gone(exchange: Desk) -> None:
    """Wait until the exchange holds no connection."""
    with trio.fail_after(8):
        while exchange.engine.counters()["ws_connections"]:  # noqa: ASYNC110 - counters tell nobody
            await trio.sleep(0.05)
