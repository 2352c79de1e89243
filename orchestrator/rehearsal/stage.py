"""The devices of a rehearsal, put together: switch, journal, clock and identifiers on trio's clock."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import trio
from attrs import define, field, frozen

from orchestrator.model.identifiers import CallId, CommandId, CompanyId
from orchestrator.model.journal import Entry
from orchestrator.rehearsal.switch import RehearsalSwitch

E = TypeVar("E")


@frozen
class Line:
    """One entry of a rehearsal's journal. `at_s` is virtual."""

    at_s: float
    company: CompanyId
    entry: Entry


@define(eq=False)
class RehearsalJournal:
    """Implements `ports.Journal` in memory."""

    lines: list[Line] = field(factory=list)
    accepting: bool = True
    durable_s: float = 0.0
    """How long it takes to make entries durable."""

    def write(self, company: CompanyId, entry: Entry) -> None:
        self.lines.append(Line(trio.current_time(), company, entry))

    async def durable(self) -> None:
        await trio.sleep(self.durable_s)

    @property
    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return [line.entry for line in self.lines]

    def of(self, kind: type[E]) -> list[E]:
        """The entries of one kind, oldest first."""
        return [line.entry for line in self.lines if isinstance(line.entry, kind)]

    def times_of(self, kind: type[Entry]) -> list[float]:
        """When the entries of one kind were written."""
        return [line.at_s for line in self.lines if isinstance(line.entry, kind)]


@frozen
class RehearsalClock:
    """Implements `ports.Clock`: the calendar follows trio's clock."""

    begins: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    """The date at virtual time 0."""

    def now(self) -> datetime:
        return self.begins + timedelta(seconds=trio.current_time())


@define
class Numbered:
    """Implements `ports.Identifiers`: call-1, call-2, …"""

    _count: Iterator[int] = field(factory=lambda: itertools.count(1))

    def call(self) -> CallId:
        return CallId(f"call-{next(self._count)}")

    def command(self) -> CommandId:
        return CommandId(f"command-{next(self._count)}")


@frozen(eq=False)
class Stage:
    """What the flows of a rehearsal are given."""

    switch: RehearsalSwitch
    journal: RehearsalJournal
    clock: RehearsalClock
    identifiers: Numbered


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """Open a second world. Leaving the block ends all its phones and callers."""
    journal = RehearsalJournal()
    async with trio.open_nursery() as nursery:
        yield Stage(RehearsalSwitch(journal, nursery), journal, RehearsalClock(), Numbered())
        nursery.cancel_scope.cancel()
