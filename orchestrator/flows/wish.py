"""Who wants a transfer, and how they hear of it: a command by the journal, a phone by its own dialog."""

from typing import Protocol

from attrs import frozen

from orchestrator.flows.story import Party, Story
from orchestrator.model.commands import TransferCall
from orchestrator.model.identifiers import CommandId, PersonId
from orchestrator.model.journal import TransferFailed
from orchestrator.ports import Leg, TransferAsked


class Wish(Protocol):
    """What a transfer asks of whoever wants it."""

    @property
    def to(self) -> str:
        """As dialled by somebody of the company."""

    @property
    def command(self) -> CommandId | None:
        """The command, if one wants it."""

    @property
    def by(self) -> PersonId | None:
        """Whose phone wants it."""

    @property
    def leg(self) -> Leg | None:
        """That phone's leg."""

    @property
    def stays(self) -> bool:
        """Whether who leaves stays on the line until somebody else is found."""

    def done(self) -> None:
        """It is done."""

    def failed(self, because: str, status: int, detail: str) -> None:
        """It came to nothing: a stable word, what a phone hears, words for people."""


@frozen(eq=False)
class ByCommand:
    """A command of the API. Who leaves is released at once."""

    story: Story
    wish: TransferCall
    stays: bool = False
    by: PersonId | None = None
    leg: Leg | None = None

    @property
    def to(self) -> str:
        """As in the command."""
        return self.wish.to

    @property
    def command(self) -> CommandId | None:
        """Its name."""
        return self.wish.id

    def done(self) -> None:
        """Report it."""
        self.story.completed(self.wish)

    def failed(self, because: str, status: int, detail: str) -> None:
        """Report it."""
        self.story.failed(self.wish, because, detail)


@frozen(eq=False)
class ByPhone:
    """A phone's REFER. The phone stays in the call until it hears how it went, unless it hangs up before."""

    story: Story
    wish: TransferAsked
    leaving: Party
    to: str
    stays: bool = True
    command: CommandId | None = None

    @property
    def leg(self) -> Leg | None:
        """The phone's."""
        return self.wish.leg

    @property
    def by(self) -> PersonId | None:
        """Its owner."""
        return self.leaving.who.person

    def done(self) -> None:
        """Tell the phone, and let it go."""
        self.wish.leg.tell_transfer(200)
        self.wish.leg.hang_up()

    def failed(self, because: str, status: int, detail: str) -> None:
        """Tell the phone, and the journal."""
        self.wish.leg.tell_transfer(status)
        story, leg = self.story, self.wish.leg.id
        story.tell(TransferFailed(story.id, leg, self.to, because, status, self.by))
