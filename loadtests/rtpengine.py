"""Debian's rtpengine as a rival: started unprivileged, given calls by its "ng" protocol (bencode over UDP)."""

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence

from loadtests import machine

CONTROL = ("127.0.0.1", 22222)
COMMAND = (
    "rtpengine",
    "--config-file=none",
    "--interface=127.0.0.1",
    f"--listen-ng={CONTROL[0]}:{CONTROL[1]}",
    "--table=-1",
    "-f",
    "-E",
    "-m",
    "40000",
    "-M",
    "48000",
    "--log-level=3",
)


class Rtpengine:
    """A running rtpengine. `start` returns None where it is not installed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.control.settimeout(2)
        self.control.connect(CONTROL)

    @classmethod
    def start(cls, core: int) -> "Rtpengine | None":
        """Start it on one core and wait until it answers."""
        if shutil.which(COMMAND[0]) is None:
            return None
        rtpengine = cls(machine.start(COMMAND, core=core, quiet=True))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                if rtpengine.ask({"command": "ping"}).get("result") == "pong":
                    return rtpengine
            except OSError:
                time.sleep(0.1)
        rtpengine.stop()
        raise RuntimeError("rtpengine does not answer")

    def add_calls(self, far_ports: Sequence[int]) -> list[int]:
        """A call for each pair of far ends; returns the ports that they send to, in the same order."""
        ports = []
        for caller, callee in zip(far_ports[::2], far_ports[1::2], strict=True):
            call = {"call-id": secrets.token_hex(8), "from-tag": "a"}
            to_callee = self.ask({"command": "offer", "sdp": session(caller), **call})
            to_caller = self.ask({"command": "answer", "sdp": session(callee), "to-tag": "b", **call})
            # The answer's description goes to the caller, who sends to the port in it.
            ports += [audio_port(to_caller["sdp"]), audio_port(to_callee["sdp"])]
        return ports

    def ask(self, request: Mapping[str, str]) -> dict[str, str]:
        """One question and its answer."""
        cookie = secrets.token_hex(4).encode()
        self.control.send(cookie + b" " + bencode(request))
        answer = self.control.recv(65536)
        if not answer.startswith(cookie):
            raise RuntimeError("rtpengine answers something else")
        return bdecode(answer[len(cookie) + 1 :])

    def stop(self) -> None:
        """End it."""
        self.control.close()
        self.process.terminate()
        machine.stop(self.process)


def session(port: int) -> str:
    """A description of one far end, as plain as rtpengine takes it."""
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )


def audio_port(sdp: str) -> int:
    """The port of the first audio line."""
    line = next(line for line in sdp.splitlines() if line.startswith("m=audio "))
    return int(line.split()[1])


def bencode(value: Mapping[str, str]) -> bytes:
    """A dictionary of strings in bencode."""

    def text(word: str) -> bytes:
        data = word.encode()
        return str(len(data)).encode() + b":" + data

    return b"d" + b"".join(text(key) + text(value[key]) for key in sorted(value)) + b"e"


def bdecode(data: bytes) -> dict[str, str]:
    """The strings of a dictionary in bencode; values of other kinds are left out."""
    value, _ = decode_at(data, 0)
    if not isinstance(value, dict):
        raise ValueError("not a dictionary")
    return {key: item for key, item in value.items() if isinstance(key, str) and isinstance(item, str)}


def decode_at(data: bytes, at: int) -> tuple[object, int]:
    """The value that begins at `at`, and where it ends."""
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        items: list[object] = []
        at += 1
        while data[at : at + 1] != b"e":
            item, at = decode_at(data, at)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        return dict(zip(items[::2], items[1::2], strict=True)), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end].decode(errors="replace"), end
