import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog.testing
from attrs import define, evolve

from orchestrator.app.defence import Defence
from orchestrator.cli.logs import set_up_logs
from orchestrator.devices.store.bans import Bans
from orchestrator.devices.store.database import open_database
from orchestrator.model.bans import Ban

EVIL = "203.0.113.66"
DAY = timedelta(days=1)


@define
class Hand:
    """A clock that is moved by hand."""

    at: datetime = datetime(2026, 11, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def defence(tmp_path: Path, hand: Hand) -> Iterator[Defence]:
    database = open_database(f"sqlite:///{tmp_path}/t.db")
    yield Defence(Bans(database), hand, DAY)
    database.close()


def ban(hand: Hand, source: str = EVIL, lasts_s: float = 300, times: int = 1) -> Ban:
    return Ban(source, "wrong_passwords", hand.at, hand.at + timedelta(seconds=lasts_s), times, "anna@demo")


def test_who_is_banned_is_in_the_log_and_listed_until_that_is_over(defence: Defence, hand: Hand) -> None:
    with structlog.testing.capture_logs() as logs:
        defence.handle_banned(ban(hand))
    [line] = logs
    assert (line["event"], line["log_level"], line["source"]) == ("source_banned", "warning", EVIL)
    assert (line["lasts_s"], line["times"], line["last_account"]) == (300, 1, "anna@demo")
    hand.at += timedelta(seconds=299)
    assert [(view.source, view.left_s) for view in defence.in_force()] == [(EVIL, 1)]
    hand.at += timedelta(seconds=1)
    assert defence.in_force() == []
    assert not defence.lift(EVIL, by="operator")


def test_who_is_lifted_is_listed_no_more_and_the_log_says_by_whom(defence: Defence, hand: Hand) -> None:
    defence.handle_banned(ban(hand))
    with structlog.testing.capture_logs() as logs:
        assert defence.lift(EVIL, by="operator")
        assert not defence.lift(EVIL, by="operator")
        defence.handle_lifted(EVIL)
    assert [(line["event"], line["by"]) for line in logs] == [("ban_lifted", "operator")]
    assert defence.in_force() == []


async def test_a_restart_forgets_only_what_is_long_over(defence: Defence, hand: Hand) -> None:
    defence.handle_banned(old := ban(hand, "198.51.100.1"))
    hand.at += timedelta(hours=1)
    defence.handle_banned(new := ban(hand))
    await defence.store.flush()
    again = Defence(Bans(defence.store.database), hand, DAY)
    assert await again.load() == [old, new]
    assert [view.source for view in again.in_force()] == [EVIL]
    hand.at = old.ends_at + DAY
    later = Defence(Bans(defence.store.database), hand, DAY)
    assert await later.load() == [new]
    await later.store.flush()
    assert await later.store.load() == [new]


def test_the_filter_in_the_documentation_finds_who_is_banned(
    defence: Defence, hand: Hand, capsys: pytest.CaptureFixture[str]
) -> None:
    operating = (Path(__file__).parents[3] / "docs" / "operating.md").read_text(encoding="utf-8")
    [failregex] = re.findall(r"^failregex = (.*)$", operating, re.MULTILINE)
    finds = re.compile(failregex.replace("<HOST>", r"(?P<host>[0-9a-f.:]+)"))
    before = structlog.get_config()
    set_up_logs(json=True)
    try:
        liar = '"source": "192.0.2.1", "event": "source_banned"'
        defence.handle_banned(evolve(ban(hand), account=liar))
        structlog.get_logger().warning("wrong_passwords", source="192.0.2.2", last_account=liar)
    finally:
        structlog.configure(**before)
    found = [match["host"] for line in capsys.readouterr().err.splitlines() if (match := finds.search(line))]
    assert found == [EVIL]
