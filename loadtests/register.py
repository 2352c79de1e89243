"""Registrations: 20,000 phones come, and refresh. SIPp asks, Kamailio is the rival.

A refresh is what phones do: a REGISTER, the challenge, a REGISTER with the answer to it. Tandem knows each phone by
its own password and keeps where it is over a restart; the rival has one password for everybody and writes nothing:
the easier work. All share the machine's cores, and both are measured in turn.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtests import kamailio, sipp
from loadtests.exchange import SIP_PORT, Exchange, settle
from loadtests.kamailio import Kamailio
from loadtests.machine import describe

USERS = 20_000
PHONE_PORT = 15090
DOMAIN = "load.example"
PASSWORD = "long-secret"  # of phones that exist only here
SCENARIO = Path(__file__).with_name("register.xml")
RATES = (500, 1000, 2000, 3000, 4000, 6000)
TURNS = 3
COMPARED_AT = 1000
WANTED_CPU_RATIO = 2.0
OPTIONS = ("--max-requests-of-source=1000000",)
"""All phones are behind one address here."""


def run(*, quick: bool) -> dict[str, object]:
    """Let all come, compare refreshes with the rival's, then refresh faster until one fails."""
    sipp.need()
    users = 2_000 if quick else USERS
    with tempfile.TemporaryDirectory() as text, Exchange(Path(text), _company(users), *OPTIONS) as exchange:
        phones = Phones(Path(text), users)
        print(describe())
        before_mb = exchange.rss_mb()
        first = phones.register(SIP_PORT, COMPARED_AT, users)
        print(f"{users} phones came at {COMPARED_AT}/s: {first.failed} failed", flush=True)
        kb = None
        if not quick:
            settle()
            kb = round((exchange.rss_mb() - before_mb) * 1024 / users, 1)
            print(f"each keeps {kb} kB", flush=True)
        ratio = _compare(Path(text), phones, lambda: sum(exchange.cpu().values()), users)
        print(f"{'refreshes/s':>12}{'failed':>8}{'p50 ms':>9}{'p99 ms':>9}{'CPU us each':>13}")
        best: Round | None = None
        for rate in RATES:
            before_s = sum(exchange.cpu().values())
            outcome = phones.register(SIP_PORT, rate, users)
            cpu_us = 1e6 * (sum(exchange.cpu().values()) - before_s) / users
            round_ = Round(rate, outcome.quantile(0.99))
            p50 = outcome.quantile(0.5)
            print(f"{rate:>12}{outcome.failed:>8}{p50:>9.1f}{round_.p99_ms:>9.1f}{cpu_us:>13.0f}", flush=True)
            if outcome.failed:
                break
            best = round_
    reached = first.failed == 0 and best is not None and best.rate >= COMPARED_AT
    return {
        "test": "register",
        "machine": describe(),
        "users": users - first.failed,
        "refresh_per_s": best.rate if best else 0,
        "p99_ms": best.p99_ms if best else -1.0,
        "kb_per_registration": kb,
        "cpu_vs_kamailio_register": ratio,
        "passed": reached and (ratio is None or ratio <= WANTED_CPU_RATIO),
    }


@dataclass
class Round:
    """A rate that all phones refreshed at."""

    rate: int
    p99_ms: float


class Phones:
    """SIPp as many phones. Each has its Call-ID and counts its registers, as RFC 3261 §10.2 wants."""

    def __init__(self, folder: Path, users: int) -> None:
        self.folder = folder
        self.rounds = 0
        rows = [f"{_user(n)};[authentication username={_user(n)} password={PASSWORD}]" for n in range(users)]
        (folder / "users.csv").write_text("\n".join(["SEQUENTIAL", *rows, ""]), encoding="utf-8")

    def register(self, to: int, rate: int, users: int) -> sipp.Outcome:
        """The first `users` of them register, or refresh, with what listens on `to`."""
        self.rounds += 1
        return sipp.run(
            self.folder, PHONE_PORT, to, rate, users, "-sf", str(SCENARIO), "-inf", "users.csv",
            "-key", "round", str(self.rounds), "-cid_str", "%u@load",
        )  # fmt: skip


def _compare(folder: Path, phones: Phones, cpu_s: Callable[[], float], users: int) -> float | None:
    """Our CPU time for a refresh over the rival's, at the same rate, in turn; None where the rival is missing."""
    if not Kamailio.is_there():
        print("Kamailio is missing (Debian package kamailio): there is nobody to compare with")
        return None
    ratios = []
    with Kamailio(folder, DOMAIN, PASSWORD) as rival:
        phones.register(kamailio.PORT, COMPARED_AT, users)
        for turn in range(TURNS):
            cost = []
            for cpu, port in ((cpu_s, SIP_PORT), (rival.cpu_s, kamailio.PORT)):
                before_s = cpu()
                outcome = phones.register(port, COMPARED_AT, users)
                if outcome.failed:
                    raise SystemExit(
                        f"{outcome.failed} of {users} refreshes at {COMPARED_AT}/s failed on port {port}"
                    )
                cost.append(1e6 * (cpu() - before_s) / users)
            ratios.append(cost[0] / cost[1])
            print(f"turn {turn + 1}: {cost[0]:.0f} us a refresh, Kamailio {cost[1]:.0f}", flush=True)
    return round(median(ratios), 2)


def _user(number: int) -> str:
    return f"p{number:05}-desk"


def _company(users: int) -> dict[str, object]:
    def person(number: int) -> dict[str, object]:
        device = {"id": _user(number), "kind": "desk", "password": PASSWORD}
        return {
            "id": f"p{number:05}",
            "name": f"Person {number}",
            "extension": f"{100_000 + number}",
            "devices": [device],
        }

    return {
        "company": "load",
        "name": "Load",
        "domain": DOMAIN,
        "terminal": {"announcement": "unavailable"},
        "people": [person(number) for number in range(users)],
    }
