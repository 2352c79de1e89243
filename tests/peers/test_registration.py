"""Phones register: over UDP and TCP, with the right password only, and for longer than the exchange runs."""

import re
import subprocess
from pathlib import Path

import pytest
import trio

from tests.peers.company import company, password
from tests.peers.exchange import DOMAIN, Exchange, Node, open_exchange
from tests.peers.phones import baresip, pjsua
from tests.peers.raw import raw_phone
from tests.peers.sound import HEARD_S, heard_s

SCENARIOS = Path(__file__).parent / "scenarios"
LOCATIONS_KEPT_WITHIN_S = 1.5
"""Locations are written once a second; a phone lost by a kill in between comes back with its next register."""


async def test_several_phones_of_one_person_are_known(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(40):
        async with (
            baresip(exchange, tmp_path, "clara-desk", 440, transport="tcp") as desk,
            pjsua(exchange, tmp_path, "clara-soft", 850) as soft,
        ):
            await desk.registered()
            await soft.registered()
            # A phone hears of its registration a moment before the API tells of it.
            page = await exchange.until("registrations", lambda page: len(page["items"]) == 2)
            known = {entry["device"]: entry["transport"] for entry in page["items"]}
            assert known == {"clara-desk": "tcp", "clara-soft": "udp"}
        await exchange.until("registrations", lambda page: not page["items"])


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_registers_with_digest(exchange: Exchange, tmp_path: Path, transport: str) -> None:
    command = [
        "sipp",
        f"127.0.0.1:{exchange.port}",
        "-i",
        "127.0.0.1",
        "-t",
        transport,
        "-m",
        "1",
        "-nostdin",
    ]
    command += ["-sf", str(SCENARIOS / "register.xml"), "-key", "domain", DOMAIN, "-s", "anna-desk"]
    command += ["-au", "anna-desk", "-ap", password("anna-desk"), "-timeout", "10s", "-timeout_error"]
    with trio.fail_after(20):
        done = await trio.run_process(
            command, cwd=tmp_path, capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
    assert done.returncode == 0, done.stdout.decode()[-3000:]


async def test_sipsak_gets_an_answer_to_its_ping(exchange: Exchange) -> None:
    with trio.fail_after(20):
        done = await trio.run_process(
            ["sipsak", "-vv", "-s", f"sip:127.0.0.1:{exchange.port}"], capture_stdout=True, check=False
        )
    assert done.returncode == 0, done.stdout.decode()


async def test_a_wrong_password_is_refused_like_an_unknown_user(exchange: Exchange) -> None:
    """To the letter, but for what is random and what we sent ourselves."""

    def answers(user: str) -> list[str]:
        with raw_phone(exchange.port, user, DOMAIN) as phone:
            port = phone.wire.getsockname()[1]
            told = phone.register("guess", f"sip:{user}@127.0.0.1:{port}")
            return [_without_chance(answer.replace(user, "USER"), port) for answer in told]

    wrong_password, unknown_user = answers("anna-desk"), answers("nobody-here")
    assert wrong_password == unknown_user
    assert [answer.split(" ")[1] for answer in wrong_password] == ["401", "401"]


async def test_pjsua_with_a_wrong_password_gives_up(exchange: Exchange, tmp_path: Path) -> None:
    with trio.fail_after(40):
        async with pjsua(exchange, tmp_path, "anna-desk", 440, password="guess") as anna:
            assert await anna.refused() in (401, 403)
        assert (await exchange.get("registrations"))["items"] == []


@pytest.mark.parametrize("violently", [False, True], ids=["stopped", "killed"])
async def test_a_location_outlives_the_exchange(node: Node, tmp_path: Path, violently: bool) -> None:
    """A phone that registered before a restart is called after it, without having registered again."""
    with trio.fail_after(60):
        async with (
            open_exchange(node, company()) as first,
            baresip(first, tmp_path, "boris-desk", 1150) as boris,
        ):
            await boris.registered()
            if violently:
                await trio.sleep(LOCATIONS_KEPT_WITHIN_S)
                first.program.process.kill()
            else:
                first.program.process.terminate()
            await first.program.exit_status(within_s=8)
            async with open_exchange(node) as second, pjsua(second, tmp_path, "anna-desk", 440) as anna:
                await anna.registered()
                await anna.dial("102")
                await anna.state("CONFIRMED")
                await trio.sleep(1.5)
                await anna.hang_up()
                await boris.happened("CALL_CLOSED")
                recording = boris.heard()
    assert heard_s(recording, 440) >= HEARD_S
    assert boris.program.output.count("200 OK") == 1


def _without_chance(answer: str, port: int) -> str:
    """Takes out what differs between any two answers: nonces, tags, our own port."""
    answer = re.sub(r'(nonce|opaque)="[^"]*"', r'\1="…"', answer)
    answer = re.sub(r";tag=(?!raw)[^;\s>]+", ";tag=…", answer)
    return answer.replace(str(port), "PORT")
