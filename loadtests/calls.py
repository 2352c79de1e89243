"""Call set-up with real decisions: SIPp calls a DID through a trunk, Tandem leads it to a person's phone, SIPp answers.

The journal is on, media are anchored (SIPp sends none), both generators share the machine with Tandem. The rate is
raised until calls fail; the highest one that stays clean for the whole time is reported.
"""

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from loadtests.machine import ROOT, describe

TANDEM = ROOT / ".venv" / "bin" / "tandem"
HOST = "127.0.0.1"
SIP_PORT, HTTP_PORT, CALLER_PORT, CALLEE_PORT = 15060, 18080, 15080, 15070
DID = "+74951234501"
COMPANY = "load"
DOMAIN = "load.example"
HOLD_MS = 100
WANTED_RATE = 800
WANTED_PYTHON_MS = 0.6
FAILOVER_RATE = 50
MEMORY_S = 40
"""Longer than finished calls are remembered (RFC 3261 §17): after that only what leaks grows."""


def run(*, quick: bool) -> dict[str, object]:
    """Find the highest clean rate, then look at memory over many calls and at failover."""
    if shutil.which("sipp") is None:
        raise SystemExit("calls: SIPp is missing (Debian package sip-tester)")
    if not TANDEM.exists():
        raise SystemExit("calls: Tandem is not built; run: scripts/setup test")
    seconds = 5 if quick else 20
    rates = (400, 800, 1200) if quick else (400, 800, 1000, 1200, 1400, 1600, 2000)
    with tempfile.TemporaryDirectory() as folder, Exchange(Path(folder)) as exchange:
        # First, while the exchange has decided nothing else: it keeps the newest decisions only.
        failover = exchange.failover_p99_ms(5 if quick else 20)
        rounds: list[Round] = []
        print(describe())
        print(f"{'calls/s':>8}{'failed':>8}{'setup p50':>11}{'p99 ms':>8}{'Python ms/call':>16}   CPU %")
        for rate in rates:
            round_ = exchange.measure(rate, seconds)
            print(round_.row(), flush=True)
            rounds.append(round_)
            if round_.failed:
                break
        clean = [r for r in rounds if not r.failed] or rounds[:1]
        best = clean[-1] if not clean[-1].failed else None
        # Memory needs minutes to tell anything.
        growth = None if quick else exchange.growth_mb(100_000, WANTED_RATE)
    at = best or rounds[0]
    python_ms = at.python_ms
    result: dict[str, object] = {
        "test": "calls",
        "machine": describe(),
        "calls_per_s_sustained": best.rate if best else 0,
        "seconds": seconds,
        "failed": sum(r.failed for r in clean),
        "setup_p99_ms": at.setup_p99_ms,
        "python_ms_per_call": round(python_ms, 3),
        "threads_cpu_percent": {name: round(share) for name, share in at.threads.items()},
        "failover_p99_ms": failover,
        "rss_mb_after_100k_calls_growth": growth,
    }
    reached = best is not None and best.rate >= WANTED_RATE
    return result | {"passed": reached and python_ms <= WANTED_PYTHON_MS}


@dataclass
class Round:
    """One rate for some seconds."""

    rate: int
    failed: int
    setup_p50_ms: float
    setup_p99_ms: float
    python_ms: float
    threads: dict[str, float]

    def row(self) -> str:
        """For the table."""
        shares = " ".join(f"{name} {share:.0f}" for name, share in self.threads.items() if share >= 1)
        times = f"{self.setup_p50_ms:>11.1f}{self.setup_p99_ms:>8.1f}{self.python_ms:>16.3f}"
        return f"{self.rate:>8}{self.failed:>8}{times}   {shares}"


