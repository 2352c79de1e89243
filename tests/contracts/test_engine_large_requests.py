"""Requests over UDP that no path carries in one piece."""

from orchestrator import _rust_core as core
from tests.contracts.desk import COMPANY, open_desk
from tests.contracts.raw_sip import RawPeer, header, status_of, tag_of

LONG = f"a=rtpmap:97 speex/8000\r\na=fmtp:97 {'x' * 3_700}\r\n"


async def test_an_invite_of_4_kb_is_taken_led_on_over_udp_and_answered() -> None:
    async with open_desk() as exchange:
        caller, carrier = RawPeer(exchange.port), RawPeer(exchange.port)
        exchange.engine.set_trunks(
            [
                core.Trunk(
                    company=COMPANY,
                    id=name,
                    hosts=[core.TrunkHost("127.0.0.1", peer.port)],
                    contact_user=name,
                )
                for name, peer in (("in", caller), ("out", carrier))
            ]
        )
        offer = caller.offer(9).replace("RTP/AVP 8", "RTP/AVP 97 8") + LONG
        invite = caller.request("INVITE", "in", body=offer)
        assert len(invite) > 4_000
        assert status_of(caller.ask(invite, provisional=True)) == 100
        incoming = await exchange.event(core.IncomingCall)
        leg = exchange.leg()
        exchange.engine.dial_trunk(
            leg, COMPANY, "out", "+7916", caller_number="+74951", offer_of=incoming.leg
        )
        got = carrier.receive()
        assert len(got) > 4_000
        assert "x" * 3_700 in got
        assert "\r\ni: " in got
        body = carrier.offer(11)
        carrier.send(
            f"SIP/2.0 200 OK\r\nVia: {header(got, 'v')}\r\nFrom: {header(got, 'f')}\r\n"
            f"To: {header(got, 't')};tag=far\r\nCall-ID: {header(got, 'i')}\r\nCSeq: {header(got, 'CSeq')}\r\n"
            f"Contact: <sip:far@127.0.0.1:{carrier.port}>\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        await exchange.event(core.LegAnswered, leg=leg)
        assert carrier.receive().startswith("ACK ")
        exchange.engine.answer(incoming.leg, like=leg)
        while status_of(answer := caller.receive()) < 200:
            pass
        assert status_of(answer) == 200
        assert tag_of(answer)
        caller.close()
        carrier.close()
