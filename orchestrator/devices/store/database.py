"""Opens the database, brings it up to date, and lets work run on it in threads."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
import trio
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from attrs import define, field

from orchestrator.model.errors import ConfigError, Problem, ResourceError

T = TypeVar("T")


@define(eq=False)
class Database:
    """One SQLite file. Reads run beside each other; writes one at a time, each in its own transaction."""

    engine: sa.Engine
    path: Path
    writing: threading.Lock = field(factory=threading.Lock)
    """Held by whoever writes: SQLite has one writer, and waiting for a lock of ours is cheaper than polling its."""
    fault: str | None = None
    """Why the last read or write failed; None once one has succeeded."""
    _lock_fd: int = -1
    _reads: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(4))
    _writes: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1))

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in a thread over a consistent snapshot. Raises `ResourceError`."""
        return await trio.to_thread.run_sync(self.read_now, work, limiter=self._reads)

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in a thread and a transaction, durable on return. Raises `ResourceError`; then nothing changed."""
        return await trio.to_thread.run_sync(self.write_now, work, limiter=self._writes)

    def read_now(self, work: Callable[[sa.Connection], T]) -> T:
        """The same, in this thread."""
        with self._told(), self.engine.connect() as connection:
            return work(connection)

    def write_now(self, work: Callable[[sa.Connection], T]) -> T:
        """The same, in this thread."""
        with self._told(), self.writing, self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                return work(connection)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the database's failures as the host's."""
        try:
            yield
        except (sa.exc.DatabaseError, sqlite3.Error) as error:
            if isinstance(error, sa.exc.IntegrityError | sa.exc.ProgrammingError | sqlite3.IntegrityError):
                raise
            self.fault = str(getattr(error, "orig", None) or error)
            raise ResourceError(f"database {self.path}: {self.fault}") from error
        self.fault = None

    def raw(self) -> sqlite3.Connection:
        """A connection of its own for the journal's thread. Autocommit; the caller says BEGIN."""
        return _connect(self.path)

    def close(self) -> None:
        """Let the file go."""
        self.engine.dispose()
        os.close(self._lock_fd)


def open_database(url: str) -> Database:
    """Open or create, lock against a second exchange, migrate. Blocks.

    Raises `ConfigError` for an URL that is not ours or a schema that is too new, `ResourceError` for a place
    that cannot be written.
    """
    path = _path(url)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock_fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ResourceError(f"database {path}: {error.strerror}") from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise ResourceError(
            f"database {path}: another exchange is using it; end it, or choose another folder with --data-dir"
        ) from error
    try:
        _make_private(path)
    except OSError as error:
        os.close(lock_fd)
        raise ResourceError(f"database {path}: {error.strerror}") from error
    database = Database(_engine(path), path, lock_fd=lock_fd)
    try:
        database.write_now(_migrate)
    except BaseException:
        database.close()
        raise
    return database


def _path(url: str) -> Path:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError([Problem("database_url", "must be such as sqlite:///data/tandem.db")]) from None
    if parsed.get_backend_name() != "sqlite":
        what = f"only sqlite:///PATH is supported, not {parsed.get_backend_name()}"
        raise ConfigError([Problem("database_url", what)])
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError(
            [Problem("database_url", "must name a file: a journal in memory would be forgotten")]
        )
    return Path(parsed.database)


def _make_private(path: Path) -> None:
    """Let only the owner read the file, from its first byte on. SQLite gives the files beside it the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        if file.exists():
            file.chmod(0o600)


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://", creator=lambda: _connect(path), poolclass=sa.pool.QueuePool, pool_size=5, max_overflow=0
    )

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-16000")
    connection.execute("PRAGMA wal_autocheckpoint=8000")
    return connection


def _migrate(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "orchestrator:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        what = "was written by a newer version of Tandem; upgrade Tandem, or restore a backup"
        raise ConfigError([Problem("database", what)]) from error
