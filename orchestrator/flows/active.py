"""The calls that are going on: where commands find them, and how many calls each person takes part in.

Nobody but a call's own task touches the call. A command is put into its inbox and wakes that task.
"""

from collections import Counter, deque

import trio
from attrs import define, field

from orchestrator.model.commands import Command, HangUpCall, TransferCall
from orchestrator.model.errors import NoSuchCall, StateConflict
from orchestrator.model.identifiers import CallId, CommandId, CompanyId, PersonId


@define(eq=False)
class ActiveCall:
    """One call, as commands see it."""

    id: CallId
    company: CompanyId
    calls: "ActiveCalls" = field(repr=False)
    whole: trio.CancelScope = field(factory=trio.CancelScope, repr=False)
    """Around all that the call does; a command to hang up cancels it."""
    hung_up: bool = False
    """Whether a command ends it."""
    unreported: dict[CommandId, Command] = field(factory=dict)
    """Commands that were taken and neither completed nor failed."""
    transfers: deque[TransferCall] = field(factory=deque)
    people: set[PersonId] = field(factory=set)
    _listening: trio.CancelScope | None = None

    def tell(self, command: HangUpCall | TransferCall) -> None:
        """Give the call a command; the journal tells once what became of it.

        Raises `StateConflict` if the call cannot do that now.
        """
        if len(self.unreported) >= INBOX_MAX:
            raise StateConflict("the call has too many commands to carry out")
        if isinstance(command, TransferCall):
            if self._listening is None or self.hung_up:
                raise StateConflict("only a conversation can be transferred")
            self.transfers.append(command)
            self._listening.cancel()
        else:
            self.hung_up = True
            self.whole.cancel()
        self.unreported[command.id] = command

    def listen(self, scope: trio.CancelScope) -> None:
        """Two people begin to talk within `scope`: a transfer cancels it, also one that waits already."""
        self._listening = scope
        if self.transfers:
            scope.cancel()

    def listen_no_longer(self) -> None:
        """They talk no more: there is nobody to transfer."""
        self._listening = None

    def engage(self, person: PersonId) -> None:
        """Count the call for this person."""
        if person not in self.people:
            self.people.add(person)
            self.calls.engaged[self.company, person] += 1

    def release(self, person: PersonId) -> None:
        """Count it no longer."""
        if person in self.people:
            self.people.remove(person)
            left = self.calls.engaged[self.company, person] - 1
            if left:
                self.calls.engaged[self.company, person] = left
            else:
                del self.calls.engaged[self.company, person]


@define(eq=False)
class ActiveCalls:
    """All calls of this exchange. As many as the switch lets in."""

    table: dict[CallId, ActiveCall] = field(factory=dict)
    engaged: Counter[tuple[CompanyId, PersonId]] = field(factory=Counter)
    served: int = 0
    crashed: int = 0
    """Calls that a fault of ours has ended, since start."""

    def open(self, id: CallId, company: CompanyId) -> ActiveCall:
        """Take up a call."""
        self.served += 1
        call = self.table[id] = ActiveCall(id, company, self)
        return call

    def close(self, call: ActiveCall) -> None:
        """The call is over."""
        for person in tuple(call.people):
            call.release(person)
        del self.table[call.id]

    def find(self, company: CompanyId, id: CallId) -> ActiveCall:
        """The call of that name. Raises `NoSuchCall`, also for a call of another company."""
        call = self.table.get(id)
        if call is None or call.company != company:
            raise NoSuchCall(f"no call {id!r} is going on")
        return call

    def calls_of(self, company: CompanyId, person: PersonId) -> int:
        """Calls that this person takes part in or is rung by."""
        return self.engaged.get((company, person), 0)


INBOX_MAX = 8
"""Commands that one call may have before it."""
