"""What a trunk permits to speak, on its wire and in the engine's events."""

from orchestrator import _rust_core as core
from orchestrator.devices.engine.words import arrival_of
from tests.contracts.desk import COMPANY, open_desk
from tests.contracts.raw_sip import RawPeer, header, status_of


def carrier(peer: RawPeer, *codecs: str) -> core.Trunk:
    """The peer as a trunk."""
    hosts = [core.TrunkHost("127.0.0.1", peer.port)]
    return core.Trunk(company=COMPANY, id="carrier", hosts=hosts, codecs=codecs)


async def test_what_is_permitted_is_offered_told_and_answered() -> None:
    async with open_desk() as exchange:
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer, "PCMU", "telephone-event")])
        leg = exchange.leg()
        exchange.engine.dial_trunk(leg, COMPANY, "carrier", "+7916", caller_number="+74951")
        assert " RTP/AVP 0 101\r\n" in peer.receive()
        exchange.engine.hang_up(leg)
        body = peer.offer(9).replace("RTP/AVP 8", "RTP/AVP 8 0")
        peer.send(peer.request("INVITE", "102", body=body))
        incoming = await exchange.event(core.IncomingCall)
        assert incoming.codecs == ["PCMU"]
        assert arrival_of(incoming).speaks
        exchange.engine.answer(incoming.leg)
        while status_of(answer := peer.receive()) != 200 or "INVITE" not in header(answer, "CSeq"):
            pass
        assert " RTP/AVP 0\r\n" in answer
        peer.close()


async def test_without_a_codec_in_common_a_call_ends_with_488() -> None:
    async with open_desk() as exchange:
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer, "G729")])
        leg = exchange.leg()
        exchange.engine.dial_trunk(leg, COMPANY, "carrier", "+7916", caller_number="+74951")
        end = await exchange.event(core.LegEnded, leg=leg)
        assert (end.status, end.by, end.reason) == (488, "us", "no codec in common with the trunk")
        peer.send(peer.request("INVITE", "102", body=peer.offer(9)))
        incoming = await exchange.event(core.IncomingCall)
        assert not arrival_of(incoming).speaks
        exchange.engine.reject(incoming.leg, 488)
        while status_of(answer := peer.receive()) < 200:
            pass
        assert status_of(answer) == 488
        assert header(answer, "Warning").startswith("305 ")
        peer.close()
