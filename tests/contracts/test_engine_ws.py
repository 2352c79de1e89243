"""SIP over WebSocket (RFC 7118): phones in browsers register, are called, and come back by themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.certificates import make_identity
from tests.contracts.desk import COMPANY, Desk, account, lasting, open_desk
from tests.contracts.web_socket import (
    BINARY,
    CLOSE,
    ORIGIN,
    PING,
    PONG,
    TEXT,
    WebSocketPeer,
    plain,
    secured,
    upgrade_request,
)

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
BROWSER_OFFER = (
    f"{SDP}m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8\r\na=rtpmap:111 opus/48000/2\r\na=setup:actpass\r\n"
    "a=fingerprint:sha-256 00:11\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\n"
)
in_thread = trio.to_thread.run_sync


@asynccontextmanager
async def open_exchange(*listen: str, **options: Any) -> AsyncIterator[Desk]:
    """An exchange that knows the device "anna", and whose phones' page may connect."""
    listen = listen or ("ws:127.0.0.1:0",)
    async with open_desk("udp:127.0.0.1:0", *listen, ws_origins=[ORIGIN], **options) as exchange:
        exchange.engine.set_accounts([account("anna")])
        yield exchange


async def registered(exchange: Desk, peer: WebSocketPeer) -> core.Binding:
    """Let it ask for WebSocket and register; where the exchange finds it."""
    await in_thread(peer.upgrade)
    answer = await in_thread(peer.ask, "REGISTER", "anna")
    assert answer.startswith("SIP/2.0 200 "), answer
    change = await exchange.event(core.RegistrationChanged, why="registered")
    return change.bindings[-1]


async def rung(exchange: Desk, peer: WebSocketPeer, binding: core.Binding) -> tuple[int, str]:
    """Let the exchange call it: the leg, and the INVITE."""
    leg = exchange.leg()
    exchange.engine.dial_binding(leg, binding.id, caller_number="102", caller_name="Борис")
    invite = await in_thread(peer.message)
    assert invite.startswith("INVITE sip:anna@x"), invite
    peer.respond(invite, "180 Ringing")
    await exchange.event(core.LegRinging, leg=leg)
    return leg, invite


@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_a_browser_registers_is_called_and_declines(transport: str, tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    async with open_exchange(f"{transport}:127.0.0.1:0", **identity.options()) as exchange:
        peer = plain(exchange) if transport == "ws" else await in_thread(secured, exchange, identity)
        with peer:
            binding = await registered(exchange, peer)
            assert binding.transport == transport
            assert binding.contact == f"sip:anna@x{peer.instance}.invalid;transport=ws"
            leg, invite = await rung(exchange, peer, binding)
            assert f"\r\nVia: SIP/2.0/{transport.upper()} 127.0.0.1:{exchange.port_of(transport)};" in invite
            assert ";transport=ws>\r\n" in invite
            peer.respond(invite, "603 Decline")
            assert (await in_thread(peer.message)).startswith("ACK sip:anna@")
            assert (await exchange.event(core.LegEnded, leg=leg)).status == 603
            leg, _ = await rung(exchange, peer, binding)
            exchange.engine.hang_up(leg)
            assert (await in_thread(peer.message)).startswith("CANCEL sip:anna@")
            gone = await in_thread(lambda: peer.ask("REGISTER", "anna", headers="Expires: 0\r\n"))
            assert gone.startswith("SIP/2.0 200 ")
            assert (await exchange.event(core.RegistrationChanged)).why == "unregistered"
            assert await exchange.counter("ws_upgrades", 1) == 1


async def test_a_call_whose_answer_is_a_browsers_ends_and_a_browsers_own_is_refused_with_a_reason() -> None:
    async with open_exchange() as exchange:
        with plain(exchange) as peer:
            binding = await registered(exchange, peer)
            leg, invite = await rung(exchange, peer, binding)
            peer.respond(invite, "200 OK", body=BROWSER_OFFER)
            said = [(await in_thread(peer.message)).split()[0] for _ in range(2)]
            assert said == ["ACK", "BYE"], "what cannot be spoken ends"
            assert (await exchange.event(core.LegEnded, leg=leg)).status == 488
            refused = await in_thread(lambda: peer.ask("INVITE", "102", body=BROWSER_OFFER))
            assert refused.startswith("SIP/2.0 488 ")
            assert "sound inside DTLS (as browsers send it) is not supported yet" in refused
            assert not exchange.has(core.IncomingCall)


async def test_a_browser_that_goes_is_not_rung_and_comes_back_by_itself() -> None:
    listen = lasting("ws")
    async with open_exchange(listen) as exchange:
        with plain(exchange) as peer:
            binding = await registered(exchange, peer)
            leg, _ = await rung(exchange, peer, binding)
        assert (await exchange.event(core.LegEnded, leg=leg)).status in (408, 480, 503)
        assert (await exchange.event(core.RegistrationChanged)).bindings == []
        with plain(exchange) as peer:
            binding = await registered(exchange, peer)
    async with open_exchange(listen) as exchange:
        restored = core.RestoredBinding(
            company=COMPANY,
            device="anna",
            contact=binding.contact,
            source=binding.source,
            transport=binding.transport,
            expires_in_s=binding.expires_in_s,
            call_id=binding.call_id,
            cseq=binding.cseq,
        )
        exchange.engine.restore_bindings([restored])
        with plain(exchange) as peer:
            again = await registered(exchange, peer)
            assert again.transport == "ws"
            await rung(exchange, peer, again)


async def test_frames_of_every_kind_are_taken() -> None:
    async with open_exchange() as exchange:
        with plain(exchange) as peer:
            await in_thread(peer.upgrade)
            options = peer.request("OPTIONS", "anna")
            for first in (TEXT, BINARY):
                peer.send(options, first)
                assert (await in_thread(peer.message)).startswith("SIP/2.0 200 ")
            peer.send(options[:10], 0x01)
            peer.send(b"here?", PING)
            peer.send(options[10:20], 0x00)
            peer.send(options[20:], 0x80)
            assert await in_thread(peer.frame) == (PONG, b"here?")
            assert (await in_thread(peer.message)).startswith("SIP/2.0 200 ")
            peer.send(b"\r\n\r\n")
            assert await in_thread(peer.frame) == (TEXT, b"\r\n")
            peer.send((1000).to_bytes(2), CLOSE)
            assert await in_thread(peer.close_status) == 1000


@pytest.mark.parametrize(
    ("status", "path", "headers"),
    [
        (404, "/phone", ""),
        (403, "/", "Origin: https://evil.example\r\n"),
        (403, "/ws", "Origin: null\r\n"),
        (101, "/", ""),
        (101, "/ws?a=b", f"Origin: {ORIGIN}:443\r\n"),
    ],
)
async def test_who_may_come_in_is_decided_by_path_and_page(status: int, path: str, headers: str) -> None:
    async with open_exchange() as exchange:
        with plain(exchange) as peer:
            peer.stream.sendall(upgrade_request(headers, path))
            assert (await in_thread(peer.head)).startswith(f"HTTP/1.1 {status} ")
        await exchange.counter("ws_upgrades" if status == 101 else "ws_upgrades_failed", 1)


async def test_what_is_no_origin_is_named_at_the_start() -> None:
    with pytest.raises(ValueError, match=r'ws_origins: "phone.example" is no origin: write https://'):
        async with open_desk("ws:127.0.0.1:0", ws_origins=["phone.example"]):
            pass
    with pytest.raises(ValueError, match="transport"):
        core.Trunk(company="acme", id="x", hosts=[core.TrunkHost("127.0.0.1")], transport="wss")
