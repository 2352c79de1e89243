"""Two test phones call each other, without an exchange between them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from orchestrator.devices.engine.phone import Phone, PhoneAccount, open_phones
from tests.peers.sound import heard_s


async def test_each_hears_the_other_and_the_keys(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with two_phones() as (anna, boris):
            call = anna.call("102", name="Анна")
            theirs = await boris.incoming.receive()
            assert theirs.incoming is not None
            assert (theirs.incoming.called, theirs.incoming.caller_name) == ("102", "Анна")
            assert theirs.incoming.codecs == ["PCMA", "PCMU", "telephone-event"]
            theirs.ring()
            assert await call.ringing()
            theirs.answer()
            assert await call.answered()
            assert await theirs.answered()
            call.record(str(tmp_path / "anna.wav"))
            theirs.record(str(tmp_path / "boris.wav"))
            call.send_tone(440)
            theirs.send_tone(1150)
            await trio.sleep(1.2)
            call.send_keys("42#")
            await trio.sleep(1.2)
            call.hang_up()
            assert (await theirs.ended()).status == 200
            assert (await call.ended()).by == "us"
            assert theirs.keys == "42#"
    assert heard_s(tmp_path / "anna.wav", 1150) >= 0.8
    assert heard_s(tmp_path / "boris.wav", 440) >= 0.5


async def test_a_refusal_ends_the_call_with_its_status() -> None:
    with trio.fail_after(10):
        async with two_phones() as (anna, boris):
            call = anna.call("102")
            (await boris.incoming.receive()).reject(603)
            assert not await call.answered()
            assert (await call.ended()).status == 603


async def test_what_is_played_is_heard_to_its_end() -> None:
    with trio.fail_after(10):
        async with two_phones() as (anna, boris):
            boris.phones.load("hello", b"\x00\x20\x00\xe0" * 4000)
            call = anna.call("102")
            theirs = await boris.incoming.receive()
            theirs.answer()
            assert await theirs.answered()
            begun = trio.current_time()
            assert await theirs.play("hello")
            assert 0.8 < trio.current_time() - begun < 2.0
            assert not await theirs.play("what nobody loaded")
            theirs.hang_up()
            assert (await call.ended()).media is not None


@asynccontextmanager
async def two_phones() -> AsyncIterator[tuple[Phone, Phone]]:
    """Each is the other's peer by address."""
    async with open_phones() as here, open_phones() as there:
        anna = here.add(PhoneAccount(user="there", domain="anna.example", port=_udp_port(there.listening)))
        boris = there.add(PhoneAccount(user="here", domain="boris.example", port=_udp_port(here.listening)))
        yield anna, boris


def _udp_port(listening: list[str]) -> int:
    return next(int(address.rpartition(":")[2]) for address in listening if address.startswith("udp:"))
