"""Who breaks TLS, or makes us work for nothing, harms nobody who is on the phone."""

import contextlib
import os
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import trio

from tests.contracts.certificates import Identity, make_identity
from tests.contracts.desk import connect, line, register
from tests.contracts.secure import OPTIONS, connected, open_exchange, open_phone

RECORD = b"\x16\x03\x01"
"""A handshake message of any length follows."""


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path)


async def test_who_stalls_the_handshake_is_cut_off_and_calls_beside_it_go_on(identity: Identity) -> None:
    async with open_exchange(identity) as exchange, open_phone(identity) as phone:
        (binding,) = await register(exchange, phone, line(exchange, "anna", transport="tls"))
        stalled = [connected(exchange) for _ in range(40)]
        for number, one in enumerate(stalled):
            # Nothing, or the beginning of a ClientHello that never ends.
            one.sendall((RECORD + b"\x02\x00\x01") * (number % 2))
        await exchange.counter("tls_handshaking", 40)
        await connect(exchange, phone, binding)
        await exchange.counter("tls_handshakes_failed", 40)
        for one in stalled:
            assert one.recv(1) == b""
            one.close()
        await connect(exchange, phone, binding)


async def test_a_byte_now_and_then_buys_no_time(identity: Identity) -> None:
    async with open_exchange(identity) as exchange:
        with connected(exchange) as slow:
            began = trio.current_time()
            hello = RECORD + b"\x02\x00\x01\x00\x01\xfc" + bytes(512)
            with pytest.raises(OSError):  # noqa: PT011, PT012  # reset or broken pipe, at one of many bytes
                for byte in hello:
                    slow.sendall(bytes([byte]))
                    await trio.sleep(0.1)
            assert 4 < trio.current_time() - began < 8


@pytest.mark.parametrize(
    "says",
    [
        OPTIONS,
        os.urandom(4_000),
        RECORD + b"\xff\xff" + bytes(70_000),
        # A ClientHello of 16 MiB in whole records.
        RECORD + b"\x40\x00\x01\xff\xff\xff" + bytes(16_380) + (RECORD + b"\x40\x00" + bytes(16_384)) * 8,
        b"\x17\x03\x03\x00\x10" + bytes(16),
        b"\x15\x03\x03\x00\x02\x01\x00" * 50,
    ],
    ids=["plain SIP", "noise", "a record too long", "a hello without end", "data without keys", "alerts"],
)
async def test_what_is_no_tls_is_sent_away_at_once(says: bytes, identity: Identity) -> None:
    async with open_exchange(identity) as exchange:
        with connected(exchange) as stranger:
            began = trio.current_time()
            heard = await trio.to_thread.run_sync(told_by, stranger, says)
            assert not heard.startswith(b"SIP/2.0")
            assert trio.current_time() - began < 2
        assert await exchange.counter("tls_handshakes_failed", 1) == 1
        assert exchange.engine.counters()["thread_panics"] == 0


async def test_nobody_agrees_on_keys_anew(identity: Identity) -> None:
    async with open_exchange(identity) as exchange:
        command = f"openssl s_client -connect 127.0.0.1:{exchange.port_of('tls')} -tls1_2 -verify_quiet"
        done = await trio.to_thread.run_sync(
            lambda: subprocess.run(command.split(), input=b"R\nR\nR\n", capture_output=True, timeout=10)
        )
        assert b"no renegotiation" in done.stderr, done.stderr[-300:]
        assert await exchange.counter("tls_handshakes", 1) == 1


async def test_three_hundred_handshakes_at_once_leave_calls_their_time(identity: Identity) -> None:
    async with open_exchange(identity) as exchange, open_phone(identity) as phone:
        (binding,) = await register(exchange, phone, line(exchange, "anna", transport="tls"))
        closing = contextlib.ExitStack()
        crowd = [closing.enter_context(connected(exchange)) for _ in range(300)]
        hello = client_hello()
        for one in crowd:
            try_to_send(one, hello)
        began = trio.current_time()
        await connect(exchange, phone, binding)
        assert trio.current_time() - began < 1.0
        assert 40 <= await exchange.counter("tcp_refused", 40) <= 60, "a source has 256 strangers"
        # Those whom it took have all been answered.
        answered = await trio.to_thread.run_sync(lambda: sum(bool(heard_from(one)) for one in crowd))
        assert answered >= 240
        closing.close()
        assert exchange.engine.counters()["thread_panics"] == 0


def client_hello() -> bytes:
    """What a client says first."""
    said = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said, server_hostname="127.0.0.1").do_handshake()
    return said.read()


def told_by(stranger: socket.socket, says: bytes) -> bytes:
    """What is answered until the end."""
    try_to_send(stranger, says)
    return heard_from(stranger)


def try_to_send(stranger: socket.socket, says: bytes) -> None:
    with contextlib.suppress(OSError):  # It may be sent away already.
        stranger.sendall(says)


def heard_from(stranger: socket.socket) -> bytes:
    try:
        return stranger.recv(4096)
    except OSError:
        return b""
