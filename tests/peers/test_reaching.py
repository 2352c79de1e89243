"""A short number reaches its owner wherever that person is."""

from pathlib import Path

import trio

from tests.peers.company import MOBILE_OF_BORIS, TRUNK_ADDRESS, company
from tests.peers.exchange import Exchange, Node, open_exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.pjsua import open_pjsua
from tests.peers.processes import free_ports
from tests.peers.sound import HEARD_S, heard_s, loud_s

CALLER_HZ, FIRST_HZ, SECOND_HZ = 440.0, 1150.0, 2100.0


async def test_of_phones_that_ring_at_once_the_first_answer_wins(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", CALLER_HZ) as anna,
            baresip(exchange, tmp_path, "clara-desk", FIRST_HZ, auto_answer=False) as desk,
            pjsua(exchange, tmp_path, "clara-soft", SECOND_HZ, auto_answer=False) as soft,
        ):
            for phone in (anna, desk, soft):
                await phone.registered()
            await anna.dial("103")
            await desk.happened("CALL_INCOMING")
            await soft.incoming()
            await soft.answer()
            await anna.state("CONFIRMED")
            await desk.happened("CALL_CLOSED")
            await trio.sleep(1.5)
            await anna.hang_up()
            await soft.state("DISCONNECTED")
        (record,) = await exchange.records(1)
    assert heard_s(soft.heard, CALLER_HZ) >= HEARD_S
    assert heard_s(anna.heard, SECOND_HZ) >= HEARD_S
    assert heard_s(anna.heard, FIRST_HZ) == 0
    assert record["answered_by"]["device"] == "clara-soft"


async def test_a_phone_that_is_not_there_costs_no_time_before_the_mobile_rings(
    node: Node, tmp_path: Path
) -> None:
    (trunk_port,) = free_ports()
    with trio.fail_after(60):
        async with (
            open_exchange(node, company(trunk_port=trunk_port)) as exchange,
            pjsua(exchange, tmp_path, "anna-desk", CALLER_HZ) as anna,
            open_pjsua(
                tmp_path / "mobile",
                user=MOBILE_OF_BORIS,
                domain=TRUNK_ADDRESS,
                tone_hz=FIRST_HZ,
                address=TRUNK_ADDRESS,
                port=trunk_port,
            ) as carrier,
        ):
            await anna.registered()
            begun = trio.current_time()
            await anna.dial("102")
            await carrier.incoming()
            assert trio.current_time() - begun < 1.0
            await anna.state("CONFIRMED")
            await trio.sleep(1.5)
            await anna.hang_up()
            await carrier.state("DISCONNECTED")
            (record,) = await exchange.records(1)
            trace = await exchange.get(f"calls/{record['call']}/trace", lang="en")
    assert heard_s(carrier.heard, CALLER_HZ) >= HEARD_S
    assert heard_s(anna.heard, FIRST_HZ) >= HEARD_S
    assert record["answered_by"]["device"] == "boris-mobile"
    assert any("skipped" in sentence["text"] for sentence in trace["sentences"])


async def test_who_finds_nobody_hears_the_announcement(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with pjsua(exchange, tmp_path, "anna-desk", CALLER_HZ) as anna:
            await anna.registered()
            await anna.dial("104")
            await anna.state("CONFIRMED")
            await anna.state("DISCONNECTED", within_s=20)
        (record,) = await exchange.records(1)
    assert loud_s(anna.heard) >= 3.0
    assert record["cause"] == "terminal"


async def test_a_refusal_leads_to_the_next_person(node: Node, tmp_path: Path) -> None:
    document = company()
    document["people"][3]["next"] = {"busy": {"person": "anna"}, "declined": {"person": "anna"}}
    with trio.fail_after(60):
        async with (
            open_exchange(node, document) as exchange,
            pjsua(exchange, tmp_path, "boris-desk", CALLER_HZ) as boris,
            pjsua(exchange, tmp_path, "dmitri-desk", SECOND_HZ, auto_answer=False) as dmitri,
            baresip(exchange, tmp_path, "anna-desk", FIRST_HZ) as anna,
        ):
            for phone in (boris, dmitri, anna):
                await phone.registered()
            await boris.dial("104")
            await dmitri.incoming()
            await dmitri.answer(603)
            await boris.state("CONFIRMED")
            await trio.sleep(1.5)
            await boris.hang_up()
            await anna.happened("CALL_CLOSED")
            recording = anna.heard()
    assert heard_s(recording, CALLER_HZ) >= HEARD_S
    assert heard_s(boris.heard, FIRST_HZ) >= HEARD_S
