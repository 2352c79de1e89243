"""A hundred thousand numbers: loading grows with their count, looking up does not."""

import time
from pathlib import Path
from typing import Any

import trio

from orchestrator.app import Exchange, open_exchange
from orchestrator.model.identifiers import CompanyId
from tests.contracts.test_exchange import DOCUMENT, settings_for

DEMO = CompanyId("demo")
FEW, MANY = 10_000, 100_000


def with_numbers(count: int) -> dict[str, Any]:
    numbers = [{"number": f"+7495{place:07}", "to": {"person": "anna"}} for place in range(count)]
    return {**DOCUMENT, "numbers": numbers}


async def test_load_grows_with_the_count_and_look_up_does_not(tmp_path: Path) -> None:
    few_s = await applied_s(tmp_path / "few", FEW)
    many_s = await applied_s(tmp_path / "many", MANY)
    assert many_s < 25 * few_s
    restart = {}
    for name in ("few", "many"):
        before = time.process_time()
        async with open_exchange(settings_for(tmp_path / name)) as exchange:
            restart[name] = time.process_time() - before
            count = len(exchange.directory(DEMO).numbers)
            restart[f"{name} look-ups"] = looked_up_s(exchange, count)
            if name == "many":
                await change_one(exchange)
    assert restart["many"] < 25 * restart["few"]
    assert restart["many look-ups"] < 4 * restart["few look-ups"]
    print(f"apply {few_s:.2f} → {many_s:.2f} s, {restart}")


async def applied_s(data_dir: Path, count: int) -> float:
    """CPU seconds to apply a company to a new exchange."""
    async with open_exchange(settings_for(data_dir)) as exchange:
        before = time.process_time()
        plan = await exchange.apply(with_numbers(count), by="test")
        assert len(plan.put) == count + 3
        return time.process_time() - before


def looked_up_s(exchange: Exchange, count: int) -> float:
    """CPU seconds to find a thousand numbers twenty times as a trunk dials them, the best of five."""
    directory = exchange.directory(DEMO)
    dialled = [f"+7495{place * (count // 1000):07}" for place in range(1000)] * 20
    best = 1e9
    for _ in range(5):
        before = time.process_time()
        assert all(directory.number(one) for one in dialled)
        best = min(best, time.process_time() - before)
    return best


async def change_one(exchange: Exchange) -> None:
    """One number of many is changed while the loop goes on."""
    late_s = 0.0

    async def watch() -> None:
        nonlocal late_s
        while True:
            due = trio.current_time() + 0.01
            await trio.sleep_until(due)
            late_s = max(late_s, trio.current_time() - due)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        changed = await exchange.put(
            DEMO, "number", "+74950000007", {"to": {"person": "boris"}}, if_version=1, by="test"
        )
        nursery.cancel_scope.cancel()
    assert changed.version == 2
    found = exchange.directory(DEMO).number("84950000007")
    assert found is not None
    print(f"the loop was {late_s * 1000:.0f} ms late at most")
