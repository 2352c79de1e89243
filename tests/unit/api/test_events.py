"""The event stream: resumes anywhere, loses nothing, doubles nothing, lets slow readers go."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, get_args

import httpx
import pytest
import trio
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from api import streams
from api.envelopes import TYPES
from api.routers import events
from orchestrator.model import journal as j
from orchestrator.model.calls import Direction, Who
from orchestrator.model.identifiers import CallId, LegId
from tests.unit.api.conftest import DEMO, app_of
from tests.unit.api.fake_exchange import FakeExchange

ONE, TWO = CallId("01900000-0000-7000-8000-000000000001"), CallId("01900000-0000-7000-8000-000000000002")


def arrived(call: CallId = ONE) -> j.CallArrived:
    return j.CallArrived(call, LegId(1), Direction.INTERNAL, Who(name="Анна"), "102")


class Reader:
    """Reads a stream straight from the application, at its own pace."""

    def __init__(
        self, app: FastAPI, key: str, path: str = "/api/v1/events", query: str = "", **headers: str
    ) -> None:
        self._app = app
        given = {"authorization": f"Bearer {key}", **headers}
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in given.items()],
        }
        self.status = 0
        self.text = ""
        self.ended = False
        self.gone = trio.Event()
        self.gate: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def run(self) -> None:
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b""}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            await self.gate()
            if message["type"] == "http.response.start":
                self.status = message["status"]
            else:
                self.text += message.get("body", b"").decode()
                self.ended = not message.get("more_body", False)

        await self._app(self._scope, receive, send)

    @property
    def events(self) -> list[tuple[int, str, Any]]:
        found = []
        for block in self.text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            if "event" in fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
        return found

    @property
    def seqs(self) -> list[int]:
        return [seq for seq, kind, _ in self.events if kind not in ("heartbeat", "slow_consumer")]


def test_types_are_the_contract() -> None:
    assert set(TYPES) == set(get_args(j.Entry))
    assert TYPES[j.CallAnswered] == "call.answered"
    assert TYPES[j.PersonNotReached] == "person.not_reached"
    assert TYPES[j.LoopCut] == "loop.cut"
    assert TYPES[j.CommandCompleted] == "command.completed"


async def test_an_event_looks_as_promised(
    app: FastAPI, fake: FakeExchange, key: str, autojump_clock: MockClock
) -> None:
    reader = Reader(app, key)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await trio.sleep(1)
        record = fake.write(DEMO, arrived())
        await trio.sleep(1)
        reader.gone.set()
    [(seq, kind, body)] = reader.events
    assert (seq, kind) == (record.seq, "call.arrived")
    assert body == {
        "id": str(seq),
        "seq": seq,
        "type": "call.arrived",
        "time": "2026-11-24T09:00:00.300Z",
        "company": "demo",
        "call": ONE,
        "leg": 1,
        "cause": None,
        "v": 1,
        "data": {
            "direction": "internal",
            "caller": {"person": None, "device": None, "trunk": None, "number": "", "name": "Анна"},
            "called": "102",
            "command": None,
            "diverted": None,
        },
    }


@given(
    cuts=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    before=st.integers(0, 8),
    kept=st.integers(0, 2**20),
)
def test_a_reader_that_dies_again_and_again_misses_nothing(cuts: list[int], before: int, kept: int) -> None:
    async def story() -> None:
        fake = FakeExchange()
        await fake.apply(
            {"company": "demo", "name": "x", "domain": "x.example", "terminal": {"announcement": "a"}}, by="x"
        )
        app = app_of(fake)
        _, key = await fake.create_key(company=DEMO, name="x", scopes=frozenset({"events.read"}))
        seen = list(range(1, fake.last_seq(DEMO) + 1))
        for _ in range(before):
            fake.write(DEMO, arrived())
        for cut in cuts:
            reader = Reader(app, key, last_event_id=str(seen[-1]))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reader.run)
                for n in range(cut):
                    if kept >> n & 1:
                        await trio.lowlevel.checkpoint()
                    fake.write(DEMO, arrived())
                reader.gone.set()
            assert reader.status in (0, 200)
            seen += reader.seqs
        reader = Reader(app, key, last_event_id=str(seen[-1]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.run)
            await wait_all_tasks_blocked()
            reader.gone.set()
        assert seen + reader.seqs == list(range(1, fake.last_seq(DEMO) + 1))

    trio.run(story)


async def test_silence_is_told_with_the_place(
    app: FastAPI, fake: FakeExchange, key: str, autojump_clock: MockClock
) -> None:
    reader = Reader(app, key, query=f"call={TWO}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await trio.sleep(0.5)
        for _ in range(40):
            fake.write(DEMO, arrived(ONE))
            await trio.sleep(1)
        reader.gone.set()
    assert [kind for _, kind, _ in reader.events] == ["heartbeat", "heartbeat"]
    assert [seq for seq, _, _ in reader.events] == [16, 31]


async def test_a_slow_reader_is_let_go_with_its_place(app: FastAPI, fake: FakeExchange, key: str) -> None:
    reader = Reader(app, key)
    stuck = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await wait_all_tasks_blocked()
        reader.gate = stuck.wait
        for _ in range(300):
            fake.write(DEMO, arrived())
        await wait_all_tasks_blocked()
        stuck.set()
    assert reader.ended
    *told, (place, kind, _) = reader.events
    assert kind == "slow_consumer"
    assert place == told[-1][0]
    assert reader.seqs == list(range(2, place + 1))


async def test_filters(client: httpx.AsyncClient, fake: FakeExchange) -> None:
    for call in (ONE, TWO, ONE):
        fake.write(DEMO, arrived(call))
    answer = (await client.get(f"/api/v1/events?after=0&wait=0&call={TWO}")).json()
    assert [e["seq"] for e in answer["items"]] == [3]
    answer = (await client.get("/api/v1/events?after=0&wait=0&types=configuration.changed")).json()
    assert [e["seq"] for e in answer["items"]] == [1]
    assert answer["after"] == 4
    assert (await client.get("/api/v1/events?types=nothing")).json()["code"] == "invalid_input"


async def test_a_long_poll_waits_for_news(
    client: httpx.AsyncClient, fake: FakeExchange, autojump_clock: MockClock
) -> None:
    async def soon() -> None:
        await trio.sleep(3)
        fake.write(DEMO, arrived())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(soon)
        answer = (await client.get("/api/v1/events?after=1&wait=10")).json()
    assert trio.current_time() == pytest.approx(3, abs=0.1)
    assert ([e["seq"] for e in answer["items"]], answer["after"]) == ([2], 2)
    assert (await client.get("/api/v1/events?after=2&wait=10")).json() == {"items": [], "after": 2}
    assert trio.current_time() == pytest.approx(13, abs=0.1)


async def test_one_request_looks_at_so_much_only(
    client: httpx.AsyncClient, fake: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOKED_AT_MAX", 10)
    fake.looks_at = 10
    for _ in range(34):
        fake.write(DEMO, arrived())
    fake.write(DEMO, arrived(TWO))
    place, pages = 0, []
    while place < 36:
        answer = (await client.get(f"/api/v1/events?after={place}&wait=30&call={TWO}")).json()
        place = answer["after"]
        pages.append((len(answer["items"]), place))
    assert pages == [(0, 10), (0, 20), (0, 30), (1, 36)]


async def test_a_stream_that_searches_long_tells_how_far_it_is(
    app: FastAPI, fake: FakeExchange, key: str
) -> None:
    fake.looks_at = 10
    for _ in range(24):
        fake.write(DEMO, arrived())
    fake.write(DEMO, arrived(TWO))
    reader = Reader(app, key, query=f"after=0&call={TWO}")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await wait_all_tasks_blocked()
        reader.gone.set()
    assert [(seq, kind) for seq, kind, _ in reader.events] == [
        (10, "heartbeat"),
        (20, "heartbeat"),
        (26, "call.arrived"),
    ]


async def test_a_place_that_never_was_is_no_place_to_resume_from(
    client: httpx.AsyncClient, fake: FakeExchange
) -> None:
    for _ in range(9):
        fake.write(DEMO, arrived())
    assert (await client.get("/api/v1/events?after=10&wait=0")).status_code == 200
    answer = await client.get("/api/v1/events?after=11&wait=0")
    assert answer.status_code == 410
    assert (answer.json()["code"], answer.json()["last"]) == ("cursor_expired", 10)


async def test_streams_are_limited(
    app: FastAPI, client: httpx.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_PER_KEY", 2)
    readers = [Reader(app, key) for _ in range(2)]
    async with trio.open_nursery() as nursery:
        for reader in readers:
            nursery.start_soon(reader.run)
        await wait_all_tasks_blocked()
        answer = await client.get("/api/v1/events")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        for reader in readers:
            reader.gone.set()
    reader = Reader(app, key)
    reader.gone.set()
    await reader.run()
    assert reader.status in (0, 200)


async def test_a_revoked_key_hears_no_more(
    app: FastAPI, fake: FakeExchange, autojump_clock: MockClock
) -> None:
    view, key = await fake.create_key(company=DEMO, name="x", scopes=frozenset({"events.read"}))
    reader = Reader(app, key)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await trio.sleep(1)
        await fake.revoke_key(view.id)
        while not reader.ended:
            fake.write(DEMO, arrived())
            await trio.sleep(1)
            assert trio.current_time() < 2 * streams.HEARTBEAT_S


async def test_what_comes_together_is_written_together(
    app: FastAPI, fake: FakeExchange, key: str, autojump_clock: MockClock
) -> None:
    reader = Reader(app, key)
    writes = 0

    async def count() -> None:
        nonlocal writes
        writes += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await trio.sleep(1)
        reader.gate = count
        for _ in range(90):
            fake.write(DEMO, arrived())
        await trio.sleep(1)
        reader.gone.set()
    assert reader.seqs == list(range(2, 92))
    assert writes == 1
