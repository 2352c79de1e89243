"""For whom a forwarded call was, on the wire of a trunk and in the engine's events."""

import pytest

from orchestrator import _rust_core as core
from orchestrator.devices.engine.words import arrival_of
from orchestrator.model.calls import Diversion
from tests.contracts.desk import COMPANY, open_desk
from tests.contracts.raw_sip import RawPeer, header


def carrier(peer: RawPeer, forwarding: str) -> core.Trunk:
    """The peer as a trunk."""
    hosts = [core.TrunkHost("127.0.0.1", peer.port)]
    return core.Trunk(company=COMPANY, id="carrier", hosts=hosts, forwarding=forwarding)


async def test_what_is_told_of_a_forwarded_call_is_understood() -> None:
    async with open_desk() as exchange:
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer, "both")])
        diverted = ("+74951234501", "no-answer", 3)
        leg = exchange.leg()
        exchange.engine.dial_trunk(
            leg, COMPANY, "carrier", "+7916", caller_number="+74951", diverted=diverted
        )
        invite = peer.receive()
        assert header(invite, "Diversion") == "<sip:+74951234501@127.0.0.1>;reason=no-answer;counter=3"
        history = header(invite, "History-Info")
        assert history.startswith("<sip:+74951234501@127.0.0.1>;index=1, <sip:+7916@127.0.0.1:")
        assert history.endswith(";cause=408>;index=1.1;mp=1")
        for name in ("Diversion", "History-Info"):
            told = f"{name}: {header(invite, name)}\r\n"
            peer.send(peer.request("INVITE", "102", headers=told, body=peer.offer(9)))
            incoming = await exchange.event(core.IncomingCall)
            count = 3 if name == "Diversion" else 1
            assert arrival_of(incoming).caller.diverted == Diversion("+74951234501", "no-answer", count)
        peer.close()


def test_a_header_that_nobody_knows_is_refused() -> None:
    hosts = [core.TrunkHost("127.0.0.1")]
    with pytest.raises(ValueError, match="forwarding"):
        core.Trunk(company=COMPANY, id="carrier", hosts=hosts, forwarding="history")
