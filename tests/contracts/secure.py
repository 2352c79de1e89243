"""An exchange and phones that speak TLS, and plain sockets that do so beside them."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.contracts.certificates import Identity
from tests.contracts.desk import DOMAIN, Desk, account, open_desk

OPTIONS = (
    f"OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKo\r\nMax-Forwards: 70\r\n"
    f"From: <sip:x@{DOMAIN}>;tag=1\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
).encode()


@asynccontextmanager
async def open_exchange(identity: Identity, **more: Any) -> AsyncIterator[Desk]:
    """An exchange that knows the device "anna"."""
    async with open_desk("udp:127.0.0.1:0", "tls:127.0.0.1:0", **identity.options(), **more) as exchange:
        exchange.engine.set_accounts([account("anna")])
        yield exchange


@asynccontextmanager
async def open_phone(trusted: Identity, **more: Any) -> AsyncIterator[Desk]:
    """Phones that speak TLS alone and trust whoever shows this certificate."""
    async with open_desk("tls:127.0.0.1:0", decision_timeout_s=60.0, **trusted.options(), **more) as phone:
        yield phone


def secured(exchange: Desk, trusted: Identity | str) -> ssl.SSLSocket:
    """A connection to the exchange by somebody who trusts this certificate alone. Blocks."""
    text = trusted if isinstance(trusted, str) else trusted.certificate.read_text()
    plain = connected(exchange)
    try:
        return ssl.create_default_context(cadata=text).wrap_socket(plain, server_hostname="127.0.0.1")
    except BaseException:
        plain.close()
        raise


def connected(exchange: Desk) -> socket.socket:
    """A connection without TLS to where that is spoken."""
    return socket.create_connection(("127.0.0.1", exchange.port_of("tls")), timeout=5)
