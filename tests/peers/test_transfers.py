"""Phones transfer calls with their own key: whoever is left hears each other, and nobody else."""

from pathlib import Path

import trio

from tests.peers.exchange import Exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.sound import HEARD_S, heard_s

ANNA_HZ, BORIS_HZ, DMITRI_HZ = 440.0, 1150.0, 2100.0


async def test_baresip_transfers_blindly(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ) as boris,
            baresip(exchange, tmp_path, "dmitri-desk", DMITRI_HZ) as dmitri,
        ):
            for phone in (anna, boris, dmitri):
                await phone.registered()
            await anna.dial("102")
            await boris.happened("CALL_ESTABLISHED")
            await trio.sleep(1)
            await boris.transfer("104")
            await dmitri.happened("CALL_ESTABLISHED")
            await boris.happened("CALL_CLOSED")
            await trio.sleep(2)
            await dmitri.hang_up()
            await anna.state("DISCONNECTED")
            recording = dmitri.heard()
        (record,) = await exchange.records(1)
        trace = await exchange.get(f"calls/{record['call']}/trace?lang=en")
    assert heard_s(anna.heard, DMITRI_HZ) >= HEARD_S
    assert heard_s(recording, ANNA_HZ) >= HEARD_S
    assert heard_s(recording, BORIS_HZ) == 0
    assert record["people"] == ["anna", "boris", "dmitri"]
    told = [sentence["text"] for sentence in trace["sentences"]]
    assert "Transferred by the phone of Boris (102) to Dmitri (104)" in told


async def test_pjsua_transfers_blindly_and_gets_back_who_was_not_reached(
    exchange: Exchange, tmp_path: Path
) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ) as boris,
            baresip(exchange, tmp_path, "dmitri-desk", DMITRI_HZ) as dmitri,
        ):
            for phone in (anna, boris, dmitri):
                await phone.registered()
            await boris.dial("101")
            await anna.state("CONFIRMED")
            await trio.sleep(1)
            await anna.transfer("999")
            assert await anna.transferred() == 404
            await trio.sleep(1)
            await anna.transfer("104")
            await dmitri.happened("CALL_ESTABLISHED")
            await anna.state("DISCONNECTED")
            await trio.sleep(2)
            await dmitri.hang_up()
            await boris.happened("CALL_CLOSED")
            of_boris, of_dmitri = boris.heard(), dmitri.heard()
        await exchange.records(1)
    assert heard_s(of_boris, ANNA_HZ) >= HEARD_S
    assert heard_s(of_boris, DMITRI_HZ) >= HEARD_S
    assert heard_s(of_dmitri, BORIS_HZ) >= HEARD_S
    assert heard_s(of_dmitri, ANNA_HZ) == 0


async def test_pjsua_transfers_to_whom_it_has_asked_first(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ) as boris,
            baresip(exchange, tmp_path, "dmitri-desk", DMITRI_HZ) as dmitri,
        ):
            for phone in (anna, boris, dmitri):
                await phone.registered()
            await boris.dial("101")
            await anna.state("CONFIRMED")
            await anna.dial("104")
            await dmitri.happened("CALL_ESTABLISHED")
            await trio.sleep(1)
            await anna.join()
            assert await anna.transferred() == 200
            await anna.state("DISCONNECTED", 2)
            await trio.sleep(2)
            await boris.hang_up()
            await dmitri.happened("CALL_CLOSED")
            of_boris, of_dmitri = boris.heard(), dmitri.heard()
        records = await exchange.records(2)
    assert heard_s(of_boris, DMITRI_HZ) >= 1.0
    assert heard_s(of_dmitri, BORIS_HZ) >= 1.0
    main = next(record for record in records if record["cause"] != "transferred")
    other = next(record for record in records if record["cause"] == "transferred")
    assert other["detail"] == main["call"]
    assert (main["cause"], main["people"]) == ("caller_hung_up", ["boris", "anna", "dmitri"])
    assert all(leg["by"] is not None for record in records for leg in record["legs"])
