"""Programs that a test starts: their output is kept, and they end with the block that started them."""

import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field

OUTPUT_MAX = 4_000_000
STOP_S = 8.0


@define(eq=False)
class Program:
    """A running program and what it printed."""

    process: trio.Process
    name: str
    output: str = ""
    news: trio.Event = field(factory=trio.Event)

    async def printed(self, holds: Callable[[str], bool], within_s: float = 15.0) -> str:
        """Wait until `holds` is true of all output so far; that output.

        Raises `AssertionError` with the output if it takes longer or the program ends first.
        """
        with trio.move_on_after(within_s):
            while not holds(self.output) and self.process.returncode is None:
                await self.news.wait()
        if not holds(self.output):
            raise AssertionError(f"{self.name} did not print what was awaited:\n{self.output[-4000:]}")
        return self.output

    async def exit_status(self, within_s: float) -> int:
        """Wait for the end of the program. Raises `AssertionError` with the output if it takes longer."""
        with trio.move_on_after(within_s):
            return await self.process.wait()
        raise AssertionError(f"{self.name} did not end within {within_s} s:\n{self.output[-4000:]}")

    async def send(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(line.encode() + b"\n")

    async def read(self) -> None:
        """Collect output until the program closes it."""
        assert self.process.stdout is not None
        async for chunk in self.process.stdout:
            self.output = (self.output + chunk.decode(errors="replace"))[-OUTPUT_MAX:]
            self._tell()
        await self.process.wait()
        self._tell()

    def _tell(self) -> None:
        self.news.set()
        self.news = trio.Event()


@asynccontextmanager
async def running(
    command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Start a program; it is asked to stop, then killed, when the block ends."""
    process = await trio.lowlevel.open_process(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
    )
    program = Program(process, Path(command[0]).name)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(program.read)
        try:
            yield program
        finally:
            with trio.CancelScope(shield=True):
                await _stop(process)
            nursery.cancel_scope.cancel()


async def _stop(process: trio.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(STOP_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def free_ports(count: int = 1, spare: int = 1) -> list[int]:
    """Ports of 127.0.0.1 that are free for UDP and TCP now, each with `spare` free ones above it."""
    found: list[int] = []
    while len(found) < count * (1 + spare):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        wanted = range(first, first + 1 + spare)
        if first + spare < 65536 and not {*found} & {*wanted} and all(_is_free(port) for port in wanted):
            found += wanted
    return found[:: 1 + spare]


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
