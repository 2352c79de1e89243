"""A fake exchange with two companies and a client for it."""

from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any, cast

import httpx
import pytest
import structlog
from fastapi import FastAPI

from api.app import create_app
from api.counters import HttpCounters
from api.envelopes import Envelopes
from api.security import Buckets
from api.streams import Streams
from orchestrator.app import Exchange
from orchestrator.cli.logs import set_up_logs
from orchestrator.model.access import SCOPES
from orchestrator.model.identifiers import CompanyId
from tests.unit.api.fake_exchange import FakeExchange

DEMO, OTHER = CompanyId("demo"), CompanyId("other")


def company(id: str, extension: str = "101") -> dict[str, Any]:
    return {
        "company": id,
        "name": id.title(),
        "domain": f"{id}.example",
        "language": "ru",
        "terminal": {"announcement": "unavailable"},
        "outside": {"trunk": "carrier", "prefixes": ["+7"]},
        "sites": [{"id": "moscow", "name": "Москва"}],
        "trunks": [{"id": "carrier", "host": f"{id}.carrier.example", "caller_number": "+74951234500"}],
        "people": [
            {
                "id": "anna",
                "name": "Анна Иванова",
                "extension": extension,
                "site": "moscow",
                "devices": [
                    {"id": f"{id}-desk", "kind": "desk", "password": "geheim-genug"},
                    {"id": f"{id}-mobile", "kind": "mobile", "number": "+79161234567"},
                ],
                "next": {"no_answer": {"person": "boris"}},
            },
            {"id": "boris", "name": "Борис", "extension": "102"},
        ],
        "numbers": [{"number": "+74951234501", "to": {"person": "anna"}}],
    }


@pytest.fixture
async def fake() -> FakeExchange:
    exchange = FakeExchange()
    await exchange.apply(company("demo"), by="test")
    await exchange.apply(company("other"), by="test")
    return exchange


@cache
def built() -> tuple[FastAPI, HttpCounters]:
    http = HttpCounters()
    return create_app(cast(Exchange, FakeExchange()), http), http


def app_of(exchange: FakeExchange) -> FastAPI:
    """The application, built once, since building takes long, with this exchange behind it and no memory."""
    app, http = built()
    app.state.exchange = exchange
    app.state.buckets = Buckets()
    app.state.envelopes = Envelopes()
    app.state.streams = Streams(http)
    return app


@pytest.fixture
async def app(fake: FakeExchange) -> FastAPI:
    return app_of(fake)


@pytest.fixture
async def key(fake: FakeExchange) -> str:
    return (await fake.create_key(company=DEMO, name="test", scopes=SCOPES))[1]


@pytest.fixture
async def client(app: FastAPI, key: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as opened:
        yield opened


@pytest.fixture(autouse=True, scope="package")
def _plain_logs() -> Iterator[None]:
    set_up_logs("critical")
    yield
    structlog.reset_defaults()
