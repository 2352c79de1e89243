"""Trunks that would lead back to the exchange."""

import socket
from pathlib import Path

import pytest

from orchestrator.app.own import own_addresses
from orchestrator.settings import Settings


@pytest.mark.parametrize(
    ("listen", "host", "port", "transport", "is_own"),
    [
        ("udp:0.0.0.0:5060", "127.0.0.1", 5060, "udp", True),
        ("udp:0.0.0.0:5060", "localhost", 5060, "udp", True),
        ("udp:0.0.0.0:5060", "203.0.113.7", 5060, "udp", True),
        ("udp:0.0.0.0:5060", "127.0.0.1", 5061, "udp", False),
        ("udp:0.0.0.0:5060", "127.0.0.1", 5060, "tcp", False),
        ("udp:0.0.0.0:5060", "192.0.2.1", 5060, "udp", False),
        ("udp:0.0.0.0:5060", "sip.example", 5060, "udp", False),
        ("tcp:127.0.0.1:5060", "127.0.0.1", 5060, "tcp", True),
        ("udp:127.0.0.1:5060", "127.0.0.2", 5060, "udp", False),
        ("udp:[::]:5060", "::1", 5060, "udp", True),
        ("udp:[::1]:5060", "::1", 5060, "udp", True),
        ("udp:[::1]:5060", "0:0:0:0:0:0:0:1", 5060, "udp", True),
        ("udp:127.0.0.1:5060", "localhost", 5060, "udp", True),
        ("udp:192.0.2.9:5060", "localhost", 5060, "udp", False),
    ],
)
def test_what_the_exchange_listens_on_and_is_known_by_is_its_own(
    listen: str, host: str, port: int, transport: str, is_own: bool
) -> None:
    settings = Settings(Path(), sip_listen=("tcp:192.0.2.9:1", listen), advertised_address="203.0.113.7")
    assert own_addresses(settings)(host, port, transport) is is_own


def test_where_any_address_can_be_bound_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "bind", lambda *_: None)
    is_own = own_addresses(Settings(Path(), sip_listen=("udp:0.0.0.0:5060", "udp:[::]:5060")))
    assert is_own("127.0.0.1", 5060, "udp")
    assert not is_own("192.0.2.1", 5060, "udp")
    assert not is_own("2001:db8::1", 5060, "udp")
