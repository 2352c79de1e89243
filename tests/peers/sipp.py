"""SIPp as a carrier: it plays a scenario to its end, as the one who calls or the one who is called."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.peers.company import TRUNK_ADDRESS
from tests.peers.processes import Program, free_ports, running
from tests.peers.sound import write_alaw

SCENARIOS = Path(__file__).parent / "scenarios"
TONE_HZ = 850.0


@asynccontextmanager
async def sipp(folder: Path, scenario: str, *more: str, port: int | None = None) -> AsyncIterator[Program]:
    """Run one call of a scenario, at the trunk's address; `tone.alaw` is there for it to play."""
    write_alaw(folder / "tone.alaw", TONE_HZ)
    (media_port,) = free_ports(spare=4)
    command = [
        "sipp",
        *more,
        "-sf",
        SCENARIOS / f"{scenario}.xml",
        "-i",
        TRUNK_ADDRESS,
        "-m",
        "1",
        "-nostdin",
    ]
    command += ["-mp", str(media_port), "-timeout", "40s", "-timeout_error", "-trace_err"]
    command += ["-error_file", "errors.log"] + ([] if port is None else ["-p", str(port)])
    async with running([str(word) for word in command], cwd=folder) as program:
        yield program


async def played(program: Program, folder: Path, within_s: float = 30) -> None:
    """Wait for the end of the scenario, which must have gone as it is written."""
    status = await program.exit_status(within_s)
    errors = folder / "errors.log"
    assert status == 0, errors.read_text()[-3000:] if errors.exists() else program.output[-3000:]
