"""Calls between two phones through the exchange, as the engine tells of them."""

import time
from pathlib import Path

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import Desk, call, connect, lasting, line, open_pair, register
from tests.contracts.raw_sip import RawPeer, header, status_of, tag_of
from tests.contracts.test_engine_python_stopped import carrier
from tests.peers.sound import heard_s


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_both_hear_each_other_and_the_end_is_told_once_to_all(tmp_path: Path, transport: str) -> None:
    started_ns = time.monotonic_ns()
    async with open_pair() as (exchange, phone):
        lines = [line(exchange, user, transport=transport) for user in ("anna", "boris")]
        boris = (await register(exchange, phone, *lines))[1]
        made = await connect(exchange, phone, boris)
        assert (made.incoming.device, made.incoming.trunk, made.incoming.called) == ("anna", None, "102")
        assert made.incoming.caller_name == "Анна"
        assert (made.callee.caller_number, made.callee.caller_name) == ("101", "Анна")
        phone.engine.record(made.caller, str(tmp_path / "anna.wav"), max_s=1.0)
        phone.engine.record(made.callee.leg, str(tmp_path / "boris.wav"), max_s=1.0)
        phone.engine.hears(made.caller, [core.Tone(440)])
        phone.engine.hears(made.callee.leg, [core.Tone(1150)])
        for leg in (made.caller, made.callee.leg):
            ended = await phone.event(core.RecordingEnded, leg=leg)
            assert ended.error is None
            assert 1000 <= ended.recorded_ms <= 1100
        assert heard_s(tmp_path / "anna.wav", 1150) >= 0.7
        assert heard_s(tmp_path / "boris.wav", 440) >= 0.7

        phone.engine.hang_up(made.caller)
        end = await exchange.event(core.LegEnded, leg=made.incoming.leg)
        assert (end.status, end.by) == (200, "peer")
        assert end.answered_at_ns is not None
        assert started_ns < made.incoming.at_ns < end.answered_at_ns < end.at_ns < time.monotonic_ns()
        assert end.media is not None
        assert end.media.codec in ("PCMA", "PCMU", "opus", "G722")
        assert 40 <= end.media.packets_received <= 110
        assert end.media.packets_lost == 0
        assert end.media.mos is not None
        assert end.media.mos > 4

        exchange.engine.hang_up(made.dialled)
        assert (await phone.event(core.LegEnded, leg=made.callee.leg)).by == "peer"
        for desk, leg in ((exchange, made.dialled), (phone, made.caller)):
            assert (await desk.event(core.LegEnded, leg=leg)).by == "us"
        await settled(exchange)


async def test_keys_reach_the_exchange_and_the_far_end_in_order() -> None:
    async with open_pair() as (exchange, phone):
        boris = (await register(exchange, phone, line(exchange, "anna"), line(exchange, "boris")))[1]
        made = await connect(exchange, phone, boris)
        phone.engine.hears(made.caller, [core.Silence()])
        phone.engine.send_keys(made.caller, "15*#D", press_ms=60)
        for key in "15*#D":
            assert (await exchange.event(core.KeyPressed, leg=made.incoming.leg)).key == key
            assert (await phone.event(core.KeyPressed, leg=made.callee.leg)).key == key


async def test_a_key_pressed_by_info_reaches_a_far_end_without_events() -> None:
    async with open_pair() as (exchange, phone):
        boris = (await register(exchange, phone, line(exchange, "boris")))[0]
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks([carrier(peer)])
        invite = peer.request("INVITE", "102", call_id="keys", body=peer.offer(9))
        assert status_of(peer.ask(invite, provisional=True)) == 100
        incoming = await exchange.event(core.IncomingCall)
        dialled = exchange.leg()
        exchange.engine.dial_binding(dialled, boris.id, caller_number="101", offer_of=incoming.leg)
        callee = await phone.event(core.IncomingCall)
        phone.engine.answer(callee.leg)
        await exchange.event(core.LegAnswered, leg=dialled)
        exchange.engine.answer(incoming.leg, like=dialled)
        exchange.engine.hears(dialled, [incoming.leg])
        tag = tag_of(peer.receive())
        peer.send(peer.request("ACK", "102", call_id="keys", tag=tag))
        await exchange.event(core.LegAnswered, leg=incoming.leg)
        body = "Signal=5\r\nDuration=100\r\n"
        kind = "Content-Type: application/dtmf-relay\r\n"
        info = peer.request("INFO", "102", cseq=2, headers=kind, body=body, call_id="keys", tag=tag)
        assert status_of(peer.ask(info.replace("Content-Type: application/sdp\r\n", ""))) == 200
        assert (await exchange.event(core.KeyPressed, leg=incoming.leg)).key == "5"
        assert (await phone.event(core.KeyPressed, leg=callee.leg)).key == "5"
        peer.close()


