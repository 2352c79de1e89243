"""`tandem doctor`: what keeps the exchange from working well here, each with its remedy."""

import calendar
import enum
import os
import resource
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import trio
import typer
from attrs import evolve, frozen
from rich.console import Console

from orchestrator.cli.client import DEFAULT_DATA_DIR, DEFAULT_URL, ApiError, Client, DataDir, Key, Url
from orchestrator.devices.engine.phone import PhoneAccount, open_phones
from orchestrator.model.certificate import Certificate
from orchestrator.model.errors import ResourceError

FILES_WANTED = 20_000
DISK_WANTED_BYTES = 1 << 30
CLOCK_FIRST_YEAR = 2025
LOOP_S = 2.0
RECEIVE_BUFFER_BYTES = 8 << 20
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


class Grade(enum.Enum):
    """How well it is with one thing, by the mark before it."""

    WELL = "✓"
    WARNING = "!"
    """Calls go on, worse or fewer than they could, or nothing can be said."""
    ILL = "✗"


@frozen
class Finding:
    """One thing looked at. `remedy` is empty where all is well."""

    what: str
    seen: str
    remedy: str = ""
    grade: Grade = Grade.WELL


def doctor(
    sip_port: Annotated[int, typer.Option(help="Port of SIP.")] = 5060,
    url: Url = DEFAULT_URL,
    key: Key = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Look at ports, trunks, database, media, clock and limits. ✓ is well, ! a warning, ✗ ill: then it exits with 1."""
    console = Console(highlight=False, soft_wrap=True)
    ill = False
    for finding in examine(sip_port, url, key, data_dir):
        console.print(f"{finding.grade.value} {finding.what}: {finding.seen}", markup=False)
        if finding.remedy:
            console.print(f"    → {finding.remedy}", markup=False)
        ill |= finding.grade is Grade.ILL
    if ill:
        raise typer.Exit(1)


def examine(sip_port: int, url: str, key: str | None, data_dir: Path) -> Iterator[Finding]:
    """Everything, one after the other."""
    exchange, parts = find_exchange(url)
    running = parts is not None
    yield exchange
    if parts and "listening" in parts:
        yield Finding("SIP", f"listens on {', '.join(parts['listening'])}")
    if parts and (ends_at := parts.get("certificate_ends_at")):
        yield certificate(datetime.fromisoformat(ends_at), datetime.fromtimestamp(_unix(), UTC))
    yield from _sip_ports(sip_port, running)
    if running:
        yield from _trunks(url, key, data_dir)
    yield data_folder(data_dir.absolute(), running)
    if (database := data_dir.absolute() / "tandem.db").exists():
        yield _database(database)
    yield _disk(data_dir)
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    yield receive_buffer()
    yield _clock()
    yield _media()


def find_exchange(url: str) -> tuple[Finding, dict[str, Any] | None]:
    """What answers at `url`, and what an exchange there says of its health."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/v1/health", timeout=3.0)
    except (httpx.TransportError, httpx.InvalidURL):
        remedy = "if one runs, name it with --url; otherwise start it: tandem serve"
        return Finding("exchange", f"none answers at {url}", remedy, Grade.WARNING), None
    try:
        parts = dict(answer.json())
        status = parts.pop("status")
    except (ValueError, TypeError, KeyError):
        remedy = "end it, or serve with --http-listen on another port"
        return Finding("exchange", f"something else answers at {url}", remedy, Grade.ILL), None
    if status == "ok":
        return Finding("exchange", f"answers at {url}"), parts
    failing = ", ".join(name for name, works in parts.items() if works is False)
    grade = Grade.ILL if answer.status_code == 503 else Grade.WARNING
    return Finding("exchange", f"{status} at {url}: {failing}", "its log says why", grade), parts


