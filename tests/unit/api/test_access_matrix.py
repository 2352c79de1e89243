"""Every operation of the OpenAPI document, asked by everybody who must not and by somebody who may."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.problems import CODES
from orchestrator.model import journal as j
from orchestrator.model.access import SCOPES
from orchestrator.model.bans import Ban
from orchestrator.model.calls import Direction, Who
from orchestrator.model.identifiers import CallId, LegId
from tests.unit.api.conftest import DEMO, OTHER, built
from tests.unit.api.fake_exchange import FakeExchange

CALL = CallId("01900000-0000-7000-8000-00000000ca11")
PLACES = {
    "{id}": "demo",
    "{person}": "boris",
    "{number}": "%2B74951234501",
    "{trunk}": "carrier",
    "{site}": "moscow",
    "{source}": "203.0.113.66",
    "{call}": CALL,
}
BODIES: dict[str, Any] = {
    "putPerson": {"name": "Борис", "extension": "103"},
    "putNumber": {"to": {"person": "boris"}},
    "putTrunk": {"host": "carrier.example", "caller_number": "+74951234500"},
    "putSite": {"name": "Питер"},
    "originateCall": {"caller": "anna", "to": "102"},
    "transferCall": {"to": "102"},
    "createKey": {"name": "board", "scopes": ["calls.read"]},
    "applyConfiguration": {
        "company": "demo",
        "name": "Demo",
        "domain": "demo.example",
        "terminal": {"announcement": "unavailable"},
    },
}
QUERIES = {"listenToEvents": {"wait": "0"}}
REFUSED_WHILE_USED = {"deletePerson", "deleteTrunk", "deleteSite"}
"""Anna's next step leads to Boris, calls go out by the trunk, Anna sits in Moscow."""
FOR_THE_OPERATOR = {"putTrunk", "deleteTrunk", "applyConfiguration", "traceCallSip", "listBans", "liftBan"}
"""They change trunks, show what goes on with them, or concern all companies."""
OF_NO_COMPANY = {"listBans", "liftBan"}


class Asker:
    """Knows how to ask each operation rightly."""

    def __init__(self, app: FastAPI, fake: FakeExchange) -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")
        self.fake = fake
        fake.banned["203.0.113.66"] = Ban("203.0.113.66", "flood", fake.now, fake.now + timedelta(hours=1), 1)
        fake.write(DEMO, j.CallArrived(CALL, LegId(1), Direction.INTERNAL, Who(), "102"))

    async def ask(
        self, path: str, method: str, operation: dict[str, Any], key: str | None, **query: str
    ) -> httpx.Response:
        name = operation["operationId"]
        command = await self.fake.hang_up(DEMO, CALL, by="x")
        view, _ = await self.fake.create_key(company=DEMO, name="victim", scopes=frozenset({"calls.read"}))
        for place, value in {**PLACES, "{command}": command, "{key}": view.id}.items():
            path = path.replace(place, value)
        headers = {"If-Match": '"1"', "Idempotency-Key": self.fake.new_id()}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        params = {**QUERIES.get(name, {}), **query}
        return await self.client.request(method, path, headers=headers, json=BODIES.get(name), params=params)


@pytest.fixture
async def asker(app: FastAPI, fake: FakeExchange) -> Asker:
    return Asker(app, fake)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in built()[0].openapi()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


OPERATIONS = [pytest.param(*o, id=o[2]["operationId"]) for o in operations()]
GUARDED = [p for p in OPERATIONS if p.id != "getHealth"]
matrix = pytest.mark.parametrize(("path", "method", "operation"), GUARDED)


def scope_of(operation: dict[str, Any]) -> str:
    [requirement] = operation["security"]
    [scope] = requirement["key"]
    assert scope in SCOPES
    return str(scope)


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert CODES[code][0] == status


@matrix
async def test_without_a_key(asker: Asker, path: str, method: str, operation: dict[str, Any]) -> None:
    response = await asker.ask(path, method, operation, None)
    refused(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


@matrix
async def test_with_an_unknown_or_expired_key(
    asker: Asker, path: str, method: str, operation: dict[str, Any]
) -> None:
    refused(await asker.ask(path, method, operation, "wrong"), 401, "unauthenticated")
    soon = asker.fake.now + timedelta(seconds=1)
    _, key = await asker.fake.create_key(company=DEMO, name="old", scopes=SCOPES, expires_at=soon)
    asker.fake.now += timedelta(seconds=2)
    refused(await asker.ask(path, method, operation, key), 401, "token_expired")


@matrix
async def test_without_the_scope(asker: Asker, path: str, method: str, operation: dict[str, Any]) -> None:
    scopes = SCOPES - {scope_of(operation), "admin"}
    _, key = await asker.fake.create_key(company=DEMO, name="poor", scopes=scopes)
    refused(await asker.ask(path, method, operation, key), 403, "forbidden")


@matrix
async def test_of_another_company(asker: Asker, path: str, method: str, operation: dict[str, Any]) -> None:
    _, key = await asker.fake.create_key(company=OTHER, name="stranger", scopes=SCOPES)
    if operation["operationId"] in OF_NO_COMPANY:
        refused(await asker.ask(path, method, operation, key, company="demo"), 403, "forbidden")
        return
    if operation["operationId"] not in ("getMetrics", "listCompanies", "listKeys", "createKey", "getCompany"):
        refused(await asker.ask(path, method, operation, key, company="demo"), 404, "not_found")
    if any(place in path for place in ("{call}", "{command}", "{key}", "{id}")):
        refused(await asker.ask(path, method, operation, key), 404, "not_found")
    if operation["operationId"] in ("listCompanies", "listKeys"):
        assert "demo" not in (await asker.ask(path, method, operation, key)).text


@matrix
async def test_with_just_the_right_scope(
    asker: Asker, path: str, method: str, operation: dict[str, Any]
) -> None:
    _, key = await asker.fake.create_key(company=DEMO, name="right", scopes=frozenset({scope_of(operation)}))
    response = await asker.ask(path, method, operation, key)
    if operation["operationId"] in FOR_THE_OPERATOR:
        refused(response, 403, "forbidden")
        _, key = await asker.fake.create_key(company=None, name="op", scopes=frozenset({scope_of(operation)}))
        response = await asker.ask(path, method, operation, key, company="demo")
    if operation["operationId"] in REFUSED_WHILE_USED:
        refused(response, 422, "invalid_configuration")
    else:
        assert str(response.status_code) in operation["responses"], response.text
        assert response.status_code < 300


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_route_names_its_scope(path: str, method: str, operation: dict[str, Any]) -> None:
    assert path.startswith("/api/v1/") or path == "/metrics"
    if operation["operationId"] == "getHealth":
        assert "security" not in operation
    else:
        assert scope_of(operation)
    assert set(operation["responses"]) - {"default"} <= {"200", "201", "202", "204", "503"}


def test_the_listed_operations_are_the_contract() -> None:
    found = {o["operationId"]: (m, p) for p, m, o in operations()}
    assert len(found) == len(OPERATIONS)
    assert found["originateCall"] == ("post", "/api/v1/calls")
