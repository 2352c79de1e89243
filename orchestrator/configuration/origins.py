"""Where the calls of a trunk come from: the addresses by which it is known."""

import ipaddress
from collections.abc import Iterator

from orchestrator.model.directory import Trunk, TrunkHost

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Origin = Network | str
"""Addresses, or the name of a host whose addresses are not known here."""


def origins_of(trunk: Trunk) -> Iterator[tuple[str, Origin]]:
    """Each with the key that it stands under."""
    for key, one in hosts_of(trunk):
        yield key, network_of(one.host) or one.host.lower()
    for place, source in enumerate(trunk.sources):
        network = network_of(source)
        if network is not None:
            yield f"sources[{place}]", network


def hosts_of(trunk: Trunk) -> Iterator[tuple[str, TrunkHost]]:
    """Each host of a trunk with the key that it stands under."""
    is_alone = len(trunk.hosts) == 1
    for place, host in enumerate(trunk.hosts):
        yield "host" if is_alone else f"hosts[{place}].host", host


def overlap(one: Origin, other: Origin) -> bool:
    """Whether a call may come from both."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one.overlaps(other)


def network_of(text: str) -> Network | None:
    """An address or a network, IPv4 also where it is written as IPv6 (RFC 4291 §2.5.5.2); None if it is neither."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= _MAPPED:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED))
    return network


_MAPPED = 96
"""Bits before an IPv4 address inside an IPv6 one."""
