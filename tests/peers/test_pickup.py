"""A phone picks up what rings at a colleague's, with INVITE and Replaces."""

from pathlib import Path

import trio

from tests.peers.exchange import Exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.sound import HEARD_S, heard_s

ANNA_HZ, BORIS_HZ, DMITRI_HZ = 440.0, 1150.0, 2100.0


async def test_pjsua_picks_up_what_rings_at_another_and_later_comes_too_late(
    exchange: Exchange, tmp_path: Path
) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
            pjsua(exchange, tmp_path, "boris-desk", BORIS_HZ, auto_answer=False) as boris,
            baresip(exchange, tmp_path, "dmitri-desk", DMITRI_HZ) as dmitri,
        ):
            for phone in (anna, boris, dmitri):
                await phone.registered()
            await dmitri.dial("102")
            call_id, tag = (await boris.incoming())["dialog"]
            await trio.sleep(1)
            place = f"{call_id};to-tag={tag};from-tag=0;early-only"
            await anna.dial("102", replaces=place)
            await anna.state("CONFIRMED")
            await dmitri.happened("CALL_ESTABLISHED")
            assert (await boris.state("DISCONNECTED"))["status"] == 487
            await trio.sleep(2)
            await boris.dial("102", replaces=place)
            assert (await boris.state("DISCONNECTED", 2))["status"] in (481, 603)
            await dmitri.hang_up()
            await anna.state("DISCONNECTED")
            of_dmitri = dmitri.heard()
        records = await exchange.records(2)
    assert heard_s(anna.heard, DMITRI_HZ) >= HEARD_S
    assert heard_s(of_dmitri, ANNA_HZ) >= HEARD_S
    assert heard_s(of_dmitri, BORIS_HZ) == 0
    main = next(record for record in records if record["cause"] == "caller_hung_up")
    gone = next(record for record in records if record["cause"] == "transferred")
    assert gone["detail"] == main["call"]
    assert main["people"][0] == "dmitri"
    assert "anna" in main["people"]
