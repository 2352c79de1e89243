"""Bodies: none is taken beyond its bounds, and nobody's bodies keep another's out."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from api.bodies import DOCUMENT, SMALL
from api.connections import source_of
from tests.unit.api.conftest import DEMO, OTHER, built, company
from tests.unit.api.fake_exchange import FakeExchange

WRITE = frozenset({"directory.write"})
PLACES = {"small": "/api/v1/calls", "document": "/api/v1/configuration"}


class Upload:
    """A POST whose body comes chunk by chunk and does not end before `finish`; straight to the application."""

    def __init__(
        self, app: FastAPI, path: str, key: str, chunks: Sequence[bytes], host: str = "192.0.2.1"
    ) -> None:
        self._app = app
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "client": (host, 4242),
            "headers": [
                (b"authorization", f"Bearer {key}".encode()),
                (b"content-type", b"application/json"),
            ],
        }
        self._chunks = iter(chunks)
        self.taken = 0
        self.status = 0
        self.finish = trio.Event()
        self.cut = False
        self.done = trio.Event()

    async def run(self) -> "Upload":
        await self._app(self._scope, self._receive, self._send)
        self.done.set()
        return self

    async def _receive(self) -> dict[str, Any]:
        for chunk in self._chunks:
            self.taken += len(chunk)
            return {"type": "http.request", "body": chunk, "more_body": True}
        await self.finish.wait()
        if self.cut:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]


@pytest.fixture
async def nursery() -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as opened:
        yield opened
        opened.cancel_scope.cancel()


async def begun(nursery: trio.Nursery, upload: Upload) -> Upload:
    nursery.start_soon(upload.run)
    await wait_all_tasks_blocked()
    return upload


async def key_of(fake: FakeExchange, *, at: Any = DEMO, scopes: frozenset[str] = WRITE) -> str:
    return (await fake.create_key(company=at, name="x", scopes=scopes))[1]


async def test_nothing_of_a_document_is_taken_before_key_and_scope(app: FastAPI, fake: FakeExchange) -> None:
    poor = await key_of(fake, scopes=frozenset({"directory.read"}))
    for key, status in (("wrong", 401), (poor, 403)):
        upload = await Upload(app, PLACES["document"], key, [bytes(65_536)] * 200).run()
        assert (upload.status, upload.taken) == (status, 0)
    upload = await Upload(app, PLACES["small"], "wrong", [bytes(16_384)] * 200).run()
    assert upload.status == 413
    assert upload.taken <= SMALL.size + 16_384


async def test_whole_documents_of_one_company_do_not_keep_others_out(
    app: FastAPI, fake: FakeExchange, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DOCUMENT.size <= DOCUMENT.share < DOCUMENT.total / 4
    monkeypatch.setattr("api.routers.configuration.DOCUMENT", evolve(DOCUMENT, size=1_000, share=1_000))
    key, document = await key_of(fake), PLACES["document"]
    nearly_all = [bytes(100)] * 9
    first = await begun(nursery, Upload(app, document, key, nearly_all))
    before = built()[1].bodies_refused
    assert (await Upload(app, document, key, nearly_all).run()).status == 429
    assert built()[1].bodies_refused == before + 1
    for at in (OTHER, None):
        other = await begun(nursery, Upload(app, document, await key_of(fake, at=at), nearly_all))
        assert (other.status, other.taken) == (0, sum(map(len, nearly_all)))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    answer = await client.post(PLACES["small"], json={}, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403
    first.finish.set()
    await first.done.wait()
    again = await begun(nursery, Upload(app, document, key, nearly_all))
    assert again.status == 0


async def test_bodies_of_one_source_do_not_keep_others_out(app: FastAPI, nursery: trio.Nursery) -> None:
    path = PLACES["small"]
    for _ in range(SMALL.share // SMALL.size):
        upload = await begun(nursery, Upload(app, path, "", [bytes(SMALL.size)]))
        assert upload.status == 0
    assert (await Upload(app, path, "", [b"x"]).run()).status == 429
    other = Upload(app, path, "", [b"{}"], host="192.0.2.2")
    other.finish.set()
    assert (await other.run()).status == 401


@pytest.mark.parametrize("kind", ["small", "document"])
async def test_all_bodies_together_are_limited(
    app: FastAPI,
    fake: FakeExchange,
    nursery: trio.Nursery,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.frame.SMALL", evolve(SMALL, total=10))
    monkeypatch.setattr("api.routers.configuration.DOCUMENT", evolve(DOCUMENT, total=10))
    first = Upload(app, PLACES[kind], await key_of(fake), [bytes(8)])
    await begun(nursery, first)
    second = Upload(app, PLACES[kind], await key_of(fake, at=OTHER), [bytes(8)], host="192.0.2.2")
    assert (await second.run()).status == 503


@pytest.mark.parametrize(("kind", "within_s"), [("small", SMALL.within_s), ("document", DOCUMENT.within_s)])
async def test_a_body_that_does_not_come_is_not_waited_for(
    app: FastAPI, fake: FakeExchange, autojump_clock: MockClock, kind: str, within_s: float
) -> None:
    upload = await Upload(app, PLACES[kind], await key_of(fake), [b"{"]).run()
    assert upload.status == 408
    assert trio.current_time() == pytest.approx(within_s)


@pytest.mark.parametrize("kind", ["small", "document"])
async def test_nothing_comes_of_half_a_body(app: FastAPI, fake: FakeExchange, kind: str) -> None:
    known = fake.configurations[DEMO]
    whole = b'{"company":"demo","name":"D","domain":"d.example","terminal":{"announcement":"unavailable"}}'
    upload = Upload(app, PLACES[kind], await key_of(fake), [whole])
    upload.cut = True
    upload.finish.set()
    assert (await upload.run()).status == 0
    assert fake.configurations[DEMO] is known


async def test_a_document_is_still_taken(app: FastAPI, fake: FakeExchange) -> None:
    changed = company("demo", "111")
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")
    headers = {"Authorization": f"Bearer {await key_of(fake)}"}
    padded = httpx.Request("POST", "http://x", json=changed).content + b" " * (1 << 20)
    headers["Content-Type"] = "application/json"
    answer = await client.post(PLACES["document"], content=padded, headers=headers)
    assert answer.json()["changes"] == ["person anna: extension 101 → 111"]
    too_much = {**headers, "Content-Length": str(DOCUMENT.size + 1)}
    assert (await client.post(PLACES["document"], content=b"", headers=too_much)).status_code == 413


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (None, ""),
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::9", 5, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        (("::1", 5, 0, 0), "::/64"),
        (("testclient", 5), "testclient"),
    ],
)
def test_whom_an_address_stands_for(address: Any, source: str) -> None:
    assert source_of(address) == source


@given(st.ip_addresses())
def test_every_address_stands_for_somebody(address: Any) -> None:
    assert source_of((str(address), 1))
