"""101 calls 102, and each hears the other."""

from pathlib import Path

import pytest
import trio

from tests.peers.exchange import Exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.sound import HEARD_S, heard_s

ANNA_HZ, BORIS_HZ = 440.0, 1150.0
TALK_S = 2.0


@pytest.mark.parametrize(
    ("anna_by", "boris_by"), [("udp", "udp"), ("tcp", "tcp"), ("udp", "tcp"), ("tcp", "udp")]
)
async def test_sound_flows_both_ways(exchange: Exchange, tmp_path: Path, anna_by: str, boris_by: str) -> None:
    with trio.fail_after(60):
        async with (
            pjsua(exchange, tmp_path, "anna-desk", ANNA_HZ, transport=anna_by) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ, transport=boris_by) as boris,
        ):
            await anna.registered()
            await boris.registered()
            await anna.dial("102")
            await anna.state("CONFIRMED")
            await boris.happened("CALL_ESTABLISHED")
            await trio.sleep(TALK_S)
            await anna.hang_up()
            await boris.happened("CALL_CLOSED")
            recording = boris.heard()
        (record,) = await exchange.records(1)
    assert heard_s(recording, ANNA_HZ) >= HEARD_S
    assert heard_s(anna.heard, BORIS_HZ) >= HEARD_S
    assert record["cause"] == "caller_hung_up"
    assert 1000 < record["talk_ms"] < 6000
    assert [leg["media"]["codec"] for leg in record["legs"]] == ["PCMA", "PCMA"]
    assert all(leg["media"]["packets_received"] > 50 for leg in record["legs"])


@pytest.mark.parametrize(("codec", "name"), [("opus/48000/2", "opus"), ("G722/16000/1", "G722")])
async def test_what_both_phones_speak_is_relayed(
    exchange: Exchange, tmp_path: Path, codec: str, name: str
) -> None:
    with trio.fail_after(60):
        async with (
            baresip(exchange, tmp_path, "anna-desk", ANNA_HZ, codecs=codec) as anna,
            baresip(exchange, tmp_path, "boris-desk", BORIS_HZ, codecs=codec) as boris,
        ):
            await anna.registered()
            await boris.registered()
            await anna.dial("102")
            await anna.happened("CALL_ESTABLISHED")
            await boris.happened("CALL_ESTABLISHED")
            await trio.sleep(TALK_S)
            await boris.hang_up()
            await anna.happened("CALL_CLOSED")
        (record,) = await exchange.records(1)
    assert heard_s(boris.heard(), ANNA_HZ) >= HEARD_S
    assert heard_s(anna.heard(), BORIS_HZ) >= HEARD_S
    assert record["cause"] == "callee_hung_up"
    assert {leg["media"]["codec"].lower() for leg in record["legs"]} == {name.lower()}


async def test_phones_with_no_codec_in_common_are_told_so(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(40):
        async with (
            baresip(exchange, tmp_path, "anna-desk", ANNA_HZ, codecs="opus/48000/2") as anna,
            baresip(exchange, tmp_path, "dmitri-desk", BORIS_HZ, codecs="PCMA/8000/1") as dmitri,
        ):
            await anna.registered()
            await dmitri.registered()
            await anna.dial("104")
            await anna.happened("CALL_CLOSED")
        (record,) = await exchange.records(1)
    assert record["talk_ms"] == 0