def certificate(ends_at: datetime, now: datetime) -> Finding:
    """Of SIP over TLS: how long phones and trunks will go on to trust it."""
    shown = Certificate(ends_at)
    if shown.trouble(now):
        remedy = "phones and trunks over TLS fail: renew it; the exchange takes new files by itself"
        return Finding("TLS certificate", f"ended on {ends_at:%Y-%m-%d}", remedy, Grade.ILL)
    seen = f"ends on {ends_at:%Y-%m-%d}, in {(ends_at - now).days} days"
    if shown.is_ending(now):
        remedy = (
            "renew it; what should have done so by itself does not. The exchange takes new files by itself"
        )
        return Finding("TLS certificate", seen, remedy, Grade.WARNING)
    return Finding("TLS certificate", seen)


def _unix() -> int:
    return calendar.timegm(time.gmtime())


def _sip_ports(port: int, running: bool) -> Iterator[Finding]:
    for name, kind in (("UDP", socket.SOCK_DGRAM), ("TCP", socket.SOCK_STREAM)):
        what = f"{name} {port}"
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError as error:
                if running:
                    yield Finding(
                        what, "in use: well if by this exchange; where it listens elsewhere, give --sip-port"
                    )
                else:
                    remedy = f"end what uses it (ss -lpn 'sport = :{port}'), or serve with --sip-listen on another port"
                    yield Finding(what, error.strerror or str(error), remedy, Grade.ILL)
            else:
                remedy = (
                    "the exchange does not listen there: name its port with --sip-port" if running else ""
                )
                yield Finding(what, "free", remedy, Grade.WARNING if running else Grade.WELL)


def _trunks(url: str, key: str | None, data_dir: Path) -> Iterator[Finding]:
    """How the trunks of all companies stand, as far as there is a key to ask with."""
    try:
        client = Client.open(url, key, data_dir)
        for company in client.pages("/companies"):
            own = evolve(client, company=company["id"])
            for trunk in own.get("/trunk-states"):
                yield trunk_finding(company["id"], trunk)
    except ApiError as error:
        yield Finding("trunks", f"cannot ask: {error}", _NO_KEY, Grade.WARNING)


def trunk_finding(company: str, trunk: Mapping[str, Any]) -> Finding:
    """What one of `/trunk-states` says, in words."""
    what = f"trunk {company}/{trunk['trunk']}"
    down = [one for one in trunk["servers"] if one["state"] == "down"]
    if down and trunk["state"] not in ("refused", "unreachable"):
        named = ", ".join(f"{_named(one)} ({one['status']} {one['reason']})" for one in down)
        seen = f"{len(down)} of {len(trunk['servers'])} servers give no answer: {named}"
        return Finding(what, seen, "calls go by the others; " + _remedy(down[0]["status"]), Grade.WARNING)
    match trunk["state"], trunk["status"]:
        case "refused", status:
            remedy = _remedy(status)
            return Finding(what, f"not registered: {status} {trunk['reason']}", remedy, Grade.ILL)
        case "registering", _:
            return Finding(what, "registering, no answer yet")
        case "unreachable", status:
            named = ", ".join(map(_named, down))
            seen = f"no answer from {named}: {status} {trunk['reason']}"
            return Finding(what, seen, _remedy(status), Grade.ILL)
        case "by_address", _:
            return Finding(what, "known by its address; a call shows whether it works")
        case "reachable", _:
            return Finding(what, "answers")
        case _:
            return Finding(what, "registered")


def _named(server: Mapping[str, Any]) -> str:
    host, address = server["host"], server["address"]
    return host if address is None else f"{host} at {address}"


def _remedy(status: int) -> str:
    return _TRUNK_REMEDIES.get(status, _ASK)


_NO_KEY = "give a key that may read the directory: --key, TANDEM_KEY, or operator.key in --data-dir"
_ASK = "ask the carrier what this answer means"
_CREDENTIALS = "compare username, password and realm with what the carrier gave you"
_TRUNK_REMEDIES = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    404: _CREDENTIALS,
    407: _CREDENTIALS,
    408: "look whether host, port and transport are right, and whether a firewall drops SIP",
    503: "look whether the host's name is right and can be looked up here, and whether the carrier works",
}


