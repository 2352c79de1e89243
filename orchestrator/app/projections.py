"""The folds of every company's journal, and how they are brought up to date at start."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from attrs import define, field

from orchestrator.devices.journal.folds import Folds
from orchestrator.devices.store.database import Database
from orchestrator.devices.store.history import replay
from orchestrator.model.identifiers import CompanyId
from orchestrator.model.journal import Record
from orchestrator.statistics.commands import KEPT, Commands
from orchestrator.statistics.day import Day, day_of
from orchestrator.statistics.live import CallBoard


@define(eq=False)
class CompanyFolds:
    """What one company's journal adds up to."""

    day: Day
    board: CallBoard = field(factory=CallBoard)
    commands: Commands = field(factory=Commands)
    meanwhile: list[Record] | None = None
    """What came while the day is counted anew."""


@define(eq=False)
class Projections:
    """All folds."""

    companies: dict[CompanyId, CompanyFolds] = field(factory=dict)

    def fold_into(self, folds: Folds) -> None:
        """Take each durable record from now on."""
        folds.add("live_calls", self._board, CallBoard.HEEDS)
        folds.add("figures", self._day, Day.HEEDS)
        folds.add("commands", self._commands, Commands.HEEDS)

    def open(self, company: CompanyId, time_zone: str) -> None:
        """Begin to fold for a company."""
        if company not in self.companies:
            self.companies[company] = CompanyFolds(Day(ZoneInfo(time_zone)))

    async def move(
        self, company: CompanyId, time_zone: str, now: datetime, told: int, database: Database, guarded: Folds
    ) -> None:
        """Count the company's day by this time zone, as a restart would; `told` is the last entry that was folded.

        Raises `ResourceError`; then the old time zone holds until the next start.
        """
        folds, zone = self.companies[company], ZoneInfo(time_zone)
        if folds.day.zone == zone:
            return
        day, today = Day(zone), day_of(now, zone)[0]

        def recount(connection: sa.Connection) -> None:
            for record in _lately(connection, company, today, told):
                if record.at >= today:
                    guarded.guard("figures", day.apply, record)

        folds.meanwhile = []
        try:
            await database.read(recount)
            for record in folds.meanwhile:
                guarded.guard("figures", day.apply, record)
        finally:
            folds.meanwhile = None
        day.keep_earlier(folds.day)
        folds.day = day

    def rebuild(self, connection: sa.Connection, now: datetime, guarded: Folds) -> None:
        """Fold anew what the journal says of today, and of the commands of the last 24 hours."""
        for company, folds in self.companies.items():
            today = day_of(now, folds.day.zone)[0]
            for record in _lately(connection, company, min(today, now - KEPT - timedelta(hours=1))):
                guarded.guard("commands", self._commands, record)
                if record.at >= today:
                    guarded.guard("figures", self._day, record)

    def _board(self, record: Record) -> None:
        if (folds := self.companies.get(record.company)) is not None:
            folds.board.apply(record)

    def _day(self, record: Record) -> None:
        if (folds := self.companies.get(record.company)) is not None:
            if folds.meanwhile is not None:
                folds.meanwhile.append(record)
            folds.day.apply(record)

    def _commands(self, record: Record) -> None:
        if (folds := self.companies.get(record.company)) is not None:
            folds.commands.apply(record)


def _lately(
    connection: sa.Connection, company: CompanyId, since: datetime, last: int | None = None
) -> Iterable[Record]:
    return replay(connection, company, since, [kind.__name__ for kind in _FOLDED], last)


_FOLDED = {*Day.HEEDS, *Commands.HEEDS}
"""Kinds of entries that last in a fold after a restart."""
