"""`tandem doctor`: what keeps the exchange from working well here, each with its remedy."""

import os
import resource
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import httpx
import trio
import typer
from attrs import frozen
from rich.console import Console

from orchestrator.cli.client import DEFAULT_URL, DataDir, Url
from orchestrator.devices.engine.phone import PhoneAccount, open_phones
from orchestrator.model.errors import ResourceError

FILES_WANTED = 20_000
DISK_WANTED_BYTES = 1 << 30
CLOCK_FIRST_YEAR = 2025
LOOP_S = 2.0
RECEIVE_BUFFER_BYTES = 8 << 20
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


@frozen
class Finding:
    """One thing looked at. `remedy` is empty where all is well."""

    what: str
    seen: str
    remedy: str = ""


def doctor(
    sip_port: Annotated[int, typer.Option(help="Port of SIP.")] = 5060,
    url: Url = DEFAULT_URL,
    data_dir: DataDir = Path("data"),
) -> None:
    """Look at ports, database, media, clock and limits. Exits with 1 if something needs a remedy."""
    console = Console(highlight=False)
    ill = False
    for finding in examine(sip_port, url, data_dir):
        console.print(f"{'✗' if finding.remedy else '✓'} {finding.what}: {finding.seen}", markup=False)
        if finding.remedy:
            ill = True
            console.print(f"    → {finding.remedy}", markup=False)
    if ill:
        raise typer.Exit(1)


def examine(sip_port: int, url: str, data_dir: Path) -> Iterator[Finding]:
    """Everything, one after the other."""
    running = _running(url)
    yield Finding("exchange", f"answers at {url}" if running else f"none at {url}")
    yield from _sip_ports(sip_port, running)
    yield _database(data_dir)
    yield _disk(data_dir)
    yield _files()
    yield receive_buffer()
    yield _clock()
    yield _media()


def _running(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/health", timeout=3.0).status_code in (200, 503)
    except (httpx.TransportError, httpx.InvalidURL):
        return False


def _sip_ports(port: int, running: bool) -> Iterator[Finding]:
    for name, kind in (("UDP", socket.SOCK_DGRAM), ("TCP", socket.SOCK_STREAM)):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as error:
                if running:
                    yield Finding(f"{name} {port}", "in use, by the exchange as it should be")
                else:
                    yield Finding(
                        f"{name} {port}",
                        error.strerror or str(error),
                        f"end what uses it (ss -lp 'sport = :{port}'), or serve with --sip-listen on another port",
                    )
            else:
                yield Finding(f"{name} {port}", "free")


def _database(data_dir: Path) -> Finding:
    path = data_dir / "tandem.db"
    if not path.exists():
        return Finding("database", f"{path} will be made at the first start")
    try:
        with sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=3.0) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        return Finding(
            "database", f"{path}: {error}", "check owner and rights of the data folder, and the disk"
        )
    if verdict != "ok":
        return Finding("database", f"{path}: {verdict}", "stop the exchange and restore the last backup")
    return Finding("database", f"{path} is whole")


def _disk(data_dir: Path) -> Finding:
    folder = next(f for f in (data_dir, *data_dir.absolute().parents) if f.exists())
    free = shutil.disk_usage(folder).free
    seen = f"{free / (1 << 30):.1f} GiB free at {folder}"
    return Finding(
        "disk", seen, "" if free > DISK_WANTED_BYTES else "make room: a full disk refuses new calls"
    )


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= FILES_WANTED or soft == resource.RLIM_INFINITY:
        return Finding("open files", f"limit {soft}")
    calls = soft // 4
    remedy = f"raise it to {FILES_WANTED} or more: ulimit -n, or LimitNOFILE= in the systemd unit (hard limit {hard})"
    return Finding("open files", f"limit {soft}: about {calls} calls at once", remedy)


def receive_buffer(rmem_max: Path = RMEM_MAX) -> Finding:
    """The SIP socket asks for 8 MiB, so that a burst outlasts a pause; root gets it beyond the limit too."""
    limit = int(rmem_max.read_text()) if rmem_max.exists() else RECEIVE_BUFFER_BYTES
    seen = f"up to {limit // 1024} KiB"
    if limit >= RECEIVE_BUFFER_BYTES or os.geteuid() == 0:
        return Finding("UDP receive buffer", seen)
    remedy = f"bursts of SIP may be lost: sysctl -w net.core.rmem_max={RECEIVE_BUFFER_BYTES}"
    return Finding("UDP receive buffer", seen, remedy)


def _clock(year: Callable[[], int] = lambda: time.gmtime().tm_year) -> Finding:
    if year() < CLOCK_FIRST_YEAR:
        return Finding(
            "clock", f"says the year {year()}", "set the date and keep it: apt install systemd-timesyncd"
        )
    return Finding("clock", "plausible")


def _media() -> Finding:
    """Two phones call each other over the native engine on loopback, and each must hear the other."""
    try:
        received, driver = trio.run(_loop)
    except ResourceError as error:
        return Finding("media", str(error), "free some loopback ports, then try again")
    if min(received) == 0:
        return Finding("media", f"packets heard {received}", "a firewall on loopback drops UDP: allow it")
    return Finding("media", f"sound both ways ({received[0]} and {received[1]} packets) through {driver}")


async def _loop() -> tuple[tuple[int, int], str]:
    """Packets that each of two phones got from the other, and by which means; the called one is reached by address."""
    async with (
        open_phones(["udp:127.0.0.1:0"]) as called_side,
        open_phones(["udp:127.0.0.1:0"]) as calling_side,
    ):
        port = int(called_side.listening[0].rpartition(":")[2])
        own_port = int(calling_side.listening[0].rpartition(":")[2])
        called = called_side.add(PhoneAccount(user="called", domain="doctor", port=own_port))
        caller = calling_side.add(PhoneAccount(user="caller", domain="doctor", port=port))
        call = caller.call("called")
        received = [0, 0]
        with trio.move_on_after(4 * LOOP_S):
            answered = await called.incoming.receive()
            answered.answer()
            if await call.answered():
                call.send_tone(440)
                answered.send_tone(1000)
                await trio.sleep(LOOP_S)
            call.hang_up()
            ends = await call.ended(), await answered.ended()
            received = [end.media.packets_received if end.media else 0 for end in ends]
        driver = "io_uring" if called_side.engine.counters()["media_io_urings"] else "epoll"
        return (received[0], received[1]), driver
