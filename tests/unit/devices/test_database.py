import os
import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from orchestrator.devices.store.database import Database, open_database
from orchestrator.devices.store.tables import API_KEYS, METADATA, NODE
from orchestrator.model.errors import ConfigError, ResourceError


def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    differences = database.read_now(
        lambda connection: compare_metadata(MigrationContext.configure(connection), METADATA)
    )
    assert differences == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://host/db", "only sqlite:///PATH is supported, not postgresql"),
        ("nonsense", "must be such as"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
    ],
)
def test_a_wrong_url_is_the_operators_mistake(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        open_database(url)


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"database .*: (Not a directory|File exists)"):
        open_database(f"sqlite:///{tmp_path}/file/tandem.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(ResourceError, match="Is a directory"):
        open_database(f"sqlite:///{tmp_path}/folder.db")
    (tmp_path / "noise.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(ResourceError, match="file is not a database"):
        open_database(f"sqlite:///{tmp_path}/noise.db")


def test_a_second_exchange_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tandem.db"
    first = open_database(url)
    with pytest.raises(ResourceError, match=r"another exchange is using it.*--data-dir"):
        open_database(url)
    first.close()
    open_database(url).close()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tandem.db"
    open_database(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigError, match="newer version of Tandem"):
        open_database(f"sqlite:///{path}")
    with pytest.raises(ConfigError, match="newer version of Tandem"):
        open_database(f"sqlite:///{path}")


def test_only_the_owner_may_read_its_files_whatever_the_folder_allows(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0o022)
    try:
        for _ in range(2):
            database = open_database(f"sqlite:///{tmp_path}/tandem.db")
            files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
            database.close()
            assert set(files) == {"tandem.db", "tandem.db-wal", "tandem.db-shm", "tandem.db.lock"}
            assert set(files.values()) == {0o600}, files
            (tmp_path / "tandem.db").chmod(0o644)
            for beside in ("wal", "shm"):
                (tmp_path / f"tandem.db-{beside}").touch(0o644)
    finally:
        os.umask(before)


async def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def broken(connection: sa.Connection) -> None:
        connection.execute(NODE.insert(), {"id": 1, "alive_at_us": 1})
        connection.exec_driver_sql("SELECT * FROM nowhere")

    with pytest.raises(ResourceError, match="no such table: nowhere"):
        await database.write(broken)
    assert database.fault is not None
    assert await database.read(lambda c: c.execute(NODE.select()).all()) == []
    assert database.fault is None


async def test_commits_are_synced_and_read_while_a_write_goes_on(database: Database) -> None:
    assert await database.read(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar()) == 2
    assert await database.read(lambda c: c.exec_driver_sql("PRAGMA journal_mode").scalar()) == "wal"

    def write(connection: sa.Connection) -> int | None:
        connection.execute(NODE.insert(), {"id": 1, "alive_at_us": 1})
        return database.read_now(lambda c: c.scalar(sa.select(sa.func.count()).select_from(NODE)))

    assert await database.write(write) == 0


async def test_a_broken_rule_of_the_schema_is_a_bug_of_ours(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        await database.write(lambda c: c.execute(API_KEYS.insert(), {"id": "x"}))
