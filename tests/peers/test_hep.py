"""sngrep, as somebody's capture agent, understands what the exchange tells it of a call."""

import struct
from collections.abc import Iterator
from pathlib import Path

import trio
from attrs import evolve

from tests.peers.company import company
from tests.peers.exchange import Node, open_exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.processes import free_ports, running


async def test_sngrep_sees_both_legs_of_a_call(node: Node, tmp_path: Path) -> None:
    (port,) = free_ports()
    capture = tmp_path / "call.pcap"
    told = evolve(node, more={"TANDEM_HEP": f"udp:127.0.0.1:{port}", "TANDEM_HEP_ID": "2001"})
    sngrep: list[str | Path] = ["sngrep", "-N", "-q", "-L", f"udp:127.0.0.1:{port}", "-O", capture]
    with trio.fail_after(60):
        async with (
            running(sngrep, cwd=tmp_path),
            open_exchange(told, company()) as exchange,
            pjsua(exchange, tmp_path, "anna-desk", 440.0) as anna,
            baresip(exchange, tmp_path, "clara-desk", 1150.0) as clara,
        ):
            await anna.registered()
            await clara.registered()
            await anna.dial("103")
            await anna.state("CONFIRMED")
            await anna.hang_up()
            await exchange.records(1)
            while len(invites := [m for m in messages(capture) if m[2].startswith("INVITE ")]) < 3:  # noqa: ASYNC110  # a file tells nobody
                await trio.sleep(0.1)
    # Unauthorised, authorised, and on to Clara.
    assert [target == exchange.port for _, target, _ in invites] == [True, True, False]
    assert [source == exchange.port for source, _, _ in invites] == [False, False, True]
    assert 'response="xxxxxxxx' in invites[1][2]


def messages(capture: Path) -> Iterator[tuple[int, int, str]]:
    """Source and target port and text of each SIP message in a pcap file, as far as it is written."""
    data = capture.read_bytes() if capture.exists() else b""
    at = 24
    while at + 16 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 8)
        packet = data[at + 16 : at + 16 + length]
        at += 16 + length
        ip = packet.find(b"\x45")
        source, target = struct.unpack_from("!HH", packet, ip + 20)
        yield source, target, packet[ip + 28 :].decode(errors="replace")
