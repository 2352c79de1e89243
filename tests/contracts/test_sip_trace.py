"""What a call looks like on the wire, as the engine and the exchange tell it afterwards."""

from pathlib import Path

import pytest
import trio

from orchestrator import _rust_core as core
from orchestrator.app import Exchange, open_exchange
from orchestrator.devices.engine.phone import open_phones
from orchestrator.model.errors import NoSuchCall, NotPermitted
from orchestrator.model.identifiers import CallId
from orchestrator.statistics.records import CallRecord
from tests.contracts.desk import connect, line, open_desk, open_pair, register
from tests.contracts.raw_sip import RawPeer, header, status_of
from tests.contracts.test_exchange import DEMO, DOCUMENT, phone, settings_for


def starts(messages: list[core.SipMessage]) -> list[str]:
    """Which way each went, and its method or status."""
    words = [(m.received, m.text.split("\r\n")[0].split(" ")) for m in messages]
    return [f"{'>' if got else '<'} {w[1] if w[0] == 'SIP/2.0' else w[0]}" for got, w in words]


async def test_both_legs_are_told_from_the_challenge_to_the_end() -> None:
    async with open_pair(sip_trace_calls=10) as (exchange, phones):
        lines = [line(exchange, user) for user in ("anna", "boris")]
        boris = (await register(exchange, phones, *lines))[1]
        made = await connect(exchange, phones, boris)
        phones.engine.hang_up(made.caller)
        exchange.engine.hang_up(made.dialled)
        for leg in (made.incoming.leg, made.dialled):
            await exchange.event(core.LegEnded, leg=leg)
        legs = [made.incoming.leg, made.dialled]
        with trio.fail_after(5):
            while starts(exchange.engine.sip_messages([made.dialled])[0])[-1] != "> 200":  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.02)
        messages, left_out = exchange.engine.sip_messages(legs)
        assert left_out == 0
        [caller, callee] = [[m for m in messages if m.leg == leg] for leg in legs]
        told = starts(caller)
        assert told[:5] == ["> INVITE", "< 407", "> ACK", "> INVITE", "< 100"]
        assert told[-5:] == ["< 180", "< 200", "> ACK", "> BYE", "< 200"]
        assert starts(callee) == ["< INVITE", "> 100", "> 180", "> 200", "< ACK", "< BYE", "> 200"]
        assert [m.age_s for m in messages] == sorted((m.age_s for m in messages), reverse=True)
        assert {m.remote for m in messages} == {f"127.0.0.1:{phones.port}"}
        assert {m.local for m in messages} == {f"127.0.0.1:{exchange.port}"}
        credentials = header(caller[3].text, "Proxy-Authorization")
        assert 'username="anna"' in credentials
        assert f'response="{"x" * 32}"' in credentials
        assert exchange.engine.sip_messages([4242]) == ([], 0)
        assert phones.engine.sip_messages([made.caller]) == ([], 0), "it was told to keep nothing"


async def test_what_never_became_a_call_is_nobodys() -> None:
    async with open_desk(sip_trace_calls=10) as exchange:
        exchange.engine.set_accounts([])
        peer = RawPeer(exchange.port)
        invite = peer.request("INVITE", "102", call_id="guess", body=peer.offer(4000))
        assert status_of(await trio.to_thread.run_sync(peer.ask, invite)) == 407
        await exchange.counter("sip_trace_messages", 2)
        assert exchange.engine.counters()["sip_trace_dialogs"] == 1
        assert exchange.engine.sip_messages(list(range(100))) == ([], 0)
        peer.close()


async def ended(exchange: Exchange) -> CallRecord:
    with trio.fail_after(10):
        while True:
            found = await exchange.records(DEMO, before=None, limit=1)
            if found and found[0].ended_at:
                return found[0]
            await trio.sleep(0.05)


async def test_a_call_is_found_by_its_name_by_the_operator_only(tmp_path: Path) -> None:
    async with open_exchange(settings_for(tmp_path)) as exchange, open_phones() as phones:
        await exchange.apply(DOCUMENT, by="test")
        anna = phone(phones, exchange, "anna-desk", "secret-of-anna")
        boris = phone(phones, exchange, "boris-desk", "secret-of-boris")
        await anna.registered()
        await boris.registered()
        call = anna.call("102")
        async for incoming in boris.incoming:
            incoming.answer()
            break
        assert await call.answered()
        call.hang_up()
        name = (await ended(exchange)).call
        told = await exchange.sip_trace(DEMO, name)
        assert len({message.leg for message in told.messages}) == 2
        assert [m.at for m in told.messages] == sorted(m.at for m in told.messages)
        assert told.messages[0].at >= exchange.started_at
        assert told.messages[0].text.startswith("INVITE ")
        with pytest.raises(NotPermitted):
            await exchange.sip_trace(DEMO, name, as_operator=False)
        with pytest.raises(NoSuchCall):
            await exchange.sip_trace(DEMO, CallId("nobody"), as_operator=False)
    async with open_exchange(settings_for(tmp_path)) as exchange:
        told = await exchange.sip_trace(DEMO, name)
        assert told.messages == (), "its legs have the numbers of others now"
