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
            host in (place, settings.advertised_address) or (place in ("0.0.0.0", "::") and _is_here(host))
            for place in places
        )

    return is_own


def _is_here(host: str) -> bool:
    """Whether this is an address of this machine: only those can be bound."""
    if host == "localhost":
        return True
    try:
        version = ipaddress.ip_address(host).version
        with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except (ValueError, OSError):
        return False
    return True
