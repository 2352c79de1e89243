"""What a collector hears of the SIP messages."""

import socket
import time
from collections.abc import Iterator

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import connect, line, open_desk, open_pair, register
from tests.contracts.hep import Captured, read
from tests.contracts.raw_sip import RawPeer


@pytest.fixture
def collector() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(8)
        yield udp


def place(udp: socket.socket) -> str:
    return f"udp:127.0.0.1:{udp.getsockname()[1]}"


def until(udp: socket.socket, start: str) -> list[Captured]:
    """All packets to the first one whose message begins so."""
    found = [read(udp.recv(65_535))]
    while not found[-1].payload.startswith(start):
        found.append(read(udp.recv(65_535)))
    return found


async def test_each_message_is_told_once_and_both_legs_as_one_call(collector: socket.socket) -> None:
    options = {"hep": place(collector), "hep_id": 2001, "hep_password": "geheim"}
    async with open_pair(**options) as (exchange, phones):
        lines = [line(exchange, user) for user in ("anna", "boris")]
        boris = (await register(exchange, phones, *lines))[1]
        made = await connect(exchange, phones, boris)
        phones.engine.hang_up(made.caller)
        await exchange.event(core.LegEnded, leg=made.incoming.leg)
        told = await trio.to_thread.run_sync(until, collector, "BYE ")
        ours, theirs = ("127.0.0.1", exchange.port), ("127.0.0.1", phones.port)
        assert {(m.agent, m.password, m.ip_protocol) for m in told} == {(2001, "geheim", 17)}
        assert {(m.source, m.target) for m in told} == {(ours, theirs), (theirs, ours)}
        assert all(abs(m.at_s - time.time()) < 60 for m in told)
        assert [m.at_s for m in told] == sorted(m.at_s for m in told)
        assert sum(m.payload.startswith("REGISTER ") for m in told) == 4
        invites = [m for m in told if m.payload.startswith("INVITE ")]
        assert [m.target for m in invites] == [ours, ours, theirs]
        assert {m.correlation for m in invites} == {made.incoming.call_id}
        assert f"Call-ID: {made.incoming.call_id}" not in invites[2].payload
        assert 'response="xxxxxxxx' in invites[1].payload
        assert exchange.engine.counters()["hep_dropped"] == 0


async def test_a_collector_that_is_gone_holds_nobody_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nowhere = place(gone)
    async with open_desk(hep=nowhere) as exchange:
        peer = RawPeer(exchange.port)
        for _ in range(50):
            await trio.to_thread.run_sync(peer.ask, peer.request("OPTIONS", "102"))
        await exchange.counter("hep_sent", 1)
        peer.close()


async def test_more_than_there_is_room_for_is_dropped_and_counted(collector: socket.socket) -> None:
    async with open_desk(hep=place(collector)) as exchange:
        peer = RawPeer(exchange.port)
        # No datagram holds it together with what HEP adds.
        room = 65_500 - len(peer.request("OPTIONS", "102", headers="Subject: \r\n"))
        peer.send(peer.request("OPTIONS", "102", headers=f"Subject: {'x' * room}\r\n"))
        assert (await exchange.counter("hep_dropped", 1)) == 1
        peer.close()


@pytest.mark.parametrize("hep", ["tcp:127.0.0.1:9060", "udp:127.0.0.1", "udp:somewhere:9060", ""])
def test_what_is_no_address_of_a_collector_is_named(hep: str) -> None:
    with pytest.raises(ValueError, match="hep"):
        core.Engine(sip_listen=["udp:127.0.0.1:0"], default_realm="x", media_address="127.0.0.1", hep=hep)
