"""`tandem phone` against an exchange: it waits no longer than told, says what failed, and leaves nothing behind."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import frozen

from orchestrator.app import Exchange, open_exchange
from orchestrator.devices.engine.phone import PhoneAccount, open_phones
from tests.contracts.test_exchange import DEMO, DOCUMENT, port_of, settings_for, until
from tests.peers.processes import Program, running

TANDEM = Path(sys.executable).with_name("tandem")


@frozen
class Company:
    """An exchange with the people of `DOCUMENT`, and the phone of Anna as a command."""

    exchange: Exchange

    @asynccontextmanager
    async def phone(self, verb: str, *words: str | Path) -> AsyncIterator[Program]:
        server = f"127.0.0.1:{port_of(self.exchange)}"
        account = (
            "--user",
            "anna-desk",
            "--password",
            "secret-of-anna",
            "--server",
            server,
            "--domain",
            "demo.example",
        )
        with trio.fail_after(20):
            async with running([TANDEM, "phone", verb, *words, *account]) as program:
                yield program

    async def online(self, phones: int) -> None:
        await until(lambda: len(self.exchange.registrations(DEMO)) == phones)


@asynccontextmanager
async def company(folder: Path) -> AsyncIterator[Company]:
    async with open_exchange(settings_for(folder)) as exchange:
        await exchange.apply(DOCUMENT, by="test")
        yield Company(exchange)


async def test_what_answers_without_ringing_is_heard(tmp_path: Path) -> None:
    heard = tmp_path / "heard.wav"
    async with (
        company(tmp_path) as it,
        it.phone("call", "102", "--record", heard, "--for", "2") as program,
    ):
        assert await program.exit_status(within_s=10) == 0, program.output
        assert "answered" in program.output.splitlines()
        assert "ringing" not in program.output
    assert heard.stat().st_size > 16_000


async def test_nobody_waits_longer_than_told(tmp_path: Path) -> None:
    async with company(tmp_path) as it, open_phones() as phones:
        account = PhoneAccount(
            "boris-desk", "demo.example", port=port_of(it.exchange), password="secret-of-boris"
        )
        boris = phones.add(account)
        await it.online(1)
        async with it.phone("call", "102", "--for", "1.5") as program:
            theirs = await boris.incoming.receive()
            theirs.ring()
            await program.printed(lambda output: "ringing" in output, within_s=1.2)
            assert await program.exit_status(within_s=5) == 1
        assert "102 did not answer within 1.5 s" in program.output
        assert (await theirs.ended()).status == 487
        await it.online(1)
        async with it.phone("answer", "--for", "0.2") as program:
            assert await program.exit_status(within_s=5) == 1
        assert "nobody called within 0.2 s" in program.output


async def test_a_recording_that_fails_is_told(tmp_path: Path) -> None:
    async with (
        company(tmp_path) as it,
        it.phone("call", "102", "--record", tmp_path / "gone" / "heard.wav", "--for", "1") as program,
    ):
        assert await program.exit_status(within_s=10) == 1
        assert "the recording is not whole" in program.output


async def test_a_phone_that_is_told_to_stop_unregisters(tmp_path: Path) -> None:
    async with company(tmp_path) as it:
        for number in (signal.SIGTERM, signal.SIGINT):
            async with it.phone("answer") as program:
                await program.printed(lambda output: "waiting for a call" in output)
                await it.online(1)
                program.process.send_signal(number)
                assert await program.exit_status(within_s=5) == 128 + number
                assert "Traceback" not in program.output
            await it.online(0)
