"""Debian's Kamailio as a rival: a registrar in memory, one password for everybody, nothing written to a disk."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

from loadtests.exchange import HOST, end

PORT = 15160
CONFIG = """
debug=0
log_stderror=yes
children=2
auto_aliases=no
listen=udp:{host}:{port}
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "hash_size", 14)
request_route {{
    if (method != "REGISTER") {{ sl_send_reply("404", "Not Found"); exit; }}
    if (!pv_www_authenticate("{realm}", "{password}", "0")) {{ www_challenge("{realm}", "1"); exit; }}
    save("location");
}}
"""


class Kamailio:
    """Runs within a `with`."""

    def __init__(self, folder: Path, realm: str, password: str) -> None:
        self.config = folder / "kamailio.cfg"
        self.config.write_text(
            CONFIG.format(host=HOST, port=PORT, realm=realm, password=password), encoding="utf-8"
        )
        self.process: subprocess.Popen[bytes]

    @staticmethod
    def is_there() -> bool:
        """Whether it is installed (Debian package kamailio)."""
        return shutil.which("kamailio") is not None

    def __enter__(self) -> Self:
        command = ["kamailio", "-f", str(self.config), "-DD", "-m", "256", "-Y", str(self.config.parent)]
        with (self.config.parent / "kamailio.log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        time.sleep(2)
        if self.process.poll() is not None:
            raise SystemExit("Kamailio does not start:\n" + log_of(self.config.parent))
        return self

    def __exit__(self, *_: object) -> None:
        end(self.process)

    def cpu_s(self) -> float:
        """CPU seconds of all its processes so far."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [str(self.process.pid), *children.read_text(encoding="ascii").split()]
        stats = [Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii") for pid in pids]
        return sum(int(stat.split()[0]) for stat in stats) / 1e9


def log_of(folder: Path) -> str:
    """What it has said."""
    return (folder / "kamailio.log").read_text(encoding="utf-8", errors="replace")