def data_folder(folder: Path, running: bool) -> Finding:
    """Whether an exchange started here could keep its data there, or does."""
    if not folder.exists():
        if running:
            remedy = "the exchange keeps its data elsewhere: name the folder with --data-dir"
            return Finding("data folder", f"there is no {folder}", remedy, Grade.WARNING)
        at = next(parent for parent in folder.parents if parent.exists())
        seen = f"{folder} will be made at the first start"
    else:
        at, seen = folder, f"{folder} can be written"
    if not (at.is_dir() and os.access(at, os.W_OK | os.X_OK)):
        remedy = "give it to the user that the exchange runs as (chown), or choose another with --data-dir"
        return Finding("data folder", f"{at} cannot be written", remedy, Grade.ILL)
    return Finding("data folder", seen)


def _database(path: Path) -> Finding:
    try:
        with sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=3.0) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        remedy = "check owner and rights of the data folder, and the disk"
        return Finding("database", f"{path}: {error}", remedy, Grade.ILL)
    if verdict != "ok":
        remedy = "stop the exchange and restore the last backup"
        return Finding("database", f"{path}: {verdict}", remedy, Grade.ILL)
    return Finding("database", f"{path} is whole")


def _disk(data_dir: Path) -> Finding:
    folder = next(f for f in (data_dir, *data_dir.absolute().parents) if f.exists())
    free = shutil.disk_usage(folder).free
    seen = f"{free / (1 << 30):.1f} GiB free at {folder.absolute()}"
    if free > DISK_WANTED_BYTES:
        return Finding("disk", seen)
    return Finding("disk", seen, "make room: a full disk refuses new calls", Grade.WARNING)


def open_files(hard: int) -> Finding:
    """The exchange raises its soft limit to the hard one by itself; each leg takes two sockets."""
    if hard >= FILES_WANTED or hard == resource.RLIM_INFINITY:
        return Finding("open files", "without limit" if hard == resource.RLIM_INFINITY else f"limit {hard}")
    remedy = (
        f"raise the hard limit to {FILES_WANTED} or more: LimitNOFILE= in the systemd unit, or limits.conf"
    )
    return Finding("open files", f"limit {hard}: about {hard // 4} calls at once", remedy, Grade.WARNING)


def receive_buffer(rmem_max: Path = RMEM_MAX) -> Finding:
    """The SIP socket asks for 8 MiB, so that a burst outlasts a pause; root gets it beyond the limit too."""
    limit = int(rmem_max.read_text()) if rmem_max.exists() else RECEIVE_BUFFER_BYTES
    seen = f"up to {limit // 1024} KiB"
    if limit >= RECEIVE_BUFFER_BYTES or os.geteuid() == 0:
        return Finding("UDP receive buffer", seen)
    remedy = f"bursts of SIP may be lost: sysctl -w net.core.rmem_max={RECEIVE_BUFFER_BYTES}"
    return Finding("UDP receive buffer", seen, remedy, Grade.WARNING)


def _clock(year: Callable[[], int] = lambda: time.gmtime().tm_year) -> Finding:
    if year() < CLOCK_FIRST_YEAR:
        remedy = "set the date and keep it: apt install systemd-timesyncd"
        return Finding("clock", f"says the year {year()}", remedy, Grade.ILL)
    return Finding("clock", "plausible")


def _media() -> Finding:
    """Two phones call each other over the native engine on loopback, and each must hear the other."""
    try:
        received, driver = trio.run(_loop)
    except ResourceError as error:
        return Finding("media", str(error), "free some loopback ports, then try again", Grade.ILL)
    if min(received) == 0:
        remedy = "a firewall on loopback drops UDP: allow it"
        return Finding("media", f"packets heard {received}", remedy, Grade.ILL)
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
