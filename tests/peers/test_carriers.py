"""What carriers do beside ringing and answering, played by SIPp."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from orchestrator.devices.engine.phone import Phone, PhoneAccount, open_phones
from tests.peers.company import DID_ANNA, company, password
from tests.peers.exchange import DOMAIN, Exchange, Node, open_exchange
from tests.peers.processes import free_ports
from tests.peers.sipp import TONE_HZ, played, sipp
from tests.peers.sound import HEARD_S, heard_s

OUTSIDE = "+79161230000"


@asynccontextmanager
async def desk_phone(exchange: Exchange) -> AsyncIterator[Phone]:
    """Anna's."""
    async with open_phones(media_ports=(30000, 38999)) as phones:
        phone = phones.add(
            PhoneAccount("anna-desk", DOMAIN, port=exchange.port, password=password("anna-desk"))
        )
        await phone.registered()
        yield phone


@pytest.mark.parametrize(
    "scenario", ["calls_with_prack", "loses_its_ack", "hangs_up_before_its_ack", "calls_without_offer"]
)
async def test_a_customer_is_served_however_its_carrier_calls(
    exchange: Exchange, tmp_path: Path, scenario: str
) -> None:
    with trio.fail_after(60):
        async with (
            desk_phone(exchange) as anna,
            sipp(tmp_path, scenario, f"127.0.0.1:{exchange.port}", "-s", DID_ANNA) as carrier,
        ):
            call = await anna.incoming.receive()
            call.ring()
            await trio.sleep(0.5)
            call.record(str(tmp_path / "heard.wav"))
            call.answer()
            await call.ended()
            await played(carrier, tmp_path)
            await call.recorded()
        (record,) = await exchange.records(1)
        assert record["answered_at"] is not None
    if scenario == "calls_without_offer":
        assert heard_s(tmp_path / "heard.wav", TONE_HZ) >= HEARD_S


@pytest.mark.parametrize("scenario", ["announces", "announces_reliably"])
async def test_an_announcement_of_the_carrier_is_heard(node: Node, tmp_path: Path, scenario: str) -> None:
    (port,) = free_ports()
    with trio.fail_after(60):
        async with (
            open_exchange(node, company(trunk_port=port)) as exchange,
            desk_phone(exchange) as anna,
            sipp(tmp_path, scenario, port=port) as carrier,
        ):
            call = anna.call(OUTSIDE)
            call.record(str(tmp_path / "heard.wav"))
            if scenario == "announces_reliably":
                assert await call.answered()
                await trio.sleep(0.5)
                call.hang_up()
            end = await call.ended()
            await played(carrier, tmp_path)
            await call.recorded()
            (record,) = await exchange.records(1)
            trace = await exchange.get(f"calls/{record['call']}/trace")
    assert end.status == (200 if scenario == "announces_reliably" else 404)
    assert heard_s(tmp_path / "heard.wav", TONE_HZ) >= HEARD_S
    assert "Heard before the answer" in str(trace)


async def test_of_two_forks_that_answer_the_second_has_to_go(node: Node, tmp_path: Path) -> None:
    (port,) = free_ports()
    with trio.fail_after(60):
        async with (
            open_exchange(node, company(trunk_port=port)) as exchange,
            desk_phone(exchange) as anna,
            sipp(tmp_path, "answers_twice", port=port) as carrier,
        ):
            call = anna.call(OUTSIDE)
            assert await call.answered()
            await trio.sleep(1)
            assert call.end is None
            call.hang_up()
            await played(carrier, tmp_path)


async def test_an_answer_that_crosses_our_cancel_is_ended(node: Node, tmp_path: Path) -> None:
    (port,) = free_ports()
    with trio.fail_after(60):
        async with (
            open_exchange(node, company(trunk_port=port)) as exchange,
            desk_phone(exchange) as anna,
            sipp(tmp_path, "answers_as_it_is_cancelled", port=port) as carrier,
        ):
            call = anna.call(OUTSIDE)
            assert await call.ringing()
            await trio.sleep(0.5)
            call.hang_up()
            await played(carrier, tmp_path)
            (record,) = await exchange.records(1)
            assert record["answered_at"] is None
