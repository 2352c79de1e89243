"""How an engine begins and ends, and what it says to wrong arguments."""

import socket
import time
from contextlib import ExitStack
from typing import Any

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import Desk, call, connect, lasting, line, open_desk, open_pair, register
from tests.contracts.raw_sip import RawPeer, header, status_of
from tests.contracts.test_engine_python_stopped import carrier


async def test_closing_says_goodbye_to_everybody() -> None:
    async with open_pair() as (exchange, phone):
        lines = [line(exchange, user) for user in ("anna", "boris")]
        boris = (await register(exchange, phone, *lines))[1]
        talking = await connect(exchange, phone, boris)
        ringing = await call(exchange, phone, boris)
        assert exchange.engine.counters()["sip_thread_silent_ms"] < 1_000
        begun = time.monotonic()
        await trio.to_thread.run_sync(exchange.engine.close)
        assert time.monotonic() - begun < 2.0
        for leg in (talking.caller, talking.callee.leg):
            end = await phone.event(core.LegEnded, leg=leg)
            assert (end.status, end.by) == (200, "peer")
        assert (await phone.event(core.LegEnded, leg=ringing.caller)).status == 503
        assert (await phone.event(core.LegEnded, leg=ringing.callee.leg)).status == 487
        for leg in (talking.incoming.leg, talking.dialled, ringing.incoming.leg, ringing.dialled):
            end = await exchange.event(core.LegEnded, leg=leg)
            assert end.by == "shutdown"
        exchange.engine.close()
        silent_ms = exchange.engine.counters()["sip_thread_silent_ms"]
        await trio.sleep(0.6)
        assert exchange.engine.counters()["sip_thread_silent_ms"] >= silent_ms + 500
        exchange.engine.hang_up(talking.dialled)
        assert exchange.engine.drain_events(10) == []


async def test_closing_does_not_wait_for_who_does_not_answer() -> None:
    async with open_desk() as exchange:
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer)])
        invite = peer.request("INVITE", "102", body=peer.offer(peer.port + 1))
        assert status_of(peer.ask(invite, provisional=True)) == 100
        incoming = await exchange.event(core.IncomingCall)
        exchange.engine.answer(incoming.leg)
        assert status_of(peer.receive()) == 200
        begun = time.monotonic()
        await trio.to_thread.run_sync(exchange.engine.close)
        assert time.monotonic() - begun < 2.0
        assert (await exchange.event(core.LegEnded, leg=incoming.leg)).by == "shutdown"
        peer.close()


async def test_a_closed_engine_leaves_its_ports() -> None:
    listening = [lasting("udp"), lasting("tcp")]
    for _ in range(2):
        async with open_desk(*listening) as desk:
            assert desk.engine.listening() == listening


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_busy_port_is_named(transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if transport == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
            core.Engine(
                sip_listen=[f"{transport}:127.0.0.1:{port}"], default_realm="x", media_address="127.0.0.1"
            )


@pytest.mark.parametrize(
    "wrong",
    [
        {"sip_listen": []},
        {"sip_listen": ["sctp:127.0.0.1:0"]},
        {"sip_listen": ["udp:localhost"]},
        {"media_address": "here"},
        {"media_ports": (3000, 2000)},
        {"media_ports": (3000, 3065)},
        {"max_legs": 1},
        {"max_legs": 8161},
        {"max_requests_of_source": 0},
        {"decision_timeout_s": -1.0},
        {"registration_expires_s": (600, 60)},
        {"advertised_address": "me"},
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "sip_listen": ["udp:127.0.0.1:0"],
        "default_realm": "x",
        "media_address": "127.0.0.1",
    }
    with pytest.raises(ValueError, match=next(iter(wrong)) if "sctp" not in str(wrong) else "transport"):
        core.Engine(**(right | wrong))


def test_legs_that_the_ports_have_no_room_for_are_refused_by_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"max_legs, media_ports: 469 legs .* 500 port pairs of 20000-20999"):
        core.Engine(
            sip_listen=["udp:127.0.0.1:0"],
            default_realm="x",
            media_address="127.0.0.1",
            media_ports=(20000, 20999),
            max_legs=469,
        )


async def test_a_caller_without_a_port_is_refused_before_anybody_is_told() -> None:
    first, pairs = 23_000, 34
    with ExitStack() as taken:
        for port in range(first, first + 2 * pairs, 2):
            other = taken.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            other.bind(("127.0.0.1", port))
        async with open_desk(media_ports=(first, first + 2 * pairs - 1)) as exchange:
            peer = RawPeer(exchange.port)
            exchange.engine.set_trunks([carrier(peer)])
            invite = peer.request("INVITE", "102", body=peer.offer(peer.port + 1))
            refusal = await trio.to_thread.run_sync(peer.ask, invite)
            peer.close()
            assert refusal.startswith("SIP/2.0 503 no RTP port\r\n"), "and nothing of what the kernel said"
            assert header(refusal, "Retry-After")
            assert exchange.events == []


async def test_wrong_arguments_of_commands_are_refused_before_anything_is_done() -> None:
    async with open_desk() as exchange:
        engine, leg = exchange.engine, exchange.leg()
        with pytest.raises(ValueError, match="mixing"):
            engine.hears(leg, [core.Silence(), core.Tone(440)])
        with pytest.raises(ValueError, match="keys"):
            engine.send_keys(leg, "12x")
        with pytest.raises(ValueError, match="press_ms"):
            engine.send_keys(leg, "12", press_ms=1)
        with pytest.raises(ValueError, match="status"):
            engine.reject(leg, 200)
        with pytest.raises(ValueError, match="leg"):
            engine.dial_binding(5, 1, caller_number="1")
        with pytest.raises(ValueError, match="samples"):
            engine.set_prompt("odd", b"123")
        for hz, level_db in ((10.0, -12.0), (440.0, 3.0)):
            with pytest.raises(ValueError, match="is not understood"):
                core.Tone(hz, level_db=level_db)
        with pytest.raises(ValueError, match="sources"):
            core.Trunk(company="c", id="t", hosts=[core.TrunkHost("127.0.0.1")], sources=["192.0.2.0/40"])


async def test_a_seed_repeats_what_chance_decides() -> None:
    async def challenge(seed: int | None) -> str:
        async with open_desk("udp:127.0.0.1:0", seed=seed) as exchange:
            peer = RawPeer(exchange.port)
            answer = await trio.to_thread.run_sync(peer.ask, peer.request("REGISTER", "anna"))
            peer.close()
            return header(answer, "WWW-Authenticate")

    assert await challenge(1) == await challenge(1)
    assert len({await challenge(seed) for seed in (1, 2, None, None)}) == 4


async def test_events_and_tables_can_be_read_by_people() -> None:
    async with open_pair() as (exchange, phone):
        await register(exchange, phone, line(exchange, "anna"))
        place = await refreshed(exchange, phone)
        assert repr(place).startswith("RegistrationChanged(at_ns=")
        assert "contact='" in repr(place.bindings[0])


async def refreshed(exchange: Desk, phone: Desk) -> core.RegistrationChanged:
    """Register once more, as after a restart of the phone."""
    phone.engine.set_trunks([])
    await exchange.event(core.RegistrationChanged, why="unregistered")
    phone.engine.set_trunks([line(exchange, "anna")])
    return await exchange.event(core.RegistrationChanged, why="registered")
