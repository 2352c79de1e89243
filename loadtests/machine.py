"""This machine and the processes that are measured on it."""

import functools
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def describe() -> str:
    """The machine in one line: figures mean nothing without it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    model = names[0] if names else platform.machine()
    return f"{len(os.sched_getaffinity(0))} × {model}, Linux {platform.release()}"


def two_cores() -> tuple[int, int]:
    """The cores of the generator and of what is measured; the same one where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def start(command: Sequence[str], *, core: int, quiet: bool = False) -> subprocess.Popen[str]:
    """Start a program on one core, with pipes to its standard input and output.

    Where that is allowed it runs before everything else on its core: what the machine does besides is not measured.
    """
    return subprocess.Popen(
        ["taskset", "-c", str(core), *first_in_line(), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
    )


@functools.cache
def first_in_line() -> tuple[str, ...]:
    """What starts a program at real-time priority; nothing where we may not."""
    prefix = ("chrt", "--fifo", "1")
    try:
        may = subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        may = False
    return prefix if may else ()


def stop(process: subprocess.Popen[str]) -> None:
    """End a program by the end of its input, or else by a signal."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)


def build(*packages: str) -> Path:
    """Build Rust packages in release and return where their programs are."""
    names = [word for package in packages for word in ("-p", package)]
    subprocess.run(["cargo", "build", "--release", "--quiet", *names], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
