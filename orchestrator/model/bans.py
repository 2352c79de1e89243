"""The words for sources that the exchange does not listen to for a time. They are the operator's, not a company's."""

import ipaddress
from datetime import datetime
from typing import Literal

from attrs import frozen

BanReason = Literal["wrong_passwords", "garbage", "flood"]
"""It tried too many passwords; sent by streams what is no SIP; or request after request, showing for none who it is."""


@frozen
class Ban:
    """One source and its newest ban, which may be over: the next one is longer for it."""

    source: str
    """An IPv4 address, or the first of an IPv6 /64, which counts as one source."""
    reason: BanReason
    since: datetime
    """UTC."""
    ends_at: datetime
    """UTC."""
    times: int
    """How many there were, this one included; all are forgotten when none has followed for long enough."""
    account: str = ""
    """Whose password it tried last, "user@realm", which need not exist; "" if it tried none."""

    def view(self, now: datetime) -> "BanView":
        """As it may be shown at this time."""
        left_s = round((self.ends_at - now).total_seconds())
        network = f"{self.source}/64" if ":" in self.source else self.source
        return BanView(
            self.source, network, self.reason, self.since, self.ends_at, left_s, self.times, self.account
        )


@frozen
class BanView:
    """A ban that holds, as it may be shown."""

    source: str
    network: str
    """The source as firewalls write it: "203.0.113.66", "2001:db8:1:2::/64"."""
    reason: BanReason
    since: datetime
    ends_at: datetime
    left_s: int
    """Until it ends, by the clock of the exchange."""
    times: int
    account: str


def source_of(address: str) -> str:
    """The source that an address belongs to. Raises `ValueError` for what is no address."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    if ip.scope_id is not None:
        raise ValueError(f"{address!r} has a zone")
    return str(ipaddress.ip_network((ip, 64), strict=False).network_address)
