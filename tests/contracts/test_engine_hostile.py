"""What strangers send harms nobody who is on the phone."""

import random
import re
import socket
from pathlib import Path

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import Call, Desk, connect, line, open_pair, register
from tests.contracts.raw_sip import RawPeer, status_of, tag_of
from tests.contracts.test_engine_python_stopped import carrier
from tests.peers.sound import heard_s

GARBAGE = (
    b"",
    b"\x00" * 400,
    b"\xff" * 65_000,
    b"INVITE",
    b"INVITE sip:x SIP/2.0\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
    b"INVITE sip:102@acme.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nCSeq: 1 BYE\r\n\r\n",
    b"REGISTER sip:acme.example SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"BYE sip:102@acme.example SIP/2.0\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
)


async def test_garbage_beside_a_call_is_not_heard(tmp_path: Path) -> None:
    async with open_pair() as (exchange, phone):
        made = await talking(exchange, phone)
        phone.engine.record(made.callee.leg, str(tmp_path / "boris.wav"), max_s=1.0)
        chance = random.Random(1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for turn in range(600):
                whole = GARBAGE[turn % len(GARBAGE)]
                data = whole if turn % 2 else chance.randbytes(chance.randrange(1, 900))
                stranger.sendto(data, ("127.0.0.1", exchange.port))
                if turn % 20 == 0:
                    await trio.sleep(0.005)
        assert not (await phone.event(core.RecordingEnded, leg=made.callee.leg)).error
        assert heard_s(tmp_path / "boris.wav", 440) >= 0.8
        assert await exchange.counter("sip_malformed", 100) < 700
        await still_lives(exchange, phone, made)


@pytest.mark.parametrize(
    "says",
    [b"", b"INVITE sip:102@acme.example SIP/2.0\r\nContent-Length: 60000\r\n\r\n", b"\x16\x03\x01" * 100],
    ids=["nothing", "half a message", "another protocol"],
)
async def test_peers_that_stall_a_stream_delay_nobody(says: bytes) -> None:
    async with open_pair() as (exchange, phone):
        stalled = [await trio.open_tcp_stream("127.0.0.1", exchange.port_of("tcp")) for _ in range(40)]
        for stream in stalled:
            if says:
                await stream.send_all(says)
        await exchange.counter("tcp_connections", 0 if says[:1] == b"\x16" else 40)
        made = await talking(exchange, phone, "tcp")
        await still_lives(exchange, phone, made)
        for stream in stalled:
            await stream.aclose()


async def test_a_peer_that_asks_and_never_listens_is_dropped_and_the_others_served() -> None:
    async with open_pair() as (exchange, phone):
        made = await talking(exchange, phone, "tcp")
        deaf = await trio.open_tcp_stream("127.0.0.1", exchange.port_of("tcp"))
        question = RawPeer(exchange.port)
        options = question.request("OPTIONS", "102").replace("/UDP", "/TCP").encode()
        question.close()
        with trio.move_on_after(5):
            await shout(deaf, options * 200)
        await exchange.counter("tcp_dropped", 1)
        assert exchange.engine.counters()["tcp_unsent_bytes"] < 1_000_000
        assert exchange.engine.counters()["tcp_connections"] == 1
        await still_lives(exchange, phone, made)
        await deaf.aclose()


async def shout(stream: trio.SocketStream, text: bytes) -> None:
    """Send it over and over until the other side has had enough."""
    try:
        while True:
            await stream.send_all(text)
    except trio.BrokenResourceError:
        return


async def test_a_sprayer_of_media_gets_nothing_and_is_not_heard(tmp_path: Path) -> None:
    async with open_pair() as (exchange, _):
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer)])
        voice, sprayer = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for side in (voice, sprayer):
            side.bind(("127.0.0.1", 0))
            side.setblocking(False)
        invite = peer.request("INVITE", "102", call_id="media", body=peer.offer(voice.getsockname()[1]))
        assert status_of(peer.ask(invite, provisional=True)) == 100
        incoming = await exchange.event(core.IncomingCall)
        exchange.engine.answer(incoming.leg)
        answer = peer.receive()
        found = re.search(r"m=audio (\d+)", answer)
        assert found, answer
        peer.send(peer.request("ACK", "102", call_id="media", tag=tag_of(answer)))
        at = ("127.0.0.1", int(found[1]))
        exchange.engine.hears(incoming.leg, [core.Tone(440)])
        exchange.engine.record(incoming.leg, str(tmp_path / "heard.wav"), max_s=1.0)
        for number in range(60):
            voice.sendto(packet(number, 0xD5), at)
            sprayer.sendto(packet(number + 20_000, 0x2A, ssrc=9), at)
            await trio.sleep(0.02)
        assert received(voice) >= 40
        assert received(sprayer) == 0
        exchange.engine.hang_up(incoming.leg)
        end = await exchange.event(core.LegEnded, leg=incoming.leg)
        assert end.media is not None
        assert 55 <= end.media.packets_received <= 60
        assert end.media.packets_lost == 0
        for open_socket in (voice, sprayer):
            open_socket.close()
        peer.close()


async def talking(exchange: Desk, phone: Desk, transport: str = "udp") -> Call:
    """Anna sends Boris a tone of 440 Hz."""
    lines = [line(exchange, user, transport=transport) for user in ("anna", "boris")]
    made = await connect(exchange, phone, (await register(exchange, phone, *lines))[1])
    phone.engine.hears(made.caller, [core.Tone(440)])
    phone.engine.hears(made.callee.leg, [core.Silence()])
    return made


async def still_lives(exchange: Desk, phone: Desk, made: Call) -> None:
    """The call is up, and ends promptly when its caller wants it to."""
    assert not exchange.has(core.LegEnded)
    with trio.fail_after(1.0):
        phone.engine.hang_up(made.caller)
        assert (await exchange.event(core.LegEnded, leg=made.incoming.leg)).by == "peer"
    assert exchange.engine.counters()["thread_panics"] == 0


def packet(number: int, sample: int, *, ssrc: int = 7) -> bytes:
    """20 ms of one PCMA sample."""
    head = bytes([0x80, 8]) + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big")
    return head + ssrc.to_bytes(4, "big") + bytes([sample]) * 160


def received(side: socket.socket) -> int:
    """Datagrams that wait at a socket."""
    count = 0
    while True:
        try:
            side.recv(2048)
        except BlockingIOError:
            return count
        count += 1
