"""What a caller hears of a carrier before it answers, as packets."""

import socket
import struct
from pathlib import Path

import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import Desk, line, open_pair, register
from tests.contracts.raw_sip import RawPeer, header
from tests.peers.sound import alaw_tone, heard_s

SILENT = 0xD5
"""A-law for nothing."""
KEYS = "a=rtpmap:101 telephone-event/8000\r\n"


class RawCarrier:
    """A trunk of the exchange that speaks SIP and RTP by hand."""

    def __init__(self, exchange: Desk) -> None:
        self.sip = RawPeer(exchange.port)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.settimeout(0.001)
        self.keys: set[int] = set()
        trunk = core.Trunk(company="acme", id="carrier", hosts=[core.TrunkHost("127.0.0.1", self.sip.port)])
        exchange.engine.set_trunks([trunk])

    def __enter__(self) -> "RawCarrier":
        return self

    def __exit__(self, *_: object) -> None:
        self.sip.close()
        self.rtp.close()

    async def asked(self) -> str:
        """The next message of the exchange."""
        return await trio.to_thread.run_sync(self.sip.receive)

    def reply(self, invite: str, status: str, headers: str = "", *, with_sdp: bool = True) -> None:
        """Answer an INVITE."""
        body = self.sip.offer(self.rtp.getsockname()[1]) if with_sdp else ""
        body = body.replace("RTP/AVP 8", "RTP/AVP 8 101") + KEYS if with_sdp else ""
        kind = "Content-Type: application/sdp\r\n" if with_sdp else ""
        via = "".join(f"Via: {header(invite, 'Via')}\r\n")
        self.sip.send(
            f"SIP/2.0 {status}\r\n{via}From: {header(invite, 'From')}\r\nTo: {header(invite, 'To')};tag=far\r\n"
            f"Call-ID: {header(invite, 'Call-ID')}\r\nCSeq: {header(invite, 'CSeq')}\r\n"
            f"Contact: <sip:far@127.0.0.1:{self.sip.port}>\r\n{headers}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    async def talk(self, to: int, payload: bytes, packets: int, first: int = 0) -> list[bytes]:
        """Send these packets of 20 ms; the payloads that came meanwhile."""
        heard = []
        for number in range(first, first + packets):
            head = struct.pack("!BBHII", 0x80, 8, number, number * 160, 7)
            self.rtp.sendto(head + payload[number % 2 * 160 :][:160], ("127.0.0.1", to))
            await trio.sleep(0.02)
            try:
                while True:
                    packet = self.rtp.recv(2048)
                    if packet[1] & 0x7F == 101:
                        self.keys.add(packet[12])
                    if packet[1] & 0x7F == 8:
                        heard.append(packet[12:])
            except TimeoutError:
                pass
        return heard


def rtp_port(message: str) -> int:
    """Where the sender of a description wants sound."""
    return int(message.partition("m=audio ")[2].split(" ")[0])


async def test_an_announcement_is_heard_before_the_answer_and_nothing_is_said(tmp_path: Path) -> None:
    async with open_pair() as (exchange, phone):
        await register(exchange, phone, line(exchange, "anna"))
        with RawCarrier(exchange) as carrier:
            caller = phone.leg()
            phone.engine.dial_trunk(caller, "phones", "anna", "+7495", caller_number="anna")
            phone.engine.hears(caller, [core.Tone(440)])
            incoming = await exchange.event(core.IncomingCall)
            dialled = exchange.leg()
            exchange.engine.ring(incoming.leg)
            exchange.engine.dial_trunk(
                dialled, "acme", "carrier", "+7495", caller_number="1", offer_of=incoming.leg
            )
            invite = await carrier.asked()
            carrier.reply(invite, "183 Session Progress")
            early = await exchange.event(core.LegHeardEarly)
            assert (early.leg, early.listener) == (dialled, incoming.leg)
            phone.engine.record(caller, str(tmp_path / "early.wav"), max_s=1.0)
            heard = await carrier.talk(rtp_port(invite), alaw_tone(850, 320), 70)
            phone.engine.send_keys(caller, "5")
            heard += await carrier.talk(rtp_port(invite), alaw_tone(850, 320), 25, first=70)
            assert carrier.keys == {5}, "keys go"
            assert heard, "silence opens the way back"
            assert {byte for payload in heard for byte in payload} == {SILENT}
            await phone.event(core.RecordingEnded, leg=caller)
            assert heard_s(tmp_path / "early.wav", 850) >= 0.7

            carrier.reply(invite, "200 OK")
            await exchange.event(core.LegAnswered, leg=dialled)
            exchange.engine.answer(incoming.leg, like=dialled)
            exchange.engine.hears(incoming.leg, [dialled])
            exchange.engine.hears(dialled, [incoming.leg])
            await phone.event(core.LegAnswered, leg=caller)
            heard = await carrier.talk(rtp_port(invite), alaw_tone(850, 320), 30, first=95)
            assert any(set(payload) != {SILENT} for payload in heard), "the caller talks now"


async def test_who_hears_nothing_before_the_answer_is_not_hung_up_for_it() -> None:
    async with open_pair(media_timeout_s=1.0) as (exchange, phone):
        await register(exchange, phone, line(exchange, "anna"))
        with RawCarrier(exchange) as carrier:
            caller = phone.leg()
            phone.engine.dial_trunk(caller, "phones", "anna", "+7495", caller_number="anna")
            incoming = await exchange.event(core.IncomingCall)
            dialled = exchange.leg()
            exchange.engine.dial_trunk(
                dialled, "acme", "carrier", "+7495", caller_number="1", offer_of=incoming.leg
            )
            carrier.reply(await carrier.asked(), "183 Session Progress")
            await exchange.event(core.LegHeardEarly)
            await trio.sleep(2.5)
            assert not exchange.has(core.LegEnded)


async def test_a_reliable_183_is_acknowledged_and_a_prack_of_the_caller_taken() -> None:
    async with open_pair() as (exchange, phone):
        await register(exchange, phone, line(exchange, "anna"))
        with RawCarrier(exchange) as carrier:
            caller = phone.leg()
            phone.engine.dial_trunk(caller, "phones", "anna", "+7495", caller_number="anna")
            incoming = await exchange.event(core.IncomingCall)
            dialled = exchange.leg()
            exchange.engine.dial_trunk(
                dialled, "acme", "carrier", "+7495", caller_number="1", offer_of=incoming.leg
            )
            invite = await carrier.asked()
            carrier.reply(invite, "183 Session Progress", "Require: 100rel\r\nRSeq: 41\r\n")
            prack = await carrier.asked()
            assert prack.startswith("PRACK ")
            assert header(prack, "RAck") == "41 1 INVITE"
            # The phone, which knows 100rel too, has acknowledged the 183 of the exchange: else no 200 would pass it.
            await exchange.event(core.LegHeardEarly)
            carrier.reply(invite, "200 OK", with_sdp=False)
            await exchange.event(core.LegAnswered, leg=dialled)
            exchange.engine.answer(incoming.leg, like=dialled)
            await exchange.event(core.LegAnswered, leg=incoming.leg)