async def test_a_prompt_is_played_once_and_reports_its_end(tmp_path: Path) -> None:
    async with open_pair() as (exchange, phone):
        await register(exchange, phone, line(exchange, "anna"))
        exchange.engine.set_prompt("hello", b"\x00\x20\x00\xe0" * 2000)
        leg = phone.leg()
        phone.engine.dial_trunk(leg, "phones", "anna", "500", caller_number="anna")
        incoming = await exchange.event(core.IncomingCall)
        exchange.engine.answer(incoming.leg)
        await exchange.event(core.LegAnswered, leg=incoming.leg)
        exchange.engine.hears(incoming.leg, [core.Prompt("hello")])
        played = await exchange.event(core.PlaybackEnded, leg=incoming.leg)
        assert (played.prompt, played.played_ms) == ("hello", 500)


async def test_a_caller_who_leaves_stops_the_ringing() -> None:
    async with open_pair() as (exchange, phone):
        boris = (await register(exchange, phone, line(exchange, "anna"), line(exchange, "boris")))[1]
        made = await call(exchange, phone, boris)
        phone.engine.hang_up(made.caller)
        end = await exchange.event(core.LegEnded, leg=made.incoming.leg)
        assert (end.status, end.by, end.answered_at_ns) == (487, "peer", None)
        exchange.engine.hang_up(made.dialled)
        end = await phone.event(core.LegEnded, leg=made.callee.leg)
        assert (end.status, end.by) == (487, "peer")
        assert (await exchange.event(core.LegEnded, leg=made.dialled)).status == 487
        assert (await phone.event(core.LegEnded, leg=made.caller)).by == "us"
        await settled(exchange)


@pytest.mark.parametrize("status", [486, 603, 404])
async def test_a_refusal_is_told_as_it_was_given(status: int) -> None:
    async with open_pair() as (exchange, phone):
        boris = (await register(exchange, phone, line(exchange, "anna"), line(exchange, "boris")))[1]
        made = await call(exchange, phone, boris)
        phone.engine.reject(made.callee.leg, status)
        end = await exchange.event(core.LegEnded, leg=made.dialled)
        assert (end.status, end.by, end.media is not None) == (status, "peer", True)
        exchange.engine.reject(made.incoming.leg, status, "Not today")
        end = await phone.event(core.LegEnded, leg=made.caller)
        assert (end.status, end.reason) == (status, "Not today")


async def test_a_leg_that_leads_nowhere_ends_at_once() -> None:
    async with open_pair() as (exchange, _):
        nowhere, unknown = exchange.leg(), exchange.leg()
        exchange.engine.dial_binding(nowhere, 4711, caller_number="101")
        exchange.engine.dial_trunk(unknown, "acme", "no such trunk", "1", caller_number="101")
        for leg in (nowhere, unknown):
            assert (await exchange.event(core.LegEnded, leg=leg)).status >= 400


async def test_commands_to_legs_that_are_gone_and_numbers_used_twice_change_nothing() -> None:
    async with open_pair() as (exchange, phone):
        boris = (await register(exchange, phone, line(exchange, "anna"), line(exchange, "boris")))[1]
        engine = exchange.engine
        for gone in (1, core.FIRST_DIALLED_LEG):
            engine.ring(gone)
            engine.answer(gone, like=gone)
            engine.reject(gone, 486)
            engine.hang_up(gone)
            engine.hears(gone, [gone])
            engine.send_keys(gone, "1")
            engine.record(gone, "/nonexistent/file.wav")
            engine.stop_recording(gone)
        made = await connect(exchange, phone, boris)
        engine.dial_binding(made.dialled, boris.id, caller_number="101")
        engine.answer(made.incoming.leg)
        phone.engine.hang_up(made.caller)
        assert (await exchange.event(core.LegEnded, leg=made.incoming.leg)).status == 200
        assert not exchange.has(core.LegEnded)
        assert not phone.has(core.IncomingCall)


