"""A running `tandem serve` with one company, as a load test sees it."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Self

from loadtests.machine import ROOT

HOST = "127.0.0.1"
SIP_PORT, HTTP_PORT = 15060, 18080
TANDEM = ROOT / ".venv" / "bin" / "tandem"


class Exchange:
    """Runs within a `with`; its data and its log lie in `folder`."""

    def __init__(self, folder: Path, company: dict[str, object], *options: str) -> None:
        self.folder = folder
        self.options = options
        self.process: subprocess.Popen[bytes]
        self._document = folder / "company.yaml"
        self._document.write_text(json.dumps(company), encoding="utf-8")  # JSON is YAML too

    def __enter__(self) -> Self:
        if not TANDEM.exists():
            raise SystemExit("Tandem is not built; run: scripts/setup test")
        command = [
            str(TANDEM),
            "serve",
            f"--data-dir={self.folder / 'data'}",
            f"--sip-listen=udp:{HOST}:{SIP_PORT}",
            f"--http-listen={HOST}:{HTTP_PORT}",
            f"--media-address={HOST}",
            f"--company={self._document}",
            "--log-level=warning",
            *self.options,
        ]
        ours = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
        with (self.folder / "serve.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=ours)
        try:
            self._wait_until_up()
        except BaseException:
            end(self.process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)

    def metric(self, name: str) -> float:
        """A figure of its metrics; -1 if there is none of that name."""
        key = (self.folder / "data" / "operator.key").read_text(encoding="utf-8").strip()
        url = f"http://{HOST}:{HTTP_PORT}/metrics"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
        found = re.search(rf"^{name} (\S+)", text, re.MULTILINE)
        return float(found[1]) if found else -1.0

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far by thread name."""
        used: dict[str, float] = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                name = (task / "comm").read_text(encoding="utf-8").strip()
                seconds = int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
            except FileNotFoundError:
                continue
            used[name] = used.get(name, 0.0) + seconds
        return used

    def rss_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+)", status)
        return int(found[1]) / 1024 if found else 0.0

    def _wait_until_up(self) -> None:
        """Until it says so, which it does once the company is there."""
        log = self.folder / "serve.log"
        for _ in range(600):
            text = log.read_text(encoding="utf-8")
            if "Tandem is up" in text:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit("the exchange does not start:\n" + log.read_text(encoding="utf-8"))


def settle() -> None:
    """Finished transactions are remembered for 32 s (RFC 3261 §17); wait until they are forgotten."""
    time.sleep(36)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a program that was started here."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
