"""Phones of the tests' company, by the name of their device."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from tests.peers.baresip import Baresip, open_baresip
from tests.peers.company import password
from tests.peers.exchange import DOMAIN, Exchange
from tests.peers.pjsua import Pjsua, open_pjsua


def baresip(
    exchange: Exchange, folder: Path, device: str, tone_hz: float, **more: Any
) -> AbstractAsyncContextManager[Baresip]:
    """A baresip that registers as this device."""
    known = {"user": device, "password": password(device), "domain": DOMAIN, "proxy_port": exchange.port}
    return open_baresip(folder / device, tone_hz=tone_hz, **{**known, **more})


def pjsua(
    exchange: Exchange, folder: Path, device: str, tone_hz: float, **more: Any
) -> AbstractAsyncContextManager[Pjsua]:
    """A pjsua2 phone that registers as this device."""
    known = {"user": device, "password": password(device), "domain": DOMAIN, "proxy_port": exchange.port}
    return open_pjsua(folder / device, tone_hz=tone_hz, **{**known, **more})
