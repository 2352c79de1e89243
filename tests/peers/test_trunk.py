"""Calls from outside: a public number leads to a person or a greeting."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.peers.company import DID_ANNA, DID_GREETING, TRUNK_ADDRESS, company
from tests.peers.exchange import Exchange, Node, open_exchange
from tests.peers.phones import baresip
from tests.peers.pjsua import Pjsua, open_pjsua
from tests.peers.processes import free_ports
from tests.peers.sound import HEARD_S, heard_s, loud_s

CUSTOMER, CUSTOMER_HZ, ANNA_HZ = "+79035550117", 440.0, 1150.0


@asynccontextmanager
async def exchange_with_carrier(node: Node, tmp_path: Path) -> AsyncIterator[tuple[Exchange, Pjsua]]:
    """An exchange, and a phone at its trunk's address."""
    (port,) = free_ports()
    async with (
        open_exchange(node, company(trunk_port=port)) as exchange,
        open_pjsua(
            tmp_path / "carrier",
            user=CUSTOMER,
            domain=TRUNK_ADDRESS,
            tone_hz=CUSTOMER_HZ,
            address=TRUNK_ADDRESS,
            port=port,
        ) as carrier,
    ):
        yield exchange, carrier


async def test_a_public_number_leads_to_its_person(node: Node, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with (
            exchange_with_carrier(node, tmp_path) as (exchange, carrier),
            baresip(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
        ):
            await anna.registered()
            await carrier.dial(DID_ANNA, at=f"127.0.0.1:{exchange.port}")
            await carrier.state("CONFIRMED")
            await trio.sleep(2)
            await anna.hang_up()
            await carrier.state("DISCONNECTED")
            recording = anna.heard()
            (record,) = await exchange.records(1)
            told = await anna.happened("CALL_ESTABLISHED")
    assert heard_s(recording, CUSTOMER_HZ) >= HEARD_S
    assert heard_s(carrier.heard, ANNA_HZ) >= HEARD_S
    assert CUSTOMER in told["peeruri"]
    assert (record["direction"], record["number"], record["caller"]["number"]) == (
        "inbound",
        DID_ANNA,
        CUSTOMER,
    )


async def test_a_greeting_is_heard_before_the_person(node: Node, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with (
            exchange_with_carrier(node, tmp_path) as (exchange, carrier),
            baresip(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
        ):
            await anna.registered()
            await carrier.dial(DID_GREETING, at=f"127.0.0.1:{exchange.port}")
            await carrier.state("CONFIRMED")
            await anna.happened("CALL_ESTABLISHED", within_s=20)
            await trio.sleep(2)
            await carrier.hang_up()
            await anna.happened("CALL_CLOSED")
            recording = anna.heard()
    tone = heard_s(carrier.heard, ANNA_HZ)
    assert tone >= HEARD_S
    assert loud_s(carrier.heard) - tone >= 2.0
    assert heard_s(recording, CUSTOMER_HZ) >= HEARD_S


async def test_an_unknown_number_is_not_found(node: Node, tmp_path: Path) -> None:
    with trio.fail_after(40):
        async with exchange_with_carrier(node, tmp_path) as (exchange, carrier):
            await carrier.dial("+74951239999", at=f"127.0.0.1:{exchange.port}")
            assert (await carrier.state("DISCONNECTED"))["status"] == 404
