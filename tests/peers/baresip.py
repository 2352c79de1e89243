"""baresip as a phone: sound from a WAV file, sound into a WAV file, controlled over its TCP socket."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from tests.peers.processes import Program, free_ports, running
from tests.peers.sound import write_tone

MODULES = Path("/usr/lib/baresip/modules")
CONFIGURATION = """\
poll_method epoll
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
{tls}call_local_timeout 120
call_max_calls 4
audio_player aufile,{folder}/player.wav
audio_source aufile,{folder}/tone.wav
audio_alert aufile,{folder}/alert.wav
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_txmode thread
rtp_ports 20000-29999
module_path {modules}
module g711.so
module g722.so
module opus.so
module aufile.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {folder}/heard
"""


@define(eq=False)
class Baresip:
    """A running baresip with one account."""

    program: Program
    control: trio.SocketStream
    folder: Path
    domain: str
    events: list[dict[str, Any]] = field(factory=list)
    news: trio.Event = field(factory=trio.Event)

    async def registered(self) -> None:
        """Wait until the exchange has taken its register."""
        await self.program.printed(lambda output: "200 OK" in output and "binding" in output)

    async def dial(self, number: str) -> None:
        """Call a number of its own domain."""
        await self._command("dial", f"sip:{number}@{self.domain}")

    async def answer(self) -> None:
        """Pick up the call that rings."""
        await self._command("accept")

    async def hang_up(self) -> None:
        """End the current call."""
        await self._command("hangup")

    async def transfer(self, number: str) -> None:
        """Send whom the current call is with to a number of its own domain: blindly."""
        await self._command("transfer", f"sip:{number}@{self.domain}")

    async def happened(self, kind: str, times: int = 1, within_s: float = 15.0) -> dict[str, Any]:
        """Wait for the n-th event of this type: CALL_INCOMING, CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("type") == kind]

        await self._until(lambda: len(found()) >= times, within_s, f"{kind} x {times}")
        return found()[times - 1]

    def heard(self) -> Path:
        """The newest recording of what it received."""
        return max((self.folder / "heard").glob("*-dec.wav"), key=lambda path: path.stat().st_mtime)

    async def listen(self) -> None:
        """Collect events until the connection ends."""
        pending = b""
        async for chunk in self.control:
            pending += chunk
            while b":" in pending:
                length, _, rest = pending.partition(b":")
                if len(rest) < int(length) + 1:
                    break
                self.events.append(json.loads(rest[: int(length)]))
                pending = rest[int(length) + 1 :]
                self.news.set()
                self.news = trio.Event()

    async def _command(self, name: str, parameters: str = "") -> None:
        body = json.dumps({"command": name, "params": parameters}).encode()
        await self.control.send_all(b"%d:%s," % (len(body), body))

    async def _until(self, holds: Callable[[], bool], within_s: float, what: str) -> None:
        with trio.move_on_after(within_s):
            while not holds():
                await self.news.wait()
            return
        raise AssertionError(f"baresip: no {what}; events {self.events}\n{self.program.output[-3000:]}")


@asynccontextmanager
async def open_baresip(
    folder: Path,
    *,
    user: str,
    password: str,
    domain: str,
    proxy_port: int,
    tone_hz: float,
    transport: str = "udp",
    codecs: str = "PCMA/8000/1",
    auto_answer: bool = True,
    trusted: Path | None = None,
) -> AsyncIterator[Baresip]:
    """Start baresip with one account that registers; it says `tone_hz` in each call.

    Over TLS it talks only to who shows the certificate `trusted`.
    """
    account = (
        f"<sip:{user}@{domain};transport={transport}>;auth_user={user};auth_pass={password};regint=60"
        f';outbound="sip:127.0.0.1:{proxy_port};transport={transport}"'
        f";audio_codecs={codecs};answermode={'auto' if auto_answer else 'manual'}\n"
    )
    control_port = _write_folder(folder, account, tone_hz, trusted)
    async with running(["baresip", "-f", folder, "-v"]) as program:
        await program.printed(lambda output: "baresip is ready" in output)
        async with (
            await trio.open_tcp_stream("127.0.0.1", control_port) as control,
            trio.open_nursery() as nursery,
        ):
            phone = Baresip(program, control, folder, domain)
            nursery.start_soon(phone.listen)
            yield phone
            nursery.cancel_scope.cancel()


def _write_folder(folder: Path, account: str, tone_hz: float, trusted: Path | None) -> int:
    """What baresip reads at start; the port of its control socket."""
    port, control = free_ports(2)
    (folder / "heard").mkdir(parents=True)
    write_tone(folder / "tone.wav", tone_hz)
    (folder / "contacts").touch()
    (folder / "accounts").write_text(account)
    (folder / "config").write_text(
        CONFIGURATION.format(
            port=port,
            control=control,
            folder=folder,
            modules=MODULES,
            tls=f"sip_cafile {trusted}\n" if trusted else "",
        )
    )
    return control
