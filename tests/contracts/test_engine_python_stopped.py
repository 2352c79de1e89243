"""The engine keeps its promises to the network while Python does nothing at all."""

import time
from collections.abc import Iterator
from threading import Thread

import pytest

from orchestrator import _rust_core as core
from tests.contracts.desk import COMPANY, Desk, line, open_desk, open_pair, register
from tests.contracts.raw_sip import RawPeer, status_of, tag_of

STOPPED_S = 3.0


@pytest.fixture
def peer() -> Iterator[RawPeer]:
    """Its calls are a trunk's; it says what it likes to its registrar too."""
    made = RawPeer(0)
    yield made
    made.close()


async def test_options_registers_calls_and_goodbyes_are_answered_meanwhile(peer: RawPeer) -> None:
    async with open_pair(decision_timeout_s=1.0) as (exchange, _):
        peer.exchange_port = exchange.port
        exchange.engine.set_trunks([carrier(peer)])
        ours, tag = await answered_call(exchange, peer)

        done: list[tuple[str, float]] = []

        def meanwhile() -> None:
            begun = time.monotonic()

            def note(what: str) -> None:
                done.append((what, time.monotonic() - begun))

            assert status_of(peer.ask(peer.request("OPTIONS", "102"))) == 200
            note("options")
            assert status_of(peer.register("anna")) == 200
            note("register")
            bye = peer.request("BYE", "102", call_id="first", tag=tag, cseq=2, branch="z9hG4bKbye")
            assert status_of(peer.ask(bye)) == 200
            assert status_of(peer.ask(bye)) == 200
            note("bye, twice")
            invite = peer.request("INVITE", "102", call_id="second", body=peer.offer(peer.port + 1))
            assert status_of(peer.ask(invite, provisional=True)) == 100
            assert status_of(peer.ask(invite, provisional=True)) == 100
            note("invite, twice")
            answer = peer.receive()
            assert status_of(answer) == 480
            note("default answer")

        stopped_ns = time.monotonic_ns()
        other = Thread(target=meanwhile)
        other.start()
        time.sleep(STOPPED_S)  # noqa: ASYNC251 - this is the stop
        other.join()
        resumed_ns = time.monotonic_ns()

        assert [what for what, _ in done] == [
            "options",
            "register",
            "bye, twice",
            "invite, twice",
            "default answer",
        ]
        assert done[3][1] < 0.5
        assert 1.0 <= done[4][1] < 1.8
        end = await exchange.event(core.LegEnded, leg=ours)
        assert (end.by, end.status) == ("peer", 200)
        assert stopped_ns < end.at_ns < stopped_ns + 500_000_000 < resumed_ns
        late = await exchange.event(core.IncomingCall)
        exchange.engine.answer(late.leg)
        end = await exchange.event(core.LegEnded, leg=late.leg)
        assert (end.by, end.status) == ("deadline", 480)
        assert (await exchange.event(core.RegistrationChanged)).device == "anna"


async def test_new_calls_are_refused_while_python_is_behind(peer: RawPeer) -> None:
    async with open_desk(max_undecided_age_s=0.3) as exchange:
        peer.exchange_port = exchange.port
        exchange.engine.set_trunks([carrier(peer)])
        first = peer.request("INVITE", "102", call_id="first", body=peer.offer(peer.port + 1))
        assert status_of(peer.ask(first, provisional=True)) == 100
        time.sleep(0.5)  # noqa: ASYNC251 - this is the stop
        second = peer.request("INVITE", "102", call_id="second", body=peer.offer(peer.port + 1))
        answer = peer.ask(second)
        assert status_of(answer) == 503
        assert "\r\nRetry-After: " in answer
        assert status_of(peer.ask(peer.request("OPTIONS", "102"))) == 503
        incoming = await exchange.event(core.IncomingCall)
        exchange.engine.reject(incoming.leg, 486)
        assert status_of(peer.receive()) == 486
        third = peer.request("INVITE", "102", call_id="third", body=peer.offer(peer.port + 1))
        assert status_of(peer.ask(third, provisional=True)) == 100


async def test_new_calls_are_refused_while_too_many_events_wait(peer: RawPeer) -> None:
    async with open_desk(max_undecided_age_s=60.0, event_queue=8) as exchange:
        peer.exchange_port = exchange.port
        exchange.engine.set_trunks([carrier(peer)])
        statuses = []
        for number in range(10):
            invite = peer.request("INVITE", "102", call_id=f"call {number}", body=peer.offer(peer.port + 1))
            statuses.append(status_of(peer.ask(invite, provisional=True)))
        assert statuses == [100] * 7 + [503] * 3
        for _ in range(7):
            await exchange.event(core.IncomingCall)
        invite = peer.request("INVITE", "102", call_id="later", body=peer.offer(peer.port + 1))
        assert status_of(peer.ask(invite, provisional=True)) == 100


async def test_a_registration_is_refreshed_by_rust_alone() -> None:
    async with open_pair(registration_expires_s=(2, 2)) as (exchange, phone):
        (place,) = await register(exchange, phone, line(exchange, "anna"))
        time.sleep(2.9)  # noqa: ASYNC251 - this is the stop
        ((id, left_s),) = (await exchange.event(core.RegistrationsRefreshed)).bindings
        assert id == place.id
        assert 0 < left_s < 2
        assert exchange.engine.counters()["sip_bindings"] == 1


def carrier(peer: RawPeer) -> core.Trunk:
    """The peer as a trunk that needs no password."""
    return core.Trunk(company=COMPANY, id="carrier", hosts=[core.TrunkHost("127.0.0.1", peer.port)])


async def answered_call(exchange: Desk, peer: RawPeer) -> tuple[int, str]:
    """A call of the peer that the exchange has answered: the leg, and the tag of its dialog."""
    invite = peer.request("INVITE", "102", call_id="first", body=peer.offer(peer.port + 1))
    assert status_of(peer.ask(invite, provisional=True)) == 100
    incoming = await exchange.event(core.IncomingCall)
    exchange.engine.answer(incoming.leg)
    answer = peer.receive()
    assert status_of(answer) == 200
    tag = tag_of(answer)
    peer.send(peer.request("ACK", "102", call_id="first", tag=tag))
    await exchange.event(core.LegAnswered, leg=incoming.leg)
    return incoming.leg, tag
