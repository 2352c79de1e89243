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
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_odd_requests_are_answered(
    path: str, method: str, operation: dict[str, Any], data: st.DataObject
) -> None:
    name = operation["operationId"]
    query, headers = {"wait": "0"} if name == "listenToEvents" else {}, {}
    for parameter in operation.get("parameters", []):
        where, key = parameter["in"], parameter["name"]
        if where == "path":
            path = path.replace(
                f"{{{key}}}", data.draw(st.just(PLACES.get(f"{{{key}}}", "x")) | word.map(_quoted))
            )
        elif where == "query" and key != "wait" and data.draw(st.booleans()):
            query[key] = data.draw(word)
        elif where == "header" and data.draw(st.booleans()):
            headers[key] = (
                data.draw(word).encode("ascii", "ignore").decode().translate({10: None, 13: None, 0: None})
            )
    body = json.dumps(data.draw(damaged(BODIES.get(name))))

    async def ask() -> httpx.Response:
        fake = await exchange()
        _, key = await fake.create_key(company=DEMO, name="fuzz", scopes=SCOPES)
        transport = httpx.ASGITransport(app_of(fake), raise_app_exceptions=False)
        sent = {"Content-Type": "application/json", **headers, "Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=sent) as client:
            return await client.request(method, path, params=query, content=body)

    response = trio.run(ask)
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert CODES[response.json()["code"]][0] == response.status_code


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
