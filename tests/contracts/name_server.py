"""A name server on loopback that knows a few records (RFC 1035 §4, RFC 2782)."""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import define, field

A, SRV = 1, 33
Records = Mapping[tuple[str, int], Sequence[bytes]]


@define(eq=False)
class NameServer:
    """Its records may be exchanged while it runs."""

    address: str
    records: Records
    asked: list[str] = field(factory=list)


@contextmanager
def name_server(records: Records) -> Iterator[NameServer]:
    """Serve over UDP until the block is left."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        server = NameServer(f"127.0.0.1:{udp.getsockname()[1]}", records)

        def serve() -> None:
            while True:
                query, peer = udp.recvfrom(512)
                if not query:
                    return
                udp.sendto(_answer(server, query), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            udp.sendto(b"", udp.getsockname())
            thread.join()


def address(text: str) -> bytes:
    """The data of an A record."""
    return socket.inet_aton(text)


def service(priority: int, weight: int, port: int, target: str) -> bytes:
    """The data of an SRV record."""
    return struct.pack("!HHH", priority, weight, port) + _name(target)


def _answer(server: NameServer, query: bytes) -> bytes:
    number, *_ = struct.unpack("!H", query[:2])
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    (kind,) = struct.unpack("!H", query[at + 1 : at + 3])
    name = ".".join(labels)
    server.asked.append(name)
    data = server.records.get((name, kind), ())
    # Recursion available; 3 is "no such name".
    flags = 0x8180 | (0 if data else 3)
    head = struct.pack("!HHHHHH", number, flags, 1, len(data), 0, 0)
    records = [struct.pack("!HHHIH", 0xC00C, kind, 1, 5, len(one)) + one for one in data]
    return head + query[12 : at + 5] + b"".join(records)


def _name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"
