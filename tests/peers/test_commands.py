"""Calls under command: made, transferred and ended through the API."""

from pathlib import Path
from typing import Any

import trio

from tests.peers.exchange import Exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.sound import HEARD_S, heard_s

ANNA_HZ, BORIS_HZ, DMITRI_HZ = 440.0, 1150.0, 2100.0


async def test_after_a_transfer_the_two_who_stay_hear_each_other(exchange: Exchange, tmp_path: Path) -> None:
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
            call = await exchange.one_call()
            given = await exchange.post(f"calls/{call['call']}/transfers", {"mode": "blind", "to": "104"})
            await dmitri.happened("CALL_ESTABLISHED")
            await boris.happened("CALL_CLOSED")
            await completed(exchange, given)
            await trio.sleep(2)
            await dmitri.hang_up()
            await anna.state("DISCONNECTED")
            recording = dmitri.heard()
    assert heard_s(anna.heard, BORIS_HZ) >= HEARD_S
    assert heard_s(anna.heard, DMITRI_HZ) >= 1.0
    assert heard_s(recording, ANNA_HZ) >= 1.0
    assert heard_s(recording, BORIS_HZ) == 0


async def test_a_click_rings_the_one_and_then_the_other(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ) as boris,
        ):
            await anna.registered()
            await boris.registered()
            given = await exchange.post("calls", {"caller": "anna", "to": "102"})
            await anna.incoming()
            await boris.happened("CALL_ESTABLISHED")
            await completed(exchange, given)
            await trio.sleep(2)
            await anna.hang_up()
            await boris.happened("CALL_CLOSED")
            recording = boris.heard()
    assert heard_s(anna.heard, BORIS_HZ) >= HEARD_S
    assert heard_s(recording, ANNA_HZ) >= HEARD_S


async def test_a_command_ends_a_call_for_both(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ) as boris,
        ):
            await anna.registered()
            await boris.registered()
            await anna.dial("102")
            await boris.happened("CALL_ESTABLISHED")
            call = await exchange.one_call()
            given = await exchange.post(f"calls/{call['call']}/hangup")
            await anna.state("DISCONNECTED")
            await boris.happened("CALL_CLOSED")
            await completed(exchange, given)
        (record,) = await exchange.records(1)
        assert (await exchange.get("calls"))["items"] == []
    assert record["cause"] == "command"


async def completed(exchange: Exchange, given: dict[str, Any]) -> None:
    """Wait until the command has done what it was asked."""
    state = await exchange.until(
        f"commands/{given['command_id']}", lambda command: command["progress"] != "pending"
    )
    assert state["progress"] == "completed", state
