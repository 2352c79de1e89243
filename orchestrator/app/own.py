"""Which addresses are the exchange's own: a trunk that leads there would send its calls round in circles."""

import ipaddress
import socket
from collections.abc import Callable

from orchestrator.settings import Settings


def own_addresses(settings: Settings) -> Callable[[str, int, str], bool]:
    """Whether a host, port and transport are ours, as far as that shows without a look-up of names."""
    listening = {tuple(one.rpartition(":")[::2]) for one in settings.sip_listen}

    def is_own(host: str, port: int, transport: str) -> bool:
        places = [
            at.partition(":")[2].strip("[]")
            for at, of in listening
            if of == str(port) and at.startswith(transport)
        ]
        return any(
            _is(host, place)
            or _is(host, settings.advertised_address or place)
            or (place in ("0.0.0.0", "::") and _is_here(host))
            for place in places
        )

    return is_own


def _is(host: str, place: str) -> bool:
    """Whether a host is this address, however it is spelled."""
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(place)
    except ValueError:
        return host == place or (host == "localhost" and place in ("127.0.0.1", "::1"))


def _is_here(host: str) -> bool:
    """Whether this is an address of this machine: only those can be bound, unless it is set up to take over others'
    (`ip_nonlocal_bind`). Then nothing shows but what every machine has."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or (_binds(host) and not _binds(_NOBODYS[address.version]))


def _binds(host: str) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


_NOBODYS = {4: "240.0.0.1", 6: "100::1"}
"""Addresses that no machine has: RFC 1112 §4 keeps the one back, RFC 6666 gives the other to nobody."""
