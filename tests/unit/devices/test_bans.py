from datetime import timedelta

import pytest

from orchestrator.devices.store.bans import Bans
from orchestrator.devices.store.database import Database
from orchestrator.model.bans import Ban
from orchestrator.model.errors import ResourceError
from tests.unit.devices.conftest import SetClock


def ban(set_clock: SetClock, source: str, times: int = 1) -> Ban:
    ends_at = set_clock.at + timedelta(minutes=5)
    return Ban(source, "wrong_passwords", set_clock.at, ends_at, times, "anna@demo.example")


async def test_bans_are_there_after_a_restart(database: Database, set_clock: SetClock) -> None:
    kept = Bans(database)
    first, second = ban(set_clock, "203.0.113.66"), ban(set_clock, "2001:db8::")
    kept.set(first.source, first)
    kept.set(second.source, second)
    await kept.flush()
    assert await Bans(database).load() == [second, first]
    again = ban(set_clock, "203.0.113.66", times=2)
    kept.set(again.source, again)
    kept.set(second.source, None)
    await kept.flush()
    assert await Bans(database).load() == [again]


async def test_while_the_database_is_away_changes_wait(
    database: Database, set_clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Bans(database)
    kept.set("203.0.113.66", ban(set_clock, "203.0.113.66"))

    async def away(self: Database, work: object) -> None:
        raise ResourceError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", away)
        await kept.flush()
    assert await kept.load() == []
    await kept.flush()
    assert await kept.load() == [ban(set_clock, "203.0.113.66")]
