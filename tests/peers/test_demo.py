"""`tandem demo` and `tandem phone`: what a newcomer does in the first minutes."""

import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.peers.baresip import open_baresip
from tests.peers.company import password
from tests.peers.exchange import TANDEM, Exchange, Node, operator
from tests.peers.phones import baresip
from tests.peers.pjsua import open_pjsua
from tests.peers.processes import free_ports, running
from tests.peers.sound import HEARD_S, heard_s, write_tone

DOMAIN = "demo.tandem.example"


@asynccontextmanager
async def demo(folder: Path, *options: str) -> AsyncIterator[Exchange]:
    """A running demo, whose phones have registered."""
    sip_port, http_port, carrier_port = free_ports(3)
    command: list[str | Path] = [TANDEM, "demo", "--data-dir", folder / "data", "--sip-port", str(sip_port)]
    command += ["--http-port", str(http_port), "--carrier-port", str(carrier_port), *options]
    async with running(command, cwd=folder) as program:
        await program.printed(lambda output: "11 of 11 phones registered" in output, within_s=40)
        async with operator(Node(folder, sip_port, http_port), program) as exchange:
            yield exchange


async def test_the_demo_calls_by_itself_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with trio.fail_after(120):
        async with demo(tmp_path) as exchange:
            await exchange.until(
                "call-records", lambda page: any(record["talk_ms"] for record in page["items"]), within_s=60
            )
            program = exchange.program
            children = _children(program.process.pid)
            assert any(_is_running(pid) for pid in children)
            os.kill(program.process.pid, signal.SIGINT)
            assert await program.exit_status(within_s=15) == 0
            assert "Traceback" not in program.output
            assert not any(_is_running(pid) for pid in children)


async def test_a_softphone_by_the_words_of_the_readme_talks_to_another(tmp_path: Path) -> None:
    """One has a field for an outbound proxy, the other takes the address as its domain."""
    with trio.fail_after(90):
        async with (
            demo(tmp_path, "--calls", "0") as exchange,
            open_pjsua(
                tmp_path / "guest",
                user="guest-desk",
                password="guest-desk-secret",
                domain=f"127.0.0.1:{exchange.port}",
                tone_hz=440,
            ) as guest,
            open_baresip(
                tmp_path / "plane",
                user="mikhail-desk",
                password="mikhail-desk-secret",
                domain=DOMAIN,
                proxy_port=exchange.port,
                tone_hz=1150,
            ) as mikhail,
        ):
            await guest.registered()
            await mikhail.registered()
            await guest.dial("105")
            await guest.state("CONFIRMED")
            await trio.sleep(2)
            await guest.hang_up()
            await mikhail.happened("CALL_CLOSED")
            recording = mikhail.heard()
    assert heard_s(recording, 440) >= HEARD_S
    assert heard_s(guest.heard, 1150) >= HEARD_S


async def test_tandem_phone_calls_plays_and_records(exchange: Exchange, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "say.wav", 440, length_s=3)
    heard = tmp_path / "heard.wav"
    command: list[str | Path] = [
        TANDEM,
        "phone",
        "call",
        "102",
        "--user",
        "anna-desk",
        "--password",
        password("anna-desk"),
    ]
    command += [
        "--server",
        f"127.0.0.1:{exchange.port}",
        "--domain",
        "peers.example",
        "--play",
        tone,
        "--record",
        heard,
    ]
    with trio.fail_after(40):
        async with baresip(exchange, tmp_path, "boris-desk", 1150) as boris:
            await boris.registered()
            begun = time.monotonic()
            async with running(command) as program:
                assert await program.exit_status(within_s=20) == 0, program.output
            assert time.monotonic() - begun < 15
            await boris.happened("CALL_CLOSED")
            recording = boris.heard()
    assert heard_s(recording, 440) >= 2.0
    assert heard_s(heard, 1150) >= HEARD_S


async def test_tandem_phone_says_in_one_line_why_it_cannot(exchange: Exchange) -> None:
    command: list[str | Path] = [
        TANDEM,
        "phone",
        "register",
        "--user",
        "anna-desk",
        "--password",
        "guess",
        "--domain",
        "peers.example",
    ]
    with trio.fail_after(30):
        async with running([*command, "--server", f"127.0.0.1:{exchange.port}"]) as program:
            assert await program.exit_status(within_s=15) == 1
    assert "cannot register anna-desk" in program.output
    assert "401" in program.output
    assert len(program.output.splitlines()) == 1


def _is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for file in lists for child in file.read_text().split()]
