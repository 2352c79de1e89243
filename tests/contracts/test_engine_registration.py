"""Phones find the exchange, and nobody else is let in."""

import re

import pytest
import trio

from orchestrator import _rust_core as core
from tests.contracts.desk import COMPANY, Desk, account, lasting, line, open_desk, open_pair, register
from tests.contracts.raw_sip import RawPeer, header


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_registers_and_leaves(transport: str) -> None:
    async with open_pair() as (exchange, phone):
        (binding,) = await register(exchange, phone, line(exchange, "anna", transport=transport))
        assert binding.transport == transport
        assert binding.source.startswith("127.0.0.1:")
        assert 60 <= binding.expires_in_s <= 300
        phone.engine.set_trunks([])
        gone = await exchange.event(core.RegistrationChanged, why="unregistered")
        assert (gone.company, gone.device, gone.bindings) == (COMPANY, "anna", [])


async def test_a_phone_that_wants_sha256_gets_it() -> None:
    async with open_pair() as (exchange, phone):
        exchange.engine.set_accounts([account("anna", sha256=True)])
        await register(exchange, phone, line(exchange, "anna", sha256=True))


async def test_a_phone_with_a_wrong_password_hears_why_it_is_not_registered() -> None:
    async with open_pair() as (exchange, phone):
        phone.engine.set_trunks([line(exchange, "anna", secret="wrong")])
        state = await phone.event(core.TrunkStateChanged)
        assert not state.registered
        assert state.status in (401, 403)
        assert not exchange.has(core.RegistrationChanged)


async def test_a_wrong_password_and_an_unknown_user_are_told_the_same() -> None:
    async with open_pair() as (exchange, _):
        known = await trio.to_thread.run_sync(refusal, exchange.port, "anna")
        unknown = await trio.to_thread.run_sync(refusal, exchange.port, "nobody")
        assert known == unknown
        assert known.startswith("SIP/2.0 40")


async def test_a_registration_outlives_a_restart() -> None:
    async with open_desk() as phone:
        listening = lasting()
        async with open_desk(listening) as exchange:
            exchange.engine.set_accounts([account("anna")])
            (binding,) = await register(exchange, phone, line(exchange, "anna"))
        async with open_desk(listening) as exchange:
            exchange.engine.set_accounts([account("anna")])
            exchange.engine.restore_bindings([restored("anna", binding), restored("gone", binding)])
            again = await exchange.event(core.RegistrationChanged)
            assert (again.device, again.bindings[0].contact) == ("anna", binding.contact)
            assert again.bindings[0].expires_in_s <= binding.expires_in_s
            assert await rings(exchange, phone, again.bindings[0])
            assert not exchange.has(core.RegistrationChanged)


async def test_a_phone_that_says_which_it_is_has_one_place_before_and_after_a_restart() -> None:
    where, which = "sip:anna@127.0.0.1:{}", '"<urn:uuid:1>"'
    listening = lasting()
    async with open_desk(listening) as exchange:
        exchange.engine.set_accounts([account("anna")])
        peer = RawPeer(exchange.port)
        peer.register("anna", contact=f"<{where.format(5555)}>;+sip.instance={which};reg-id=1")
        bindings = (await exchange.event(core.RegistrationChanged)).bindings
        (before,) = [binding for binding in bindings if binding.instance]
        assert before.instance == "<urn:uuid:1> 1"
    async with open_desk(listening) as exchange:
        exchange.engine.set_accounts([account("anna")])
        exchange.engine.restore_bindings([restored("anna", before)])
        await exchange.event(core.RegistrationChanged)
        peer.register("anna", contact=f"<{where.format(6666)}>;+sip.instance={which};reg-id=1")
        bindings = (await exchange.event(core.RegistrationChanged)).bindings
        port = peer.port
        peer.close()
        assert {binding.contact for binding in bindings} == {where.format(6666), where.format(port)}


async def test_who_loses_the_account_loses_the_place() -> None:
    async with open_pair() as (exchange, phone):
        await register(exchange, phone, line(exchange, "anna"))
        exchange.engine.set_accounts([account("boris")])
        gone = await exchange.event(core.RegistrationChanged)
        assert (gone.device, gone.bindings, gone.why) == ("anna", [], "removed")


def refusal(port: int, user: str) -> str:
    """What a stranger with a guess is told, without what differs between any two answers."""
    peer = RawPeer(port)
    answer = peer.register(user, "guess")
    for varying in (r'nonce="[^"]*"', r"tag=\w+", r"branch=\w+", r"rport=\d+", str(peer.port)):
        answer = re.sub(varying, "", answer)
    peer.close()
    assert header(answer, "Call-ID")
    return re.sub(r"Call-ID: .*|register-\d+-", "", answer).replace(user, "USER")


def restored(device: str, binding: core.Binding) -> core.RestoredBinding:
    return core.RestoredBinding(
        company=COMPANY,
        device=device,
        contact=binding.contact,
        source=binding.source,
        transport=binding.transport,
        expires_in_s=binding.expires_in_s,
        call_id=binding.call_id,
        cseq=binding.cseq,
        instance=binding.instance,
    )


async def rings(exchange: Desk, phone: Desk, binding: core.Binding) -> bool:
    leg = exchange.leg()
    exchange.engine.dial_binding(leg, binding.id, caller_number="101")
    incoming = await phone.event(core.IncomingCall)
    phone.engine.reject(incoming.leg, 486)
    return (await exchange.event(core.LegEnded, leg=leg)).status == 486
