"""What one call carries through its flows, and how it ends."""

import trio
from attrs import define, frozen

from orchestrator.flows.active import ActiveCall
from orchestrator.flows.world import World
from orchestrator.model.calls import EndCause, EndedBy, Who
from orchestrator.model.commands import Command
from orchestrator.model.identifiers import CallId
from orchestrator.model.journal import CommandCompleted, CommandFailed, Entry
from orchestrator.numbering.directory import Directory
from orchestrator.ports import Call, Leg


@frozen(eq=False)
class Party:
    """Somebody on a call."""

    leg: Leg
    who: Who
    hides: bool = False
    """Whether it wants to be unknown to people outside."""


@frozen
class Ending:
    """How a call ended."""

    cause: EndCause
    status: int = 0
    detail: str = ""


@define(eq=False)
class Story:
    """One call from its arrival to its end."""

    world: World
    call: Call
    directory: Directory
    active: ActiveCall
    began_s: float
    """On trio's clock, as all times here."""
    answered_s: float | None = None
    """When the first human answered."""

    @property
    def id(self) -> CallId:
        """The call's name."""
        return self.call.id

    @property
    def given_up(self) -> EndCause:
        """What it means that the party leaves for whom somebody is sought."""
        return EndCause.ABANDONED if self.answered_s is None else EndCause.CALLER_HUNG_UP

    def tell(self, entry: Entry) -> None:
        """Write into the journal."""
        self.world.journal.write(self.directory.id, entry)

    def release(self, who: Who) -> None:
        """Whoever leaves takes part in this call no longer."""
        if who.person is not None:
            self.active.release(who.person)

    def ms_since(self, then_s: float) -> int:
        """Milliseconds from `then_s` to now."""
        return round((trio.current_time() - then_s) * 1000)

    def completed(self, command: Command) -> None:
        """Report that a command did what it was asked."""
        if self.active.unreported.pop(command.id, None):
            self.tell(CommandCompleted(command.id, command.kind, self.id))

    def failed(self, command: Command, code: str, detail: str) -> None:
        """Report that a command could not do what it was asked. Codes are stable words."""
        if self.active.unreported.pop(command.id, None):
            self.tell(CommandFailed(command.id, command.kind, code, detail, self.id))


def left(leg: Leg, hung_up: EndCause) -> Ending:
    """What the end of a party's leg means for its call; `hung_up` if that party simply left."""
    end = leg.end
    if end is None:
        raise AssertionError("this leg has not ended")
    match end.by:
        case EndedBy.MEDIA:
            return Ending(EndCause.MEDIA_LOST, end.status, end.reason)
        case EndedBy.DEADLINE:
            return Ending(EndCause.DECISION_LATE, end.status, end.reason)
        case EndedBy.SHUTDOWN:
            return Ending(EndCause.SHUTDOWN, end.status, end.reason)
        case EndedBy.US if end.status >= 400:
            return Ending(EndCause.REFUSED, end.status, end.reason)
        case _:
            return Ending(hung_up, end.status, end.reason)
