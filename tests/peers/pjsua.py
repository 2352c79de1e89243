"""pjsua2 as a phone. Its library is GPL, so it lives in a process of its own (`pjsua_phone.py`)."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define

from tests.contracts.certificates import Identity
from tests.peers.processes import Program, free_ports, running
from tests.peers.sound import write_tone

PHONE = Path(__file__).with_name("pjsua_phone.py")


@define(eq=False)
class Pjsua:
    """A running pjsua2 phone with one account."""

    program: Program
    heard: Path
    """What it received, over all its calls. Whole once the program has ended; readable before."""
    domain: str
    port: int

    @property
    def events(self) -> list[dict[str, Any]]:
        """All that it told so far."""
        lines = self.program.output.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    async def registered(self) -> None:
        """Wait until the exchange has taken its register."""
        await self._told(lambda e: e["event"] == "registered" and e["active"] and e["status"] == 200)

    async def refused(self) -> int:
        """Wait until its register is refused for good; the SIP status."""
        event = await self._told(lambda e: e["event"] == "registered" and e["status"] >= 300)
        return int(event["status"])

    async def dial(self, number: str, at: str | None = None, replaces: str = "") -> None:
        """Call a number of its own domain, or at "host:port"; perhaps to take a place (RFC 3891)."""
        await self.program.send(f"call sip:{number}@{at or self.domain} {replaces}")

    async def answer(self, status: int = 200) -> None:
        """Answer the call that rings, or refuse it."""
        await self.program.send(f"answer {status}")

    async def hang_up(self) -> None:
        """End the newest call."""
        await self.program.send("hangup")

    async def transfer(self, number: str) -> None:
        """Send whom the newest call is with to a number of its own domain: blindly."""
        await self.program.send(f"transfer sip:{number}@{self.domain}")

    async def join(self) -> None:
        """Let those whom its oldest and its newest call are with talk to each other: an attended transfer."""
        await self.program.send("join")

    async def transferred(self) -> int:
        """Wait until its transfer is over; the SIP status that it was told."""
        event = await self._told(lambda e: e["event"] == "transfer" and e["final"])
        return int(event["status"])

    async def incoming(self) -> dict[str, Any]:
        """Wait for a call."""
        return await self._told(lambda e: e["event"] == "incoming")

    async def state(self, name: str, times: int = 1, within_s: float = 15.0) -> dict[str, Any]:
        """Wait until a call is in this state for the n-th time: EARLY, CONFIRMED, DISCONNECTED."""
        return await self._told(lambda e: e["event"] == "state" and e["state"] == name, times, within_s)

    async def media(self) -> str:
        """Wait until sound may flow; the codec."""
        return str((await self._told(lambda e: e["event"] == "media"))["codec"])

    async def _told(self, wanted: Any, times: int = 1, within_s: float = 15.0) -> dict[str, Any]:
        def found(_: str) -> list[dict[str, Any]]:
            return [event for event in self.events if wanted(event)]

        await self.program.printed(lambda output: len(found(output)) >= times, within_s)
        return found("")[times - 1]


@asynccontextmanager
async def open_pjsua(
    folder: Path,
    *,
    user: str,
    domain: str,
    tone_hz: float,
    proxy_port: int = 0,
    password: str = "",
    transport: str = "udp",
    codec: str = "PCMA",
    auto_answer: bool = True,
    address: str = "127.0.0.1",
    port: int | None = None,
    trusted: Path | None = None,
    identity: Identity | None = None,
) -> AsyncIterator[Pjsua]:
    """Start pjsua2 with one account that says `tone_hz` in each call; without a password it registers nowhere.

    Over TLS it talks only to who shows the certificate `trusted`, and shows `identity` to who calls it.
    """
    chosen = port or free_ports()[0]
    heard = folder / "heard.wav"
    tone = _write_tone(folder, tone_hz)
    command: list[str | Path] = [
        sys.executable,
        PHONE,
        "--user",
        user,
        "--domain",
        domain,
        "--transport",
        transport,
        "--codec",
        codec,
    ]
    command += ["--password", password, "--port", str(chosen), "--proxy-port", str(proxy_port)]
    command += ["--address", address]
    if trusted is not None:
        command += ["--trusted", trusted]
    if identity is not None:
        command += ["--certificate", identity.certificate, "--key", identity.key]
    command += ["--play", tone, "--record", heard]
    async with running(command + ["--auto-answer"] * auto_answer) as program:
        phone = Pjsua(program, heard, domain, chosen)
        await program.printed(lambda output: '"ready"' in output)
        yield phone
        await program.send("quit")
        await program.exit_status(within_s=8)


def _write_tone(folder: Path, hz: float) -> Path:
    folder.mkdir(parents=True)
    return write_tone(folder / "tone.wav", hz)
