"""Call set-up with real decisions: SIPp calls a DID through a trunk, Tandem leads it to a person's phone, SIPp answers.

The journal is on, media are anchored (SIPp sends none), both generators share the machine with Tandem. The rate is
raised until calls fail; the highest one that stays clean for the whole time is reported.
"""

import re
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Self

from loadtests import sipp
from loadtests.exchange import HOST, SIP_PORT, Exchange, end, settle
from loadtests.machine import describe
from loadtests.sipp import Outcome

CALLER_PORT, CALLEE_PORT = 15080, 15070
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
    sipp.need()
    seconds = 5 if quick else 20
    rates = (400, 800, 1200) if quick else (400, 800, 1000, 1200, 1400, 1600, 2000)
    with (
        tempfile.TemporaryDirectory() as folder,
        Exchange(Path(folder), _company(), "--media-ports=20000-59999") as exchange,
        Line(Path(folder), exchange) as line,
    ):
        # First, while the exchange has decided nothing else: it keeps the newest decisions only.
        failover = line.failover_p99_ms(5 if quick else 20)
        rounds: list[Round] = []
        print(describe())
        print(f"{'calls/s':>8}{'failed':>8}{'setup p50':>11}{'p99 ms':>8}{'Python ms/call':>16}   CPU %")
        for rate in rates:
            round_ = line.measure(rate, seconds)
            print(round_.row(), flush=True)
            rounds.append(round_)
            if round_.failed:
                break
        clean = [r for r in rounds if not r.failed] or rounds[:1]
        best = clean[-1] if not clean[-1].failed else None
        # Memory needs minutes to tell anything.
        growth = None if quick else line.growth_mb(100_000, WANTED_RATE)
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


class Line:
    """The exchange, SIPp as a carrier that calls its DID, and SIPp as the phone that answers."""

    def __init__(self, folder: Path, exchange: Exchange) -> None:
        self.folder = folder
        self.exchange = exchange
        self.callee: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        _register("anna-desk", CALLEE_PORT)
        self.callee = sipp.start(self.folder, "uas", CALLEE_PORT, "-sn", "uas", "-l", "15000")
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        end(self.callee)

    def measure(self, rate: int, seconds: int) -> Round:
        """Call at `rate` for `seconds`."""
        before = self.exchange.cpu()
        started = time.monotonic()
        outcome = self._call(rate, rate * seconds)
        took = time.monotonic() - started
        after = self.exchange.cpu()
        used = {name: after[name] - before.get(name, 0.0) for name in after}
        python = sum(
            share for name, share in used.items() if name not in RUST_THREADS and "media" not in name
        )
        threads = {
            name: 100 * share / took for name, share in sorted(used.items(), key=lambda item: -item[1])
        }
        return Round(
            rate,
            outcome.failed,
            outcome.quantile(0.5),
            outcome.quantile(0.99),
            1000 * python / (rate * seconds),
            threads,
        )

    def growth_mb(self, calls: int, rate: int) -> float:
        """How much the process grows over `calls` calls, once it is as large as calls at this rate make it."""
        self._call(rate, rate * MEMORY_S)
        settle()
        before = self.exchange.rss_mb()
        self._call(rate, calls)
        settle()
        return round(self.exchange.rss_mb() - before, 1)

    def failover_p99_ms(self, seconds: int) -> float:
        """INVITE in to INVITE out where the first device is offline."""
        self._call(FAILOVER_RATE, FAILOVER_RATE * seconds)
        time.sleep(0.6)
        found_us = self.exchange.metric("tandem_setup_p99_us")
        return found_us / 1000 if found_us >= 0 else -1.0

    def _call(self, rate: int, calls: int) -> Outcome:
        options = ("-sn", "uac", "-s", DID, "-d", str(HOLD_MS))
        return sipp.run(self.folder, CALLER_PORT, SIP_PORT, rate, calls, *options)


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
