"""A collector of HEPv3 that takes nothing which the protocol does not say."""

import socket
import struct

from attrs import frozen


@frozen
class Captured:
    """One packet, understood."""

    at_s: float
    source: tuple[str, int]
    target: tuple[str, int]
    ip_protocol: int
    agent: int
    password: str | None
    correlation: str
    payload: str


def read(packet: bytes) -> Captured:
    """Understand a packet. Raises `ValueError` or `KeyError` for one that breaks the rules."""
    magic, length = struct.unpack_from("!4sH", packet)
    if magic != b"HEP3" or length != len(packet):
        raise ValueError(f"{magic!r}, {length} of {len(packet)} bytes")
    chunks: dict[int, bytes] = {}
    at = 6
    while at < len(packet):
        vendor, kind, size = struct.unpack_from("!HHH", packet, at)
        if vendor != 0 or kind in chunks or not 6 <= size <= len(packet) - at:
            raise ValueError(f"chunk {vendor}/{kind} of {size} bytes")
        chunks[kind] = packet[at + 6 : at + size]
        at += size
    family = {2: socket.AF_INET, 10: socket.AF_INET6}[chunks[1][0]]
    addresses = (3, 4) if family == socket.AF_INET else (5, 6)
    source, target = (socket.inet_ntop(family, chunks[kind]) for kind in addresses)
    if chunks[11] != b"\x01":
        raise ValueError("not SIP")

    def number(kind: int) -> int:
        return int.from_bytes(chunks[kind])

    password = chunks.get(14)
    return Captured(
        number(9) + number(10) / 1e6,
        (source, number(7)),
        (target, number(8)),
        number(2),
        number(12),
        None if password is None else password.decode(),
        chunks[17].decode(),
        chunks[15].decode(),
    )
