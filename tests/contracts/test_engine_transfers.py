"""A phone asks the engine for a transfer, over real sockets, and hears how it goes."""

import re

import pytest
import trio
from attrs import define

from orchestrator import _rust_core as core
from tests.contracts.desk import Desk, open_pair
from tests.contracts.raw_sip import RawPeer, header, status_of

REFER_TO = "Refer-To: <sip:103@acme.example>\r\n"


@define
class Phone:
    """Anna's phone, written by hand, in a call that the exchange has made to it."""

    peer: RawPeer
    leg: int
    ours: str
    """Our From, with tag."""
    theirs: str
    call_id: str
    target: str
    cseq: int = 1

    def refer(self, headers: str) -> str:
        self.cseq += 1
        return (
            f"REFER {self.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.peer.port};branch=z9hG4bKr{self.cseq}{self.peer.port};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {self.ours}\r\nTo: {self.theirs}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {self.cseq} REFER\r\nContact: <sip:anna@127.0.0.1:{self.peer.port}>\r\n{headers}"
            "Content-Length: 0\r\n\r\n"
        )

    def told(self) -> tuple[str, str]:
        """The next NOTIFY, which is answered: its status line and state."""
        notify = self.peer.receive()
        assert notify.startswith("NOTIFY "), notify
        assert header(notify, "Event").startswith("refer")
        assert header(notify, "Content-Type").startswith("message/sipfrag")
        self.peer.send(answer(notify, 200, "OK"))
        return notify.split("\r\n\r\n", 1)[1].strip(), header(notify, "Subscription-State").split(";")[0]


def answer(request: str, status: int, reason: str, more: str = "", body: str = "", tag: str = "") -> str:
    """A response as a plain phone writes it."""
    kept = re.findall(r"^(?:Via|From|Call-ID|CSeq): .*\r\n", request, re.MULTILINE)
    to = header(request, "To") + (f";tag={tag}" if tag else "")
    return f"SIP/2.0 {status} {reason}\r\n{''.join(kept)}To: {to}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"


async def called(exchange: Desk) -> Phone:
    """The exchange calls Anna, who answers."""
    peer = RawPeer(exchange.port)
    assert status_of(peer.register("anna", contact=f"<sip:anna@127.0.0.1:{peer.port}>")) == 200
    changed = await exchange.event(core.RegistrationChanged, why="registered")
    leg = exchange.leg()
    exchange.engine.dial_binding(leg, changed.bindings[0].id, caller_number="102")
    invite = await trio.to_thread.run_sync(peer.receive)
    more = f"Contact: <sip:anna@127.0.0.1:{peer.port}>\r\nContent-Type: application/sdp\r\n"
    peer.send(answer(invite, 200, "OK", more, peer.offer(9), tag="anna"))
    assert (await trio.to_thread.run_sync(peer.receive)).startswith("ACK ")
    await exchange.event(core.LegAnswered, leg=leg)
    ours, target = f"{header(invite, 'To')};tag=anna", header(invite, "Contact").strip("<>")
    return Phone(peer, leg, ours, header(invite, "From"), header(invite, "Call-ID"), target)


async def test_a_phone_hears_how_its_transfer_goes() -> None:
    async with open_pair() as (exchange, _):
        anna = await called(exchange)
        assert status_of(anna.peer.ask(anna.refer(REFER_TO))) == 202
        asked = await exchange.event(core.TransferAsked, leg=anna.leg)
        assert (asked.to, asked.instead_of) == ("103", None)
        assert anna.told() == ("SIP/2.0 100 Trying", "active")
        for status in (100, 180, 480, 200):
            exchange.engine.tell_transfer(anna.leg, status)
        told = {await trio.to_thread.run_sync(anna.told) for _ in range(2)}
        assert told == {
            ("SIP/2.0 180 Ringing", "active"),
            ("SIP/2.0 480 Temporarily Unavailable", "terminated"),
        }
        with pytest.raises(ValueError, match="status"):
            exchange.engine.tell_transfer(anna.leg, 99)
        assert exchange.engine.counters()["sip_transfers_asked"] <= 1
        anna.peer.close()


async def test_while_python_is_silent_a_transfer_fails_in_time() -> None:
    async with open_pair(decision_timeout_s=0.3) as (exchange, _):
        anna = await called(exchange)
        assert status_of(anna.peer.ask(anna.refer(REFER_TO))) == 202
        assert (await trio.to_thread.run_sync(anna.told))[0] == "SIP/2.0 100 Trying"
        end = await trio.to_thread.run_sync(anna.told)
        assert end == ("SIP/2.0 503 Service Unavailable", "terminated")
        assert not exchange.has(core.LegEnded)
        anna.peer.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [("", 400), ("Refer-To: <sip:103@elsewhere.example>\r\n", 403)],
)
async def test_what_is_no_transfer_of_the_company_is_refused(headers: str, status: int) -> None:
    async with open_pair() as (exchange, _):
        anna = await called(exchange)
        assert status_of(anna.peer.ask(anna.refer(headers))) == status
        assert not exchange.has(core.TransferAsked)
        anna.peer.close()
