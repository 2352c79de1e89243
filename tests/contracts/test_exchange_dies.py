"""An exchange is killed with calls going on: what it acknowledged is there, once, and nothing stays open.

TANDEM_KILLS sets how often (10); the moments are random, the seed is printed.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.app import Exchange, open_exchange
from orchestrator.model.calls import EndCause
from orchestrator.model.identifiers import CallId
from orchestrator.model.journal import CallAnswered, CallArrived, CallEnded, Record
from orchestrator.statistics.records import CallRecord, CallRecords
from tests.contracts.exchange_child import DEMO, settings_for

KILLS = int(os.environ.get("TANDEM_KILLS", "10"))
CALLS_PER_S = 400


async def test_no_answered_call_is_lost_or_doubled_by_a_kill(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    rng, answered = random.Random(seed), list[str]()
    for _ in range(KILLS):
        acknowledged, killed_at = run_and_kill(tmp_path, rng.uniform(0.05, 1.2))
        answered += acknowledged
        async with open_exchange(settings_for(tmp_path)) as exchange:
            await exchange.journal.durable()
            await check(exchange, answered, killed_at)
    assert len(answered) > 20 * KILLS


def run_and_kill(data_dir: Path, after_s: float) -> tuple[list[str], datetime]:
    """Let a child work for a while; the calls that it acknowledged, and when it was killed."""
    command = [sys.executable, "-m", "tests.contracts.exchange_child", str(data_dir), str(CALLS_PER_S)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child, child.stdout as said:
        assert said.readline() == "ready\n"
        time.sleep(after_s)
        child.kill()
        killed_at = datetime.now(UTC)
        lines = said.read().split("\n")
    return [line.removeprefix("answered ") for line in lines[:-1]], killed_at


async def check(exchange: Exchange, answered: list[str], killed_at: datetime) -> None:
    records = await journal_of(exchange)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    answers = Counter(r.entry.call for r in records if isinstance(r.entry, CallAnswered))
    assert [call for call in answered if answers[CallId(call)] != 1] == []
    arrivals = Counter(r.entry.call for r in records if isinstance(r.entry, CallArrived))
    ends = Counter(r.entry.call for r in records if isinstance(r.entry, CallEnded))
    assert arrivals == ends
    assert set(ends.values()) == {1}
    kept = await records_of(exchange)
    assert kept == fold_of(records)
    cut = [one for one in kept.values() if one.cause is EndCause.NODE_FAILURE and one.answered_at]
    assert cut
    late = max(one.ended_at for one in cut if one.ended_at)
    assert killed_at - timedelta(seconds=1.3) <= late <= killed_at + timedelta(seconds=0.1)
    assert exchange.live_calls(DEMO) == []
    assert exchange.counters(DEMO).total.ringing == exchange.counters(DEMO).total.talking == 0


async def journal_of(exchange: Exchange) -> list[Record]:
    records: list[Record] = []
    while page := (await exchange.entries_after(DEMO, len(records), 10_000)).records:
        records += page
    return records


async def records_of(exchange: Exchange) -> dict[CallId, CallRecord]:
    kept: dict[CallId, CallRecord] = {}
    before: tuple[datetime, CallId] | None = None
    while page := await exchange.records(DEMO, before=before, limit=1000):
        kept |= {one.call: one for one in page}
        before = (page[-1].started_at, page[-1].call)
    return kept


def fold_of(records: list[Record]) -> dict[CallId, CallRecord]:
    fold, kept = CallRecords(), dict[CallId, CallRecord]()
    for record in records:
        if (changed := fold.apply(record)) is not None:
            kept[changed.call] = changed
    return kept


async def test_a_full_disk_stops_new_calls_and_loses_nothing(tmp_path: Path) -> None:
    lines = run_on_a_small_disk(tmp_path)
    assert lines[0] == "ready"
    assert "well" in lines
    assert any(line.startswith("fault ") for line in lines)
    assert "the disk was well again" not in lines
    answered = [line.removeprefix("answered ") for line in lines if line.startswith("answered ")]
    async with open_exchange(settings_for(tmp_path)) as exchange:
        # The calls that the child left open are closed at the start; both views are read after that.
        await exchange.journal.durable()
        records = await journal_of(exchange)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        answers = Counter(r.entry.call for r in records if isinstance(r.entry, CallAnswered))
        assert [call for call in answered if answers[CallId(call)] != 1] == []
        assert await records_of(exchange) == fold_of(records)
        integrity = await exchange.store.database.read(
            lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        )
        assert integrity == ["ok"]


def run_on_a_small_disk(data_dir: Path) -> list[str]:
    """What a child says whose files may not grow, and then may."""
    command = [sys.executable, "-m", "tests.contracts.exchange_child", str(data_dir), "400", "600000"]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return child.stdout.splitlines()
