"""Who guesses passwords is shut out of a real engine, and nobody else is."""

from contextlib import suppress

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import Desk, account, line, open_desk, open_pair, register
from tests.contracts.raw_sip import RawPeer, status_of

HOME = "127.0.0.1"
TRIES = 21
"""One more than a source has."""


def guess(peer: RawPeer, times: int) -> list[int]:
    """Wrong passwords of as many users; the statuses."""
    return [status_of(peer.register(f"user{i}", "a guess")) for i in range(times)]


async def ban_by_guessing(exchange: Desk, peer: RawPeer) -> core.SourceBanned:
    assert guess(peer, TRIES) == [401] * (TRIES - 1) + [503]
    return await exchange.event(core.SourceBanned)


async def test_who_guesses_is_not_heard_until_the_ban_is_lifted() -> None:
    async with open_desk() as exchange:
        exchange.engine.set_accounts([account("anna")])
        peer = RawPeer(exchange.port, patience_s=0.5)
        earlier = await trio.open_tcp_stream(HOME, exchange.port_of("tcp"))
        await exchange.counter("tcp_connections", 1)
        told = await ban_by_guessing(exchange, peer)
        assert (told.source, told.why, told.lasts_s, told.times) == (HOME, "wrong_passwords", 300.0, 1)
        assert told.account == f"user{TRIES - 1}@acme.example"
        with pytest.raises(TimeoutError):
            peer.register("anna")
        # A connection that stands is closed at its next word, a new one at once.
        await earlier.send_all(b"OPTIONS sip:x SIP/2.0\r\n")
        await is_closed(earlier)
        await is_closed(await trio.open_tcp_stream(HOME, exchange.port_of("tcp")))
        assert await exchange.counter("sip_turned_away", 3) == 3
        assert exchange.engine.counters()["sip_banned"] == 1
        exchange.engine.lift_ban(HOME)
        assert (await exchange.event(core.BanLifted)).source == HOME
        assert status_of(peer.register("anna")) == 200
        peer.close()


async def test_bans_are_taken_over_and_are_nothing_to_who_may_not_be_banned() -> None:
    ban = core.RestoredBan(source=HOME, left_s=300, forgotten_in_s=1000, times=1)
    async with open_desk() as exchange:
        exchange.engine.set_accounts([account("anna")])
        exchange.engine.restore_bans([ban])
        peer = RawPeer(exchange.port, patience_s=0.5)
        await exchange.counter("sip_banned", 1)
        with pytest.raises(TimeoutError):
            peer.register("anna")
        peer.close()
    async with open_desk(never_banned=["127.0.0.0/8"]) as exchange:
        exchange.engine.set_accounts([account("anna")])
        exchange.engine.restore_bans([ban])
        await exchange.event(core.BanLifted)
        peer = RawPeer(exchange.port)
        assert guess(peer, 40) == [401] * 20 + [503] * 20
        assert not exchange.has(core.SourceBanned)
        peer.close()


async def test_a_phone_beside_a_guesser_stays_reachable() -> None:
    async with open_pair() as (exchange, phone):
        await register(exchange, phone, line(exchange, "anna"))
        peer = RawPeer(exchange.port)
        assert guess(peer, 60)[20:] == [503] * 40
        assert status_of(peer.register("anna")) == 200
        assert not exchange.has(core.SourceBanned)
        peer.close()


async def test_what_is_no_sip_on_a_stream_is_counted() -> None:
    async with open_desk() as exchange:
        for _ in range(3):
            stream = await trio.open_tcp_stream(HOME, exchange.port_of("tcp"))
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await is_closed(stream)
        assert await exchange.counter("sip_malformed", 3) == 3


@pytest.mark.parametrize("wrong", [{"ban_s": (0, 5)}, {"ban_s": (6, 5)}, {"never_banned": ["192.0.2.0/40"]}])
def test_what_makes_no_sense_is_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        core.Engine(
            sip_listen=["udp:127.0.0.1:0"],
            default_realm="x",
            media_address=HOME,
            **wrong,  # type: ignore[arg-type]  # wrong on purpose
        )


async def is_closed(stream: trio.SocketStream) -> None:
    """The other side has hung up."""
    with trio.fail_after(5):
        with suppress(trio.BrokenResourceError):
            assert await stream.receive_some(100) == b""
    await stream.aclose()