async def test_a_recording_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    async with open_pair() as (exchange, phone):
        boris = (await register(exchange, phone, line(exchange, "anna"), line(exchange, "boris")))[1]
        made = await connect(exchange, phone, boris)
        phone.engine.hears(made.caller, [core.Silence()])
        exchange.engine.record(made.incoming.leg, str(tmp_path / "no such folder" / "file.wav"))
        exchange.engine.stop_recording(made.incoming.leg)
        ended = await exchange.event(core.RecordingEnded, leg=made.incoming.leg)
        assert ended.error
        assert not exchange.has(core.LegEnded)


async def test_a_caller_that_falls_silent_is_hung_up() -> None:
    async with open_pair(media_timeout_s=1.0) as (exchange, phone):
        boris = (await register(exchange, phone, line(exchange, "anna"), line(exchange, "boris")))[1]
        made = await connect(exchange, phone, boris)
        phone.engine.hears(made.callee.leg, [core.Silence()])
        phone.engine.hears(made.caller, [core.Silence()])
        await trio.sleep(2.5)
        assert not exchange.has(core.LegEnded)
        phone.engine.hears(made.caller, [])
        end = await exchange.event(core.LegEnded, leg=made.incoming.leg)
        assert (end.status, end.by) == (408, "media")


async def test_a_trunk_that_nobody_listens_at_fails_at_once() -> None:
    async with open_pair() as (exchange, _):
        closed = int(lasting("tcp").rpartition(":")[2])
        exchange.engine.set_trunks(
            [
                core.Trunk(
                    company="acme", id="dead", hosts=[core.TrunkHost("127.0.0.1", closed)], transport="tcp"
                )
            ]
        )
        leg = exchange.leg()
        with trio.fail_after(1):
            exchange.engine.dial_trunk(leg, "acme", "dead", "1", caller_number="2")
            end = await exchange.event(core.LegEnded, leg=leg)
        assert (end.status, end.by) == (503, "timeout")


async def test_a_trunk_is_found_by_its_name() -> None:
    async with open_pair() as (exchange, phone):
        exchange.engine.set_trunks(
            [
                core.Trunk(
                    company="acme",
                    id="named",
                    hosts=[core.TrunkHost("localhost", phone.port)],
                    domain="127.0.0.1",
                )
            ]
        )
        phone.engine.set_trunks(
            [core.Trunk(company="phones", id="any", hosts=[core.TrunkHost("127.0.0.1", exchange.port)])]
        )
        with trio.fail_after(5):
            while True:
                leg = exchange.leg()
                exchange.engine.dial_trunk(leg, "acme", "named", "+7495", caller_number="2")
                with trio.move_on_after(0.3):
                    assert (await phone.event(core.IncomingCall)).called == "+7495"
                    return
                await exchange.event(core.LegEnded, leg=leg)


async def test_peers_are_told_the_advertised_address() -> None:
    async with open_pair(advertised_address="192.0.2.5") as (exchange, _):
        peer = RawPeer(exchange.port)
        exchange.engine.set_trunks(
            [core.Trunk(company="acme", id="t", hosts=[core.TrunkHost("127.0.0.1", peer.port)])]
        )
        exchange.engine.dial_trunk(exchange.leg(), "acme", "t", "1", caller_number="2")
        invite = await trio.to_thread.run_sync(peer.receive)
        peer.close()
        assert f"Via: SIP/2.0/UDP 192.0.2.5:{exchange.port};" in invite
        assert f"@192.0.2.5:{exchange.port}" in header(invite, "Contact")
        assert "c=IN IP4 192.0.2.5\r\n" in invite


async def settled(exchange: Desk) -> None:
    """Every port of every leg is free again, and every leg was told to be over."""
    await exchange.counter("sip_ended", 2)
    with trio.fail_after(3):
        while any(exchange.engine.counters()[name] for name in LEVELS):  # noqa: ASYNC110 - counters tell nobody
            await trio.sleep(0.05)
    counters = exchange.engine.counters()
    assert counters["thread_panics"] == counters["media_panics"] == 0


LEVELS = ("sip_legs", "media_legs", "rtp_ports_leased")