class Exchange:
    """A running `tandem serve` with one company, and the SIPp programs around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes]
        self.callee: subprocess.Popen[bytes]

    def __enter__(self) -> "Exchange":
        document = self.folder / "company.yaml"
        document.write_text(json.dumps(_company()), encoding="utf-8")  # JSON is YAML too
        command = [str(TANDEM), "serve"]
        options = [
            f"--data-dir={self.folder / 'data'}",
            f"--sip-listen=udp:{HOST}:{SIP_PORT}",
            f"--http-listen={HOST}:{HTTP_PORT}",
            f"--media-address={HOST}",
            "--media-ports=20000-59999",
            f"--company={document}",
            "--log-level=warning",
        ]
        with (self.folder / "serve.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *options],
                stdout=log,
                stderr=log,
                env=_environment(),
            )
        try:
            self._wait_until_up()
            _register("anna-desk", CALLEE_PORT)
        except BaseException:
            _end(self.process)
            raise
        self.callee = self._sipp("uas", CALLEE_PORT, "-sn", "uas")
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        _end(self.callee)
        _end(self.process)

    def measure(self, rate: int, seconds: int, did: str = DID) -> Round:
        """Call at `rate` for `seconds`."""
        before = _cpu(self.process.pid)
        started = time.monotonic()
        failed, times = self._call(rate, rate * seconds, did)
        took = time.monotonic() - started
        after = _cpu(self.process.pid)
        used = {name: after[name] - before.get(name, 0.0) for name in after}
        python = sum(
            share for name, share in used.items() if name not in RUST_THREADS and "media" not in name
        )
        threads = {
            name: 100 * share / took for name, share in sorted(used.items(), key=lambda item: -item[1])
        }
        return Round(
            rate,
            failed,
            _quantile(times, 0.5),
            _quantile(times, 0.99),
            1000 * python / (rate * seconds),
            threads,
        )

    def growth_mb(self, calls: int, rate: int) -> float:
        """How much the process grows over `calls` calls, once it is as large as calls at this rate make it."""
        self._call(rate, rate * MEMORY_S, DID)
        _settle()
        before = _rss_mb(self.process.pid)
        self._call(rate, calls, DID)
        _settle()
        return round(_rss_mb(self.process.pid) - before, 1)

    def failover_p99_ms(self, seconds: int) -> float:
        """INVITE in to INVITE out where the first device is offline."""
        self._call(FAILOVER_RATE, FAILOVER_RATE * seconds, DID)
        time.sleep(0.6)
        url = f"http://{HOST}:{HTTP_PORT}/metrics"
        key = (self.folder / "data" / "operator.key").read_text(encoding="utf-8").strip()
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
        found = re.search(r"^tandem_setup_p99_us (\S+)", text, re.MULTILINE)
        return float(found[1]) / 1000 if found else -1.0

    def _call(self, rate: int, calls: int, did: str) -> tuple[int, list[float]]:
        for old in self.folder.glob("uac*"):
            old.unlink()
        limit = calls // rate + 40
        caller = self._sipp(
            "uac", CALLER_PORT, "-sn", "uac", "-s", did, "-r", str(rate), "-m", str(calls), "-d", str(HOLD_MS),
            "-timeout", str(limit), "-trace_stat", "-stf", str(self.folder / "uac.csv"), "-fd", "1",
            "-trace_rtt", "-rtt_freq", "200", f"{HOST}:{SIP_PORT}",
        )  # fmt: skip
        caller.wait(limit + 20)
        last = list(csv.DictReader((self.folder / "uac.csv").open(encoding="utf-8"), delimiter=";"))[-1]
        done = int(last["SuccessfulCall(C)"])
        times: list[float] = []
        for file in self.folder.glob("uac_*_rtt.csv"):
            rows = csv.reader(file.open(encoding="utf-8"), delimiter=";")
            times += [float(row[1]) for row in rows if len(row) >= 2 and row[1].replace(".", "").isdigit()]
        return calls - done, times

    def _sipp(self, name: str, port: int, *options: str) -> "subprocess.Popen[bytes]":
        common = [
            "-i",
            HOST,
            "-p",
            str(port),
            "-mp",
            str(port + 1000),
            "-buff_size",
            "4194304",
            "-nostdin",
            "-l",
            "15000",
        ]
        with (self.folder / f"{name}.out").open("wb") as out:
            return subprocess.Popen(
                ["sipp", *options, *common], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def _wait_until_up(self) -> None:
        """Until it says so, which it does once the company is there."""
        log = self.folder / "serve.log"
        for _ in range(200):
            text = log.read_text(encoding="utf-8")
            if "Tandem is up" in text:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit("calls: the exchange does not start:\n" + log.read_text(encoding="utf-8"))


RUST_THREADS = frozenset({"sip", "resolver", "media-writer"})


def _company() -> dict[str, object]:
    devices = [
        {"id": "anna-off", "kind": "desk", "password": "not-here"},
        {"id": "anna-desk", "kind": "desk", "password": "desk-secret"},
    ]
    return {
        "company": COMPANY,
        "name": "Load",
        "domain": DOMAIN,
        "terminal": {"announcement": "unavailable"},
        "trunks": [{"id": "carrier", "host": HOST, "port": CALLER_PORT, "caller_number": "+74951234500"}],
        "people": [{"id": "anna", "name": "Anna", "extension": "101", "devices": devices}],
        "numbers": [{"number": DID, "to": {"person": "anna"}}],
    }


def _register(user: str, port: int) -> None:
    """Register as a phone would, from the address that SIPp answers on afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((HOST, port))
        phone.settimeout(5)
        uri = f"sip:{DOMAIN}"
        credentials = ""
        for cseq in (1, 2):
            lines = [
                f"REGISTER {uri} SIP/2.0",
                f"Via: SIP/2.0/UDP {HOST}:{port};branch=z9hG4bK-load-{cseq}",
                f"From: <sip:{user}@{DOMAIN}>;tag=load",
                f"To: <sip:{user}@{DOMAIN}>",
                "Call-ID: load-register",
                f"CSeq: {cseq} REGISTER",
                f"Contact: <sip:{user}@{HOST}:{port}>",
                "Max-Forwards: 70",
                "Expires: 3600",
                *([credentials] if credentials else []),
                "Content-Length: 0",
            ]
            phone.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), (HOST, SIP_PORT))
            answer = phone.recv(65_535).decode()
            if answer.startswith("SIP/2.0 200"):
                return
            found = re.search(r'realm="([^"]*)", nonce="([^"]*)"', answer)
            if found is None:
                raise SystemExit(f"calls: cannot register: {answer.splitlines()[0]}")
            realm, nonce = found.groups()
            ha1 = md5(f"{user}:{realm}:desk-secret".encode()).hexdigest()
            ha2 = md5(f"REGISTER:{uri}".encode()).hexdigest()
            response = md5(f"{ha1}:{nonce}:00000001:load:auth:{ha2}".encode()).hexdigest()
            credentials = (
                f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
                f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="load"'
            )
    raise SystemExit("calls: the register was refused twice")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cpu(pid: int) -> dict[str, float]:
    """CPU seconds by thread name."""
    used: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text(encoding="utf-8").strip()
            seconds = int((task / "schedstat").read_text(encoding="utf-8").split()[0]) / 1e9
        except FileNotFoundError:
            continue
        used[name] = used.get(name, 0.0) + seconds
    return used


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def _settle() -> None:
    """Finished calls are remembered for 32 s (RFC 3261 §17); wait until they are forgotten."""
    time.sleep(36)


def _quantile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
