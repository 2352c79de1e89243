"""What the doctor says of the machine."""

import os
import resource
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import trio

from orchestrator.cli import doctor
from orchestrator.cli.doctor import (
    Grade,
    certificate,
    data_folder,
    find_exchange,
    open_files,
    receive_buffer,
    trunk_finding,
)


@pytest.mark.parametrize(
    ("limit", "user", "is_small"),
    [("212992\n", 1000, True), ("8388608\n", 1000, False), ("212992\n", 0, False), (None, 1000, False)],
)
def test_a_small_receive_buffer_has_a_remedy(
    limit: str | None, user: int, is_small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    file = tmp_path / "rmem_max"
    if limit is not None:
        file.write_text(limit)
    finding = receive_buffer(file)
    assert finding.grade is (Grade.WARNING if is_small else Grade.WELL)
    assert ("sysctl -w net.core.rmem_max=8388608" in finding.remedy) is is_small


@pytest.mark.parametrize("running", [True, False])
def test_a_data_folder_that_is_missing_is_elsewhere_while_an_exchange_runs(
    tmp_path: Path, running: bool
) -> None:
    finding = data_folder(tmp_path / "data", running)
    assert finding.grade is (Grade.WARNING if running else Grade.WELL)
    assert ("--data-dir" in finding.remedy) is running
    assert ("will be made" in finding.seen) is not running


def test_a_data_folder_that_cannot_be_one_is_ill(tmp_path: Path) -> None:
    assert data_folder(tmp_path, False).grade is Grade.WELL
    (tmp_path / "data").write_text("a file")
    assert data_folder(tmp_path / "data", False).grade is Grade.ILL
    assert data_folder(tmp_path / "data" / "below", False).grade is Grade.ILL


@pytest.mark.parametrize(
    ("hard", "grade"), [(1024, Grade.WARNING), (20_000, Grade.WELL), (resource.RLIM_INFINITY, Grade.WELL)]
)
def test_the_hard_limit_of_files_counts_because_the_exchange_takes_it_all(hard: int, grade: Grade) -> None:
    assert open_files(hard).grade is grade


def server(
    host: str, address: str | None, state: str, status: int = 0, reason: str = ""
) -> dict[str, object]:
    return {"host": host, "address": address, "state": state, "status": status, "reason": reason}


def test_a_trunk_whose_host_has_no_address_is_ill_though_it_needs_no_registration() -> None:
    trunk = {"trunk": "carrier", "state": "by_address", "status": 0, "reason": "", "servers": []}
    assert trunk_finding("demo", trunk).grade is Grade.WELL
    why = "the trunk's host has no address"
    gone = [server("gone.example", None, "down", 503, why)]
    finding = trunk_finding(
        "demo", {**trunk, "state": "unreachable", "status": 503, "reason": why, "servers": gone}
    )
    assert (finding.grade, finding.seen) == (Grade.ILL, f"no answer from gone.example: 503 {why}")
    assert "can be looked up" in finding.remedy


@pytest.mark.parametrize("state", ["registered", "reachable", "by_address"])
def test_a_trunk_with_a_server_that_is_down_is_a_warning(state: str) -> None:
    servers = [
        server("a.example", "192.0.2.1:5060", "down", 408, "no answer from the network"),
        server("b.example", "192.0.2.2:5060", "up"),
    ]
    trunk = {"trunk": "carrier", "state": state, "status": 0, "reason": "", "servers": servers}
    finding = trunk_finding("demo", trunk)
    assert finding.grade is Grade.WARNING
    assert finding.seen == (
        "1 of 2 servers give no answer: a.example at 192.0.2.1:5060 (408 no answer from the network)"
    )
    assert "firewall" in finding.remedy


@pytest.mark.parametrize(
    ("state", "grade"),
    [
        ("registered", Grade.WELL),
        ("registering", Grade.WELL),
        ("reachable", Grade.WELL),
        ("refused", Grade.ILL),
    ],
)
def test_how_a_registration_stands_has_a_grade(state: str, grade: Grade) -> None:
    trunk = {"trunk": "carrier", "state": state, "status": 403, "reason": "Forbidden", "servers": []}
    assert trunk_finding("demo", trunk).grade is grade


@pytest.mark.parametrize(
    ("status", "health", "grade", "seen"),
    [
        (200, {"status": "ok", "engine": True, "journal": True}, Grade.WELL, "answers at"),
        (
            200,
            {"status": "degraded", "engine": True, "folds": False},
            Grade.WARNING,
            "degraded at http://x: folds",
        ),
        (
            503,
            {"status": "failing", "engine": False, "folds": True},
            Grade.ILL,
            "failing at http://x: engine",
        ),
        (200, {"hello": "world"}, Grade.ILL, "something else answers"),
    ],
)
def test_the_health_of_an_exchange_is_its_grade(
    status: int, health: dict[str, object], grade: Grade, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(status, json=health))
    finding, _ = find_exchange("http://x")
    assert (finding.grade, seen in finding.seen) == (grade, True)


def test_trunks_that_nobody_may_ask_for_are_a_warning(tmp_path: Path) -> None:
    [finding] = doctor._trunks("http://127.0.0.1:1", None, tmp_path)
    assert finding.grade is Grade.WARNING
    assert "operator.key" in finding.remedy


@pytest.mark.parametrize(("free", "grade"), [(1 << 20, Grade.WARNING), (1 << 40, Grade.WELL)])
def test_a_disk_that_is_nearly_full_is_a_warning(
    free: int, grade: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert doctor._disk(tmp_path / "data").grade is grade


@pytest.mark.parametrize(("year", "grade"), [(1970, Grade.ILL), (2030, Grade.WELL)])
def test_a_clock_that_was_never_set_is_ill(year: int, grade: Grade) -> None:
    assert doctor._clock(lambda: year).grade is grade


@pytest.mark.parametrize(
    ("received", "grade"), [((0, 90), Grade.ILL), ((90, 0), Grade.ILL), ((90, 80), Grade.WELL)]
)
def test_sound_that_goes_one_way_only_is_ill(
    received: tuple[int, int], grade: Grade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trio, "run", lambda _: (received, "epoll"))
    assert doctor._media().grade is grade


def test_a_database_with_a_broken_page_is_ill(tmp_path: Path) -> None:
    file = tmp_path / "tandem.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
    assert doctor._database(file).grade is Grade.WELL
    with file.open("r+b") as broken:
        broken.seek(4096 * 6)
        broken.write(b"\xff" * 2048)
    finding = doctor._database(file)
    assert finding.grade is Grade.ILL
    assert "backup" in finding.remedy


@pytest.mark.parametrize(
    ("left", "grade", "seen"),
    [
        (timedelta(days=60), Grade.WELL, "ends on 2027-01-23, in 60 days"),
        (timedelta(days=20, hours=23), Grade.WARNING, "ends on 2026-12-15, in 20 days"),
        (timedelta(0), Grade.ILL, "ended on 2026-11-24"),
    ],
)
def test_a_certificate_is_to_be_renewed_in_time(left: timedelta, grade: Grade, seen: str) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    finding = certificate(now + left, now)
    assert (finding.grade, finding.seen) == (grade, seen)
    assert ("renew it" in finding.remedy) == (grade is not Grade.WELL)
