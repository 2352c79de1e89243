"""Writes what happened: group commit, folds and followers after it.

```
write ──► pending ──► batch ──► thread: BEGIN … COMMIT ──► folds ──► followers ──► durable() returns
            ▲                        │ fails or hangs: full disk, I/O
            └── grows meanwhile ◄────┘ the same batch is tried again; no new calls are accepted
                                       but for help, and those that go on wait for the disk no longer
```
"""

import math
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog
import trio
from attrs import define, field

from orchestrator.devices.journal.codec import encode
from orchestrator.devices.journal.folds import Folds
from orchestrator.devices.journal.subscription import Subscriptions
from orchestrator.devices.journal.writer import Batch, Line, Writer
from orchestrator.devices.store.times import to_us
from orchestrator.model.identifiers import CompanyId
from orchestrator.model.journal import CallAnswered, CallArrived, CallEnded, Entry, Record
from orchestrator.ports import Clock

_LOG = structlog.get_logger(__name__)


@define(eq=False)
class SqlJournal:
    """Implements `ports.Journal`. Made by `open_journal`."""

    clock: Clock
    writer: Writer
    followers: Subscriptions = field(factory=Subscriptions)
    fault: str | None = None
    """Why nothing can be made durable now; None while all is well."""
    lost: int = 0
    """Entries given up because too many waited. They were never numbered: there is no gap."""
    spool: int = 250_000
    """Entries that may wait; above it only arrivals, answers and ends of calls are taken."""
    patience_s: float = 2.0
    """How long `durable` waits for a disk that fails; then it is told, and calls go on from memory."""
    _seqs: dict[CompanyId, int] = field(factory=dict)
    _told: dict[CompanyId, int] = field(factory=dict)
    _pending: list[Line] = field(factory=list)
    _news: trio.Event = field(factory=trio.Event)
    _asked: trio.Event = field(factory=trio.Event)
    _pending_durable: trio.Event = field(factory=trio.Event)
    _committing_durable: trio.Event | None = None
    _committing: int = 0
    _pending_since_s: float = math.inf
    """When the oldest of these was written, on trio's clock; infinite while there is none."""
    _committing_since_s: float = math.inf
    """The same of those that are being committed."""
    _failing_since_s: float = math.inf
    """On trio's clock; infinite while all is well."""
    _ending: bool = False

    @property
    def accepting(self) -> bool:
        """False while entries cannot be made durable: no new call may begin but to an emergency number."""
        return self.fault is None

    @property
    def folds(self) -> Folds:
        """What is computed from the entries, the call records included."""
        return self.writer.folds

    def write(self, company: CompanyId, entry: Entry) -> None:
        """Number and date an entry. Durable within about 10 ms.

        One that cannot be stored raises here, where its call is to blame: nothing was numbered then.
        """
        body = encode(entry)
        if len(self._pending) >= self.spool and not isinstance(entry, _NEVER_LOST):
            self.lost += 1
            return
        seq = self._seqs.get(company, 0) + 1
        self._seqs[company] = seq
        self._pending.append((Record(company, seq, self.clock.now(), entry), body))
        if len(self._pending) == 1:
            self._pending_since_s = trio.current_time()
            self._news.set()
        elif len(self._pending) == _GROUP:
            self._asked.set()

    async def durable(self) -> None:
        """Wait until all that was written before is durable, or the disk has failed for `patience_s`.

        Then the entries wait for the disk, and whoever waited goes on: nobody hangs on it with a call in his hand.
        """
        if self._pending:
            self._asked.set()
        durable = self._pending_durable if self._pending else self._committing_durable
        if durable is None:
            await trio.lowlevel.checkpoint()
        else:
            await durable.wait()

    def last_seq(self, company: CompanyId) -> int:
        """The newest entry that was told; 0 if there is none."""
        return self._told.get(company, 0)

    def waiting(self) -> int:
        """Entries that are not durable yet."""
        return len(self._pending) + self._committing

    async def _run(self) -> None:
        committed_s = -math.inf
        while not self._ending:
            with trio.move_on_after(_ALIVE_EVERY_S if self.writer.calls.open else _FOREVER_S):
                await self._news.wait()
                with trio.move_on_after(_LINGER_S):
                    await self._asked.wait()
            await trio.sleep_until(committed_s + _SPACING_S)
            await self._commit()
            committed_s = trio.current_time()

    async def _commit(self) -> None:
        lines, self._pending = self._pending, []
        durable, self._pending_durable = self._pending_durable, trio.Event()
        self._news, self._asked = trio.Event(), trio.Event()
        self._committing_durable, self._committing = durable, len(lines)
        batch = Batch(lines, to_us(self.clock.now()))
        self._committing_since_s = min(self._pending_since_s, trio.current_time())
        self._pending_since_s = math.inf
        while not await self._tried(batch):
            await trio.sleep(_RETRY_S)
            batch.now_us = to_us(self.clock.now())
        self._committing_durable, self._committing, self._committing_since_s = None, 0, math.inf
        for record, _ in lines:
            self._told[record.company] = record.seq
            self.folds.tell(record)
            self.followers.tell(record)
        durable.set()

    async def _tried(self, batch: Batch) -> bool:
        try:
            await self.writer.commit(batch)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            self._failed(str(error))
            return False
        if self.fault is not None:
            _LOG.warning("journal_recovered", waiting=self.waiting(), lost=self.lost)
            self.fault, self._failing_since_s = None, math.inf
            if self._pending:
                self._pending_since_s = trio.current_time()  # Who waited for these has been let go.
        return True

    def _failed(self, why: str, since_s: float = 0.0) -> None:
        if self.fault is None:
            _LOG.error("journal_fault", why=why, waiting=self.waiting())
            self._failing_since_s = trio.current_time() - since_s
        self.fault = why

    async def _let_go(self) -> None:
        """Let those go who have waited for the disk too long. One clock for all of them: they are many, and it is
        asked for nothing nearly always."""
        while True:
            await trio.sleep(self.patience_s / 8)
            oldest_s = min(self._committing_since_s, self._pending_since_s)
            if trio.current_time() - oldest_s >= self.patience_s and self.fault is None:
                self._failed(f"entries have waited for the disk for {self.patience_s:g} s", self.patience_s)
            if trio.current_time() - self._failing_since_s >= self.patience_s:
                durable, self._pending_durable = self._pending_durable, trio.Event()
                durable.set()
                if self._committing_durable is not None:
                    self._committing_durable.set()

    async def _finish(self) -> None:
        self._ending = True
        self._news.set()
        self._asked.set()


