"""The examples of the documentation, pasted into a shell one after the other."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import trio

from api.counters import HttpCounters
from api.server import serve_http
from orchestrator.model import journal as j
from orchestrator.model.access import SCOPES
from orchestrator.model.bans import Ban
from orchestrator.model.calls import Direction, Who
from orchestrator.model.identifiers import CallId, LegId
from tests.unit.api.conftest import DEMO, app_of, built, company
from tests.unit.api.fake_exchange import FakeExchange

CALL = CallId("01900000-0000-7000-8000-00000000ca11")
ENDLESS = "listenToEvents"
TOO_LONG = 28
"""What curl says when it was stopped by `--max-time`."""
FIRST = ("putSite", "putPerson", "putNumber", "putTrunk")
REMOVED = ("deleteNumber", "deletePerson", "deleteTrunk", "deleteSite", "revokeKey")


def examples() -> list[tuple[str, str]]:
    """Things are made before they are used, and removed after it."""
    operations: dict[str, Any] = {
        operation["operationId"]: operation
        for methods in built()[0].openapi()["paths"].values()
        for operation in methods.values()
    }
    between = [name for name in operations if name not in FIRST + REMOVED]
    return [
        (name, sample["source"])
        for name in (*FIRST, *between, *REMOVED)
        for sample in operations[name]["x-codeSamples"]
    ]


async def test_every_example_works_as_pasted(tmp_path: Path) -> None:
    fake = FakeExchange()
    await fake.apply(company("demo"), by="test")
    fake.write(DEMO, j.CallArrived(CALL, LegId(1), Direction.INTERNAL, Who(), "102"))
    command = await fake.originate(DEMO, caller="anna", to="102", by="x")
    fake.banned["203.0.113.66"] = Ban("203.0.113.66", "flood", fake.now, fake.now + timedelta(minutes=5), 1)
    victim, _ = await fake.create_key(company=None, name="victim", scopes=frozenset({"calls.read"}))
    _, key = await fake.create_key(company=None, name="operator", scopes=SCOPES)
    shell = {"TANDEM_KEY": key, "CALL": CALL, "COMMAND": command, "KEY_ID": victim.id, "COMPANY": "demo"}
    script = 'curl() { command curl -sS --fail-with-body --max-time 2 --noproxy "*" "$@"; }\nset -e\n'
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(serve_http, app_of(fake), ["127.0.0.1:0"], HttpCounters())
        for name, source in examples():
            with trio.fail_after(10):
                done = await trio.run_process(
                    ["bash", "-c", script + source],
                    env={**os.environ, **shell, "TANDEM_URL": url},
                    cwd=tmp_path,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                )
            expected = TOO_LONG if name == ENDLESS else 0
            assert done.returncode == expected, (name, source, done.stdout, done.stderr)
        nursery.cancel_scope.cancel()
    assert not fake.banned
    assert "vera" not in fake.configurations[DEMO].people
    assert victim.id not in fake.views


async def test_the_requests_of_the_readme_work_as_pasted(tmp_path: Path) -> None:
    fake = FakeExchange()
    await fake.apply(company("demo"), by="test")
    _, key = await fake.create_key(company=None, name="operator", scopes=SCOPES)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "operator.key").write_text(key)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL) if "$API/" in block]
    asked = re.findall(r"\$API/(\w+)", block)
    script = 'curl() { command curl --fail-with-body --max-time 2 --noproxy "*" "$@"; }\nset -e\n'
    async with trio.open_nursery() as nursery:
        [url] = await nursery.start(serve_http, app_of(fake), ["127.0.0.1:0"], HttpCounters())
        with trio.fail_after(10):
            done = await trio.run_process(
                ["bash", "-c", script + block.replace("http://127.0.0.1:8080", url)],
                cwd=tmp_path,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        nursery.cancel_scope.cancel()
    assert asked[-1] == "events"
    assert done.returncode == TOO_LONG, (done.stdout, done.stderr)
    assert all(said in done.stdout for said in (b"items", b"command_id", b"retry:")), done.stdout


def test_what_may_be_lost_is_never_changed_blindly() -> None:
    for methods in built()[0].openapi()["paths"].values():
        for operation in methods.values():
            told = {s["label"]: s["source"] for s in operation["x-codeSamples"]}
            if any(p["name"] == "if-match" for p in operation.get("parameters", ())):
                assert "If-Match: $ETAG" in told.get("Change", told.get("Remove", ""))
