"""What became of the commands that were given."""

import enum
from datetime import datetime, timedelta
from typing import ClassVar

from attrs import define, evolve, field, frozen

from orchestrator.model.identifiers import CallId, CommandId
from orchestrator.model.journal import CallArrived, CommandAccepted, CommandCompleted, CommandFailed, Record


class Progress(enum.Enum):
    """How far a command has come."""

    PENDING = "pending"
    COMPLETED = "completed"
    FAILED = "failed"


@frozen
class CommandState:
    """A command and what became of it."""

    command: CommandId
    kind: str
    progress: Progress
    given_at: datetime
    by: str = ""
    call: CallId | None = None
    code: str = ""
    """Why it failed: a stable word."""
    detail: str = ""
    done_at: datetime | None = None


@define
class Commands:
    """The fold: commands of the last day, oldest first, at most `keep`."""

    HEEDS: ClassVar = (CommandAccepted, CommandCompleted, CommandFailed, CallArrived)
    """Kinds of entries that tell of a command."""

    keep: int = 100_000
    states: dict[CommandId, CommandState] = field(factory=dict)

    def apply(self, record: Record) -> None:
        """Take the next entry."""
        entry = record.entry
        if not isinstance(entry, self.HEEDS):
            return
        match entry:
            case CommandAccepted():
                self._forget_before(record.at - KEPT)
                self.states[entry.command] = CommandState(
                    entry.command, entry.kind, Progress.PENDING, record.at, entry.by, entry.call
                )
            case CallArrived(call=call, command=command) if command and command in self.states:
                self.states[command] = evolve(self.states[command], call=call)
            case CommandCompleted():
                self._done(entry, record.at, Progress.COMPLETED, "", "")
            case CommandFailed():
                self._done(entry, record.at, Progress.FAILED, entry.code, entry.detail)
            case _:
                pass

    def _done(
        self,
        entry: CommandCompleted | CommandFailed,
        at: datetime,
        progress: Progress,
        code: str,
        detail: str,
    ) -> None:
        given = self.states.get(entry.command)
        self.states[entry.command] = CommandState(
            entry.command,
            entry.kind,
            progress,
            given.given_at if given else at,
            given.by if given else "",
            entry.call or (given.call if given else None),
            code,
            detail,
            at,
        )

    def _forget_before(self, then: datetime) -> None:
        while self.states:
            oldest = next(iter(self.states.values()))
            if oldest.given_at >= then and len(self.states) < self.keep:
                return
            del self.states[oldest.command]


KEPT = timedelta(hours=25)
"""At least 24 hours are promised."""