@asynccontextmanager
async def open_journal(
    clock: Clock, writer: Writer, seqs: Mapping[CompanyId, int]
) -> AsyncIterator[SqlJournal]:
    """Run a journal that goes on after `seqs`. When the block is left, what was written is made durable."""
    journal = SqlJournal(clock, writer, seqs=dict(seqs), told=dict(seqs))
    writer.start()
    try:
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope(shield=True)
            nursery.start_soon(_shielded, scope, journal)
            try:
                yield journal
            finally:
                await journal._finish()
                scope.deadline = trio.current_time() + _FINISH_S
    finally:
        writer.stop()


async def _shielded(scope: trio.CancelScope, journal: SqlJournal) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(journal._let_go)
            await journal._run()
            while journal.waiting():
                await journal._commit()
            nursery.cancel_scope.cancel()


_NEVER_LOST = (CallArrived, CallAnswered, CallEnded)
_GROUP = 50
"""Entries at which a group is committed without waiting for more."""
_LINGER_S = 0.008
_SPACING_S = 0.004
"""Least time from one commit to the next: under load fewer, larger ones halve the cost of a call."""
_RETRY_S = 0.25
_ALIVE_EVERY_S = 1.0
_FOREVER_S = 86_400.0
_FINISH_S = 5.0
"""How long to try to make the rest durable at the end."""
