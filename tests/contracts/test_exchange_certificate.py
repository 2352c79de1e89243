"""A certificate that has ended, and new files of no use, show in health and in the log until they are mended."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs

from orchestrator.app import Exchange, open_exchange
from orchestrator.model.errors import ResourceError
from tests.contracts.certificates import Identity, make_identity
from tests.contracts.test_exchange import settings_for

PATIENCE_S = 8.0


async def test_health_follows_the_certificate(tmp_path: Path) -> None:
    identity = make_identity(tmp_path, ended=True)
    with capture_logs() as logs:
        async with open_secure(tmp_path, identity) as exchange:
            await until(exchange, "it ended on 2020-02-01")
            make_identity(tmp_path)
            await until(exchange, "")
            identity.key.write_text("nothing of use")
            await until(exchange, f"{identity.key}: holds no private key in PEM form")
            shown = exchange.certificate()
            assert shown is not None
            assert shown.ends_at.year == 2099
            with trio.fail_after(PATIENCE_S):
                while exchange.engine_counters()["tls_reload_errors"] != 1:  # noqa: ASYNC110 - they are a moment old
                    await trio.sleep(0.05)
    told = [entry["event"] for entry in logs if entry["event"].startswith("certificate")]
    assert told == ["certificate_in_trouble", "certificate_in_force", "certificate_in_trouble"]


async def test_without_tls_there_is_no_certificate_and_nothing_wrong_with_it(tmp_path: Path) -> None:
    async with open_exchange(settings_for(tmp_path)) as exchange:
        assert exchange.certificate() is None
        assert exchange.health().certificate.ok


async def test_an_exchange_without_the_file_does_not_start_and_says_why(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    identity.certificate.unlink()
    with pytest.raises(ResourceError, match=r"exchange\.pem: No such file"):
        async with open_secure(tmp_path, identity):
            pass


def open_secure(folder: Path, identity: Identity) -> AbstractAsyncContextManager[Exchange]:
    settings = settings_for(folder / "data")
    return open_exchange(evolve(settings, sip_listen=("tls:127.0.0.1:0",), **identity.options()))


async def until(exchange: Exchange, trouble: str) -> None:
    """Wait until this is what is wrong with the certificate."""
    with trio.fail_after(PATIENCE_S):
        while exchange.certificate() is None or exchange.health().certificate.why != trouble:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.05)
