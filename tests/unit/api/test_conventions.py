"""What holds for every operation: problems, ids, limits, ETags, cursors, Idempotency-Key."""

import base64
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import trio
from attrs import evolve
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from api.directory import decode_cursor, encode_cursor
from api.problems import CODES, Problem
from orchestrator.model.access import SCOPES
from orchestrator.model.bans import Ban
from orchestrator.model.certificate import Certificate
from orchestrator.model.identifiers import CompanyId, TrunkId
from orchestrator.model.registrations import Answering, Standing, TrunkServer, TrunkState
from tests.unit.api.conftest import DEMO, company
from tests.unit.api.fake_exchange import FakeExchange, Part

CALL = {"caller": "anna", "to": "102"}


def told(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    body: dict[str, object] = response.json()
    assert (response.status_code, body["code"], body["status"]) == (status, code, status), body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"urn:tandem:problem:{code}"
    return body


def test_the_codes_are_the_contract() -> None:
    assert {code: status for code, (status, _) in CODES.items()} == {
        "bad_request": 400,
        "company_required": 400,
        "idempotency_key_required": 400,
        "unauthenticated": 401,
        "token_expired": 401,
        "forbidden": 403,
        "not_found": 404,
        "method_not_allowed": 405,
        "request_timeout": 408,
        "request_in_flight": 409,
        "state_conflict": 409,
        "outcome_unknown": 409,
        "cursor_expired": 410,
        "etag_mismatch": 412,
        "too_large": 413,
        "idempotency_key_reused": 422,
        "invalid_configuration": 422,
        "invalid_input": 422,
        "etag_required": 428,
        "rate_limited": 429,
        "internal_error": 500,
        "overloaded": 503,
        "storage_unavailable": 503,
    }


async def test_unknown_paths_and_methods(client: httpx.AsyncClient) -> None:
    told(await client.get("/api/v1/nothing"), 404, "not_found")
    told(await client.get("/api/nothing"), 404, "not_found")
    told(await client.get("/api/v1/calls/"), 404, "not_found")
    response = await client.patch("/api/v1/calls")
    told(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"
    assert (await client.post("/api/v1/people/anna")).headers["allow"] == "DELETE, GET, PUT"


async def test_unknown_and_wrong_fields_are_named(client: httpx.AsyncClient) -> None:
    body = {"name": "x", "extension": "1", "nam": 1, "devices": [{"id": "a/b", "kind": "desk", "ring_s": -1}]}
    response = await client.put("/api/v1/people/x", json=body, headers={"If-None-Match": "*"})
    errors = told(response, 422, "invalid_input")["errors"]
    assert isinstance(errors, list)
    assert {e["pointer"] for e in errors} == {"/extension", "/nam", "/devices/0/id", "/devices/0/ring_s"}


async def test_what_the_configuration_refuses_is_named(client: httpx.AsyncClient) -> None:
    body = {"name": "x", "extension": "101"}
    response = await client.put("/api/v1/people/x", json=body, headers={"If-None-Match": "*"})
    told(response, 422, "invalid_configuration")
    assert "anna" in response.text


async def test_bodies_are_limited(client: httpx.AsyncClient) -> None:
    told(await client.post("/api/v1/calls", content=b" " * (2**16 + 1)), 413, "too_large")
    told(await client.get("/api/v1/calls?x=" + "a" * 9_000), 413, "too_large")


@pytest.mark.parametrize("content", [b"[" * 50_000, b"\xff", b"{", b'{"caller": NaN}', b"null", b'"x"'])
async def test_unreadable_bodies_are_told(client: httpx.AsyncClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    response = await client.post("/api/v1/calls", content=content, headers=headers)
    assert response.status_code in (400, 422)
    assert response.json()["code"] in ("bad_request", "invalid_input")


async def test_request_ids_are_echoed_or_made(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/calls", headers={"X-Request-Id": "abc-1"})
    assert response.headers["x-request-id"] == "abc-1"
    response = await client.get("/api/v1/nothing", headers={"X-Request-Id": "a b<script>"})
    assert "script" not in response.headers["x-request-id"]
    assert response.json()["instance"].endswith(response.headers["x-request-id"])


async def test_every_answer_has_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/", "/docs", "/api/v1/calls", "/api/v1/nothing", "/static/app.js"):
        response = await client.get(path)
        assert "script-src 'self'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_fault_of_ours_is_a_problem_and_tells_nothing(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    def broken(company: CompanyId) -> None:
        raise ValueError("secret detail")

    fake.live_calls = broken  # type: ignore[assignment,method-assign]  # breaks on purpose
    response = await client.get("/api/v1/calls")
    told(response, 500, "internal_error")
    assert "secret" not in response.text


async def test_changing_needs_the_version_that_was_read(client: httpx.AsyncClient) -> None:
    site = {"name": "Питер"}
    told(await client.put("/api/v1/sites/piter", json=site), 428, "etag_required")
    told(await client.delete("/api/v1/sites/piter"), 428, "etag_required")
    made = await client.put("/api/v1/sites/piter", json=site, headers={"If-None-Match": "*"})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    told(
        await client.put("/api/v1/sites/piter", json=site, headers={"If-None-Match": "*"}),
        412,
        "etag_mismatch",
    )
    told(
        await client.put("/api/v1/sites/piter", json=site, headers={"If-Match": '"7"'}), 412, "etag_mismatch"
    )
    changed = await client.put("/api/v1/sites/piter", json={"name": "СПб"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["name"]) == (200, '"2"', "СПб")
    assert (await client.get("/api/v1/sites/piter")).headers["etag"] == '"2"'
    assert (await client.delete("/api/v1/sites/piter", headers={"If-Match": '"2"'})).status_code == 204
    told(await client.get("/api/v1/sites/piter"), 404, "not_found")


async def test_secrets_are_never_shown(client: httpx.AsyncClient) -> None:
    for path in ("people/anna", "people", "configuration", "trunks", "numbers"):
        text = (await client.get(f"/api/v1/{path}")).text
        assert "ha1" not in text
        assert "password" not in text


async def test_what_was_read_can_be_put_back(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    before = fake.configurations[DEMO].people
    for path in ("people/anna", "numbers/%2B74951234501", "trunks/carrier", "sites/moscow"):
        shown = await client.get(f"/api/v1/{path}")
        body = {k: v for k, v in shown.json().items() if k != "version"}
        put = await client.put(f"/api/v1/{path}", json=body, headers={"If-Match": shown.headers["etag"]})
        assert put.status_code == 200, put.text
        assert put.json() == shown.json()
    assert fake.configurations[DEMO].people == before


async def test_lists_are_pages(client: httpx.AsyncClient) -> None:
    for n in range(7):
        await client.put(f"/api/v1/sites/s{n}", json={"name": "x"}, headers={"If-None-Match": "*"})
    seen, cursor = [], None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/api/v1/sites", params=params)).json()
        assert len(page["items"]) <= 3
        seen += [item["id"] for item in page["items"]]
        if not (cursor := page["next_cursor"]):
            break
    assert seen == ["moscow", *(f"s{n}" for n in range(7))]
    for limit in ("0", "201", "x"):
        told(await client.get(f"/api/v1/sites?limit={limit}"), 422, "invalid_input")


LISTS = (
    "companies",
    "people",
    "numbers",
    "trunks",
    "sites",
    "registrations",
    "calls",
    "call-records",
    "keys",
)


def cursor_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_of_something_else_is_told(client: httpx.AsyncClient, path: str) -> None:
    places: list[object] = [
        [],
        [1],
        [None],
        [["x"]],
        {},
        "x",
        1,
        ["a", "b", "c"],
        [1, "b"],
        ["2026-01-01", 1],
    ]
    places.append(["a", "b"] if path not in ("registrations", "call-records") else ["a"])
    if path == "call-records":
        places += [["yesterday", "x"], ["2026-01-01", "x"], ["2026-01-01T00:00:00", "x"]]
    for cursor in ["%00%ff", "a", "", *map(cursor_of, places)]:
        body = told(await client.get(f"/api/v1/{path}?cursor={cursor}"), 400, "bad_request")
        assert "leave it out" in str(body["detail"])
    long = await client.get(f"/api/v1/{path}?cursor={'a' * 501}")
    told(long, 422, "invalid_input")


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_cursors_are_read_back(place: list[str]) -> None:
    assert decode_cursor(encode_cursor(*place), len(place)) == tuple(place)


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_any_cursor_is_read_or_refused(cursor: str) -> None:
    with suppress(Problem):
        decode_cursor(cursor)


async def test_the_same_wish_twice_is_done_once(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    told(await client.post("/api/v1/calls", json=CALL), 400, "idempotency_key_required")
    first = await client.post("/api/v1/calls", json=CALL, headers={"Idempotency-Key": "k"})
    again = await client.post("/api/v1/calls", json=CALL, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(fake.journals[DEMO].commands.states) == 1
    other = await client.post("/api/v1/calls", json={**CALL, "to": "103"}, headers={"Idempotency-Key": "k"})
    told(other, 422, "idempotency_key_reused")


async def test_a_wish_that_still_runs_is_not_started_again(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    proceed = trio.Event()
    carry_out = fake.originate

    async def slow(*args: object, **more: object) -> object:
        await proceed.wait()
        return await carry_out(*args, **more)  # type: ignore[arg-type]  # hands through

    fake.originate = slow  # type: ignore[assignment,method-assign]  # slowed on purpose
    headers = {"Idempotency-Key": "k"}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: client.post("/api/v1/calls", json=CALL, headers=headers))
        await trio.testing.wait_all_tasks_blocked()
        told(await client.post("/api/v1/calls", json=CALL, headers=headers), 409, "request_in_flight")
        proceed.set()


async def test_a_refused_wish_may_be_made_again(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k"}
    wrong = {**CALL, "caller": "nobody"}
    told(await client.post("/api/v1/calls", json=wrong, headers=headers), 404, "not_found")
    assert (await client.post("/api/v1/calls", json=CALL, headers=headers)).status_code == 202


async def test_a_secret_is_shown_once(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    body = {"name": "wall", "scopes": ["calls.read"]}
    first = await client.post("/api/v1/keys", json=body, headers={"Idempotency-Key": "k"})
    again = await client.post("/api/v1/keys", json=body, headers={"Idempotency-Key": "k"})
    secret = first.json()["secret"]
    assert (await fake.authenticate(secret)) is not None
    assert again.json() == {**first.json(), "secret": None}
    assert secret not in str(fake.answers)
    assert secret not in (await client.get("/api/v1/keys")).text


async def test_a_company_key_makes_keys_for_its_company_only(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    body = {"name": "x", "scopes": ["admin"], "company": "other"}
    told(await client.post("/api/v1/keys", json=body, headers={"Idempotency-Key": "1"}), 404, "not_found")
    made = await client.post("/api/v1/keys", json={**body, "company": None}, headers={"Idempotency-Key": "2"})
    assert made.json()["company"] == "demo"


async def test_the_operator_names_a_company(
    app: FastAPI, client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    _, key = await fake.create_key(company=None, name="operator", scopes=SCOPES)
    client.headers["Authorization"] = f"Bearer {key}"
    told(await client.get("/api/v1/people"), 400, "company_required")
    told(await client.get("/api/v1/people?company=none"), 404, "not_found")
    assert (await client.get("/api/v1/people?company=other")).status_code == 200
    assert (await client.get("/api/v1/people", headers={"X-Company": "demo"})).status_code == 200
    del fake.configurations[CompanyId("other")]
    assert (await client.get("/api/v1/people")).status_code == 200


async def test_before_the_first_company_the_way_to_it_is_told(
    app: FastAPI, client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    fake.configurations.clear()
    _, key = await fake.create_key(company=None, name="operator", scopes=SCOPES)
    client.headers["Authorization"] = f"Bearer {key}"
    for path in ("people", "calls", "calls?company=demo", "counters", "events"):
        assert "tandem apply" in str(told(await client.get(f"/api/v1/{path}"), 404, "not_found")["detail"])
    assert (await client.get("/api/v1/companies")).json()["items"] == []


async def test_requests_are_rationed_per_key(
    client: httpx.AsyncClient, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.security.BURST", 3)
    monkeypatch.setattr("api.security.PER_SECOND", 1.0)
    answers = [await client.get("/api/v1/calls") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert [a.headers["ratelimit-remaining"] for a in answers] == ["2", "1", "0", "0"]
    await trio.sleep(1)
    assert (await client.get("/api/v1/calls")).status_code == 200


async def test_a_company_is_applied_wholly_or_not_at_all(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    changed = company("demo", "111")
    dry = await client.post("/api/v1/configuration?dry_run=true", json=changed)
    assert dry.json() == {
        "company": "demo",
        "changes": ["person anna: extension 101 → 111"],
        "applied": False,
    }
    assert fake.configurations[DEMO].people["anna"].extension == "101"  # type: ignore[index]  # a plain name
    assert (await client.post("/api/v1/configuration", json=changed)).json()["applied"]
    assert (await client.post("/api/v1/configuration", json=changed)).json()["changes"] == []
    wrong = {**changed, "people": [{"id": "x", "nam": 1}], "numbers": [{"number": "12"}]}
    errors = told(await client.post("/api/v1/configuration", json=wrong), 422, "invalid_configuration")[
        "errors"
    ]
    assert isinstance(errors, list)
    assert {"people[0].nam", "people[0].name", "numbers[0].number"} <= {e["pointer"] for e in errors}
    told(await client.post("/api/v1/configuration", json=company("other")), 404, "not_found")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"company: demo\ncompany: demo", "application/yaml"),
        (b"a: &x [1]\nb: *x", "application/yaml"),
        (b"[" * 100_000, "application/yaml"),
        (b"!!python/object/apply:os.system [x]", "application/yaml"),
        (b"[" * 100_000, "application/json"),
        (b"x", "text/html"),
    ],
)
async def test_hostile_documents_are_refused(client: httpx.AsyncClient, content: bytes, kind: str) -> None:
    response = await client.post("/api/v1/configuration", content=content, headers={"Content-Type": kind})
    told(response, 400, "bad_request")


async def test_yaml_is_taken_too(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    _, key = await fake.create_key(company=None, name="operator", scopes=frozenset({"directory.write"}))
    text = "company: demo\nname: Demo\ndomain: demo.example\nterminal: {announcement: unavailable}\n"
    headers = {"Content-Type": "application/yaml; charset=utf-8", "Authorization": f"Bearer {key}"}
    response = await client.post("/api/v1/configuration?dry_run=1", content=text, headers=headers)
    assert "person anna removed" in response.json()["changes"]


async def test_health_is_open_and_small(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    response = await client.get("/api/v1/health")
    parts = dict.fromkeys(("engine", "journal", "store", "certificate", "folds"), True)
    assert response.json() == {"status": "ok", **parts, "listening": ["udp:5060", "wss:7443"]}


async def test_a_certificate_that_has_ended_degrades_health_and_its_end_is_told(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    fake.shown = Certificate(datetime(2026, 11, 1, tzinfo=UTC))
    fake.state = evolve(fake.state, certificate=Part(False, "it ended on 2026-11-01"))
    response = await client.get("/api/v1/health")
    body = response.json()
    assert (response.status_code, body["status"], body["certificate"]) == (200, "degraded", False)
    assert body["certificate_ends_at"] == "2026-11-01T00:00:00Z"
    _, key = await fake.create_key(company=None, name="operator", scopes=frozenset({"metrics.read"}))
    page = (await client.get("/metrics", headers={"Authorization": f"Bearer {key}"})).text
    assert 'tandem_healthy{part="certificate"} 0.0' in page
    assert "tandem_tls_certificate_end_seconds 1.7934912e+09" in page
    assert 'tandem_sip_listeners{transport="wss"} 1.0' in page


async def test_figures_that_are_behind_degrade_health_and_take_no_calls_away(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    fake.state = evolve(fake.state, folds=Part(False, "figures lost 1 of its entries"))
    response = await client.get("/api/v1/health")
    assert (response.status_code, response.json()["status"], response.json()["folds"]) == (
        200,
        "degraded",
        False,
    )
    fake.state = evolve(fake.state, journal=Part(False, "disk full"))
    assert (await client.get("/api/v1/health")).status_code == 503


async def test_how_trunks_stand_is_told_in_a_word_and_a_figure(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    down = TrunkServer("a.example", "192.0.2.1:5060", Answering.DOWN, False, 408, "silence")
    home = TrunkServer("b.example", "192.0.2.2:5060", Answering.UNKNOWN, True)
    fake.trunks = [
        TrunkState(DEMO, TrunkId("known"), Standing.BY_ADDRESS),
        TrunkState(DEMO, TrunkId("good"), Standing.REGISTERED, 200, "OK", (down, home)),
        TrunkState(DEMO, TrunkId("bad"), Standing.REFUSED, 403, "Forbidden"),
    ]
    told = (await client.get("/api/v1/trunk-states")).json()
    told_down = {
        "host": "a.example",
        "address": "192.0.2.1:5060",
        "state": "down",
        "registered": False,
        "status": 408,
        "reason": "silence",
    }
    told_home = told_down | {
        "host": "b.example",
        "address": "192.0.2.2:5060",
        "state": "unknown",
        "registered": True,
        "status": 0,
        "reason": "",
    }
    assert told == [
        {"trunk": "known", "state": "by_address", "status": 0, "reason": "", "servers": []},
        {
            "trunk": "good",
            "state": "registered",
            "status": 200,
            "reason": "OK",
            "servers": [told_down, told_home],
        },
        {"trunk": "bad", "state": "refused", "status": 403, "reason": "Forbidden", "servers": []},
    ]
    figures = (await client.get("/metrics")).text
    assert 'tandem_trunk_registered{company="demo",trunk="good"} 1.0' in figures
    assert 'tandem_trunk_registered{company="demo",trunk="bad"} 0.0' in figures
    assert 'tandem_trunk_registered{company="demo",trunk="known"}' not in figures
    assert 'tandem_trunk_servers_down{company="demo",trunk="good"} 1.0' in figures


async def test_metrics_of_a_company_tell_of_no_other(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    own = (await client.get("/metrics")).text
    assert 'tandem_calls{company="demo"} 0.0' in own
    assert "other" not in own
    assert "tandem_sip_requests_received" not in own
    _, key = await fake.create_key(company=None, name="operator", scopes=frozenset({"metrics.read"}))
    whole = (await client.get("/metrics", headers={"Authorization": f"Bearer {key}"})).text
    assert 'tandem_calls{company="other"} 0.0' in whole
    assert "tandem_sip_requests_received 3.0" in whole
    assert 'tandem_http_requests_total{method="GET",route="/metrics",status="200"}' in whole


async def test_bans_are_listed_by_source_and_lifted_by_any_address_of_it(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    for n in range(5):
        source = f"2001:db8:0:{n}::"
        fake.banned[source] = Ban(source, "flood", fake.now, fake.now + timedelta(seconds=90), n + 1)
    _, key = await fake.create_key(company=None, name="operator", scopes=frozenset({"admin"}))
    client.headers["Authorization"] = f"Bearer {key}"
    first = (await client.get("/api/v1/bans", params={"limit": "3"})).json()
    assert (len(first["items"]), first["total"]) == (3, 5)
    assert first["items"][1]["network"] == "2001:db8:0:1::/64"
    assert first["items"][1]["left_s"] == 90
    rest = (await client.get("/api/v1/bans", params={"cursor": first["next_cursor"]})).json()
    assert ([ban["times"] for ban in rest["items"]], rest["next_cursor"]) == ([4, 5], None)
    assert (await client.delete("/api/v1/bans/2001:db8:0:1:2:3:4:5")).status_code == 204
    told(await client.delete("/api/v1/bans/2001:db8:0:1::"), 404, "not_found")
    told(await client.delete("/api/v1/bans/nobody"), 404, "not_found")
