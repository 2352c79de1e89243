"""SIPp, the generator of calls and registers."""

import csv
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"


@dataclass
class Outcome:
    """What became of what SIPp was to do."""

    failed: int
    times_ms: list[float]
    """How long it took, of one in a few."""

    def quantile(self, share: float) -> float:
        """The time that this share stays below."""
        ordered = sorted(self.times_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def need() -> None:
    """Say what is missing."""
    if shutil.which("sipp") is None:
        raise SystemExit("SIPp is missing (Debian package sip-tester)")


def start(folder: Path, name: str, port: int, *options: str) -> "subprocess.Popen[bytes]":
    """Start it on a port of its own; what it says lies in `folder`."""
    common = ["-i", HOST, "-p", str(port), "-mp", str(port + 1000), "-buff_size", "4194304", "-nostdin"]
    with (folder / f"{name}.out").open("wb") as out:
        return subprocess.Popen(
            ["sipp", *options, *common], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )


def run(folder: Path, port: int, to: int, rate: int, count: int, *options: str) -> Outcome:
    """Do something `count` times, `rate` times a second, to what listens on `to`."""
    for pattern in ("run.csv", "*_rtt.csv"):
        for old in folder.glob(pattern):
            old.unlink()
    limit_s = count // rate + 40
    process = start(
        folder, "run", port, *options, "-r", str(rate), "-m", str(count), "-l", "15000", "-timeout", str(limit_s),
        "-trace_stat", "-stf", str(folder / "run.csv"), "-fd", "1", "-trace_rtt", "-rtt_freq", "200",
        f"{HOST}:{to}",
    )  # fmt: skip
    process.wait(limit_s + 20)
    with (folder / "run.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    times: list[float] = []
    for path in folder.glob("*_rtt.csv"):
        with path.open(encoding="utf-8") as file:
            rows = csv.reader(file, delimiter=";")
            times += [float(row[1]) for row in rows if len(row) >= 2 and row[1].replace(".", "").isdigit()]
    return Outcome(count - int(last["SuccessfulCall(C)"]), times)
