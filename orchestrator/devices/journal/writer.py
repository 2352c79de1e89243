"""The journal's thread: one connection, one transaction a batch, call records in the same transaction.

SQLite's driver gives the GIL up and asks for it back at every step of a statement, and waits for the interpreter's
switch interval each time while Python is busy elsewhere. So many rows go into one statement, and the interval is
made short by whoever starts the exchange.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import trio
from attrs import define, field

from orchestrator.devices.journal.codec import encode, kind_of, whole
from orchestrator.devices.journal.folds import Folds
from orchestrator.devices.store.times import to_us
from orchestrator.model.identifiers import CallId
from orchestrator.model.journal import Record
from orchestrator.statistics.records import CallRecord, CallRecords


@define(eq=False)
class Batch:
    """Entries to commit together. The rows are made once, however often the commit is tried."""

    lines: Sequence["Line"]
    now_us: int
    """Stamped as the moment at which the exchange was last alive."""
    rows: "list[list[Row]] | None" = None
    """Of the journal, the call records and their parties."""


Line = tuple[Record, bytes]
"""A record and its entry as JSON."""
Row = tuple[Any, ...]


@define(eq=False)
class Writer:
    """Commits batches in a thread of its own. `calls` has to know the calls that are open already."""

    connection: sqlite3.Connection
    lock: threading.Lock
    calls: CallRecords = field(factory=CallRecords)
    folds: Folds = field(factory=Folds)
    _alive_at_us: int = 0
    _jobs: "queue.SimpleQueue[Callable[[], None] | None]" = field(factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="tandem-journal", daemon=True)
        self._thread.start()

    async def commit(self, batch: Batch) -> None:
        """Make a batch durable. Raises `sqlite3.Error`; then nothing of it is there. Not to be cancelled."""
        done = trio.Event()
        token = trio.lowlevel.current_trio_token()
        failure: list[BaseException] = []

        def job() -> None:
            try:
                self._commit(batch)
            except BaseException as error:  # the waiting task raises it
                failure.append(error)
            token.run_sync_soon(done.set)

        self._jobs.put(job)
        with trio.CancelScope(shield=True):
            await done.wait()
        if failure:
            raise failure[0]

    def stop(self) -> None:
        """End the thread and close the connection."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()
        self.connection.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _commit(self, batch: Batch) -> None:
        if batch.rows is None:
            batch.rows = self._rows(batch.lines)
        entries, calls, parties = batch.rows
        stamped = abs(batch.now_us - self._alive_at_us) >= _ALIVE_EVERY_US
        with self.lock:
            execute = self.connection.execute
            try:
                execute("BEGIN IMMEDIATE")
                _insert(execute, _INTO_JOURNAL, "", entries)
                _insert(execute, _INTO_RECORDS, _RECORD_CHANGES, calls)
                _insert(execute, _INTO_PARTIES, "", parties)
                if stamped:
                    execute(_ALIVE, (batch.now_us,))
                execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    execute("ROLLBACK")
                raise
        if stamped:
            self._alive_at_us = batch.now_us

    def _rows(self, lines: Sequence[Line]) -> list[list[Row]]:
        entries: list[Row] = []
        changed: dict[CallId, tuple[CallRecord, Record]] = {}
        guard, apply = self.folds.guard, self.calls.apply
        for record, body in lines:
            entry = record.entry
            call = getattr(entry, "call", None)
            entries.append((record.company, record.seq, to_us(record.at), kind_of(entry), call, body))
            if (kept := guard("call_records", apply, record)) is not None:
                changed[kept.call] = (kept, record)
        # Once a call, however many of its entries are in the batch.
        rows = [guard("call_records", partial(_rows_of, kept), record) for kept, record in changed.values()]
        made = [row for row in rows if row is not None]
        return [entries, [call for call, _ in made], [party for _, parties in made for party in parties]]


def _rows_of(kept: CallRecord, _: Record) -> tuple[Row, list[Row]]:
    return _record_row(kept), _party_rows(kept) if kept.ended_at else []


def _record_row(record: CallRecord) -> Row:
    ended_at = record.ended_at
    return (
        record.company,
        record.call,
        to_us(record.started_at),
        None if ended_at is None else to_us(ended_at),
        record.direction.value,
        encode(record),
    )


def _party_rows(record: CallRecord) -> list[Row]:
    """A closed record by everybody that it may be asked for: people and numbers."""
    answered_by = record.answered_by
    numbers = (record.caller.number, record.called, record.number, answered_by and answered_by.number)
    parties = dict.fromkeys(f"person:{person}" for person in record.people)
    parties |= dict.fromkeys(whole(f"number:{number}"[:80]) for number in numbers if number)
    started_at_us = to_us(record.started_at)
    return [(record.company, party, started_at_us, record.call) for party in parties]


def _insert(execute: Callable[..., Any], into: str, conflict: str, rows: list[Row]) -> None:
    """Insert in statements of 256, 64, 16, 4 and 1 rows, so that few are needed and few are to be compiled."""
    at = 0
    while at < len(rows):
        size = next(size for size in (256, 64, 16, 4, 1) if size <= len(rows) - at)
        chunk = rows[at : at + size]
        values = ",".join([f"({','.join('?' * len(chunk[0]))})"] * size)
        execute(f"{into} VALUES {values} {conflict}", tuple(chain.from_iterable(chunk)))
        at += size


_INTO_JOURNAL = "INSERT INTO journal (company, seq, at_us, kind, call, body)"
_INTO_RECORDS = "INSERT INTO call_records (company, call, started_at_us, ended_at_us, direction, body)"
_RECORD_CHANGES = "ON CONFLICT DO UPDATE SET ended_at_us = excluded.ended_at_us, body = excluded.body"
_INTO_PARTIES = "INSERT OR IGNORE INTO call_parties (company, party, started_at_us, call)"
_ALIVE = "INSERT INTO node (id, alive_at_us) VALUES (1, ?) ON CONFLICT DO UPDATE SET alive_at_us = excluded.alive_at_us"
_ALIVE_EVERY_US = 500_000
