"""What the tools of attackers learn: sipvicious maps, lists and cracks, as processes of their own (it is GPL)."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from tests.peers.company import company, password
from tests.peers.exchange import DOMAIN, Exchange, Node, open_exchange
from tests.peers.phones import pjsua

USERS = ("anna-desk", "boris-desk", "nobody", "guest", "101", "102")
"""The first two are there."""
LOOKED_AT = 10
"""Wrong passwords of one account from one source."""


async def sipvicious(tool: str, exchange: Exchange, folder: Path, *words: str) -> str:
    """All that a tool prints about the exchange. It asks from 127.0.0.1."""
    command = [sys.executable, "-m", f"sipvicious.{tool}", "-b", "127.0.0.1", f"-p{exchange.port}"]
    with trio.fail_after(60):
        done = await trio.run_process(
            [*command, *words, "127.0.0.1"],
            cwd=folder,
            env={"HOME": str(folder), "COLUMNS": "200"},
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = done.stdout.decode(errors="replace")
    assert "Traceback" not in said, said
    return said


async def crack(exchange: Exchange, folder: Path, user: str, passwords: Sequence[str]) -> str:
    """What svcrack prints that tries these passwords of a user, until it hears nothing for three seconds."""
    (folder / "passwords").write_text("\n".join(passwords) + "\n")
    known = ("-u", user, f"--domain={DOMAIN}", "-d", "passwords", "--maximumtime=3")
    return await sipvicious("svcrack", exchange, folder, *known)


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE"])
async def test_svmap_sees_that_a_port_answers_and_not_what_it_is(
    exchange: Exchange, tmp_path: Path, method: str
) -> None:
    told = await sipvicious("svmap", exchange, tmp_path, "-m", method)
    [line] = [line for line in told.splitlines() if f"127.0.0.1:{exchange.port}" in line]
    assert "unknown" in line
    assert "tandem" not in told.lower()


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE"])
async def test_svwar_finds_no_user(exchange: Exchange, tmp_path: Path, method: str) -> None:
    (tmp_path / "users").write_text("\n".join(USERS) + "\n")
    scan = ("-m", method, "-d", "users", f"--domain={DOMAIN}")
    assert "found nothing" in await sipvicious("svwar", exchange, tmp_path, *scan)
    for user in USERS:
        (tmp_path / "users").write_text(f"{user}\n")
        told = await sipvicious("svwar", exchange, tmp_path, *scan, "--force")
        assert not [line for line in told.splitlines() if line.startswith(f"| {user} ")], told


async def test_svcrack_finds_a_password_that_is_among_the_first(exchange: Exchange, tmp_path: Path) -> None:
    words = [f"word-{i}" for i in range(LOOKED_AT // 2)]
    told = await crack(exchange, tmp_path, "anna-desk", [*words, password("anna-desk")])
    assert password("anna-desk") in told


async def test_svcrack_finds_nothing_after_that_and_is_banned_when_it_goes_on(
    node: Node, tmp_path: Path
) -> None:
    words = [f"word-{i}" for i in range(LOOKED_AT * 3)]
    async with open_exchange(node, company()) as exchange:
        for user in ("anna-desk", "boris-desk", "nobody"):
            told = await crack(exchange, tmp_path, user, [*words, password(user)])
            assert "found nothing" in told
        page = await exchange.until("bans", lambda page: page["total"] == 1)
        assert (page["items"][0]["source"], page["items"][0]["times"]) == ("127.0.0.1", 1)
        assert '"event": "source_banned"' in exchange.program.output
    async with open_exchange(node) as exchange:
        assert (await exchange.get("bans"))["total"] == 1, "a restart does not help it"
        assert "found nothing" in await crack(exchange, tmp_path, "anna-desk", [password("anna-desk")])
        assert (await exchange.http.delete("bans/127.0.0.1")).status_code == 204
        assert password("anna-desk") in await crack(exchange, tmp_path, "anna-desk", [password("anna-desk")])


async def test_a_phone_beside_svcrack_goes_on(exchange: Exchange, tmp_path: Path) -> None:
    async with pjsua(exchange, tmp_path, "clara-desk", 440) as clara:
        await clara.registered()
        for user in ("anna-desk", "boris-desk", "nobody"):
            assert "found nothing" in await crack(
                exchange, tmp_path, user, [f"word-{i}" for i in range(LOOKED_AT * 3)]
            )
        assert (await exchange.get("bans"))["total"] == 0
        await clara.dial("104")
        (record,) = await exchange.records(1)
        assert record["caller"]["device"] == "clara-desk", "her call was served"
