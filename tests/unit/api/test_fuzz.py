"""Whatever is asked, the answer is one that the contract knows: never a fault, always JSON that fits."""

import json
from typing import Any

import httpx
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api.problems import CODES
from api.routers.calls import LiveCallOut, TraceOut
from api.routers.commands import CommandOut
from api.routers.keys import KeyOut
from api.routers.numbers import NumberOut
from api.routers.people import PersonOut
from api.routers.records import CallRecordOut
from api.routers.sites import SiteOut
from api.routers.trunks import TrunkOut
from orchestrator.model import journal as j
from orchestrator.model.access import SCOPES
from orchestrator.model.calls import Direction, Who
from orchestrator.model.identifiers import LegId
from tests.unit.api.conftest import DEMO, app_of, company
from tests.unit.api.fake_exchange import FakeExchange
from tests.unit.api.test_access_matrix import BODIES, CALL, OPERATIONS, PLACES

ODD = [
    "",
    "0",
    "-1",
    "null",
    "\0",
    "\r\nX: y",
    "../../etc/passwd",
    "%",
    "é",
    "٣",
    "😀",
    "a" * 5_000,
    "*",
    '"1"',
    "W/1",
    "1e999",
]
word = st.sampled_from(ODD) | st.text(max_size=20) | st.integers().map(str)
value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | word,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(word, inner, max_size=4),
    max_leaves=12,
)


HEADERS = (
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "x-company",
    "x-request-id",
)
RIGHT = [b'"1"', b"*", b"1", b"demo", b"application/yaml", b"Bearer x", b"Bearer", b"Basic eDp5", b"\xff\xfe"]
header = st.sampled_from(RIGHT) | (
    st.binary(max_size=300) | word.map(lambda w: w.encode()) | st.text("0123456789").map(str.encode)
).map(lambda value: bytes(b for b in value if (b >= 0x20 and b != 0x7F) or b == 9))
"""All that HTTP lets through: RFC 9110 §5.5, letters of any alphabet as raw bytes."""


def damaged(body: Any) -> st.SearchStrategy[Any]:
    """`body` with one of its values replaced, or an odd one added."""
    if not isinstance(body, dict):
        return value
    one = st.sampled_from(sorted(body)).flatmap(lambda k: damaged(body[k]).map(lambda v: {**body, k: v}))
    return st.one_of(one, value, st.tuples(word, value).map(lambda kv: {**body, kv[0]: kv[1]}))


async def exchange() -> FakeExchange:
    fake = FakeExchange()
    await fake.apply(company("demo"), by="test")
    fake.write(DEMO, j.CallArrived(CALL, LegId(1), Direction.INTERNAL, Who(), "102"))
    return fake


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_odd_requests_are_answered(
    path: str, method: str, operation: dict[str, Any], data: st.DataObject
) -> None:
    name = operation["operationId"]
    query = {"wait": "0"} if name == "listenToEvents" else {}
    headers = {
        key: data.draw(header) for key in sorted(data.draw(st.sets(st.sampled_from(HEADERS), max_size=3)))
    }
    for parameter in operation.get("parameters", []):
        where, key = parameter["in"], parameter["name"]
        if where == "path":
            path = path.replace(
                f"{{{key}}}", data.draw(st.just(PLACES.get(f"{{{key}}}", "x")) | word.map(_quoted))
            )
        elif where == "query" and key != "wait" and data.draw(st.booleans()):
            query[key] = data.draw(word)
        assert where != "header" or key in HEADERS
    body = json.dumps(data.draw(damaged(BODIES.get(name))))

    async def ask() -> httpx.Response:
        fake = await exchange()
        _, key = await fake.create_key(company=DEMO, name="fuzz", scopes=SCOPES)
        transport = httpx.ASGITransport(app_of(fake), raise_app_exceptions=False)
        sent = {"content-type": b"application/json", "authorization": f"Bearer {key}".encode(), **headers}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            raw = [(name.encode(), value) for name, value in sent.items()]
            return await client.request(method, path, params=query, content=body, headers=raw)

    response = trio.run(ask)
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert CODES[response.json()["code"]][0] == response.status_code


@given(secret=header, scheme=st.sampled_from([b"Bearer ", b"bearer ", b"", b"Basic ", b"Bearer\xa0"]))
def test_no_key_but_the_right_one_opens(secret: bytes, scheme: bytes) -> None:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app_of(await exchange()), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/api/v1/calls", headers=[(b"authorization", scheme + secret)])

    response = trio.run(ask)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


def _quoted(text: str) -> str:
    return httpx.QueryParams({"x": text[:3_000]}).__str__()[2:] or "x"


async def test_what_is_shown_fits_the_schemas(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    command = await fake.originate(DEMO, caller="anna", to="102", by="x")
    fake.write(DEMO, j.CallArrived(CALL, LegId(1), Direction.INTERNAL, Who(name="x"), "102"))
    shown: dict[str, type[BaseModel]] = {
        "people/anna": PersonOut,
        "numbers/%2B74951234501": NumberOut,
        "trunks/carrier": TrunkOut,
        "sites/moscow": SiteOut,
        f"calls/{CALL}": LiveCallOut,
        f"calls/{CALL}/trace": TraceOut,
        f"call-records/{CALL}": CallRecordOut,
        f"commands/{command}": CommandOut,
    }
    for path, model in shown.items():
        body = (await client.get(f"/api/v1/{path}")).json()
        assert set(body) <= set(model.model_fields) | {"register"}
        model.model_validate(body)
    KeyOut.model_validate((await client.get("/api/v1/keys")).json()["items"][0])
