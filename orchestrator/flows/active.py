"""The calls that are going on: where commands find them, and how many calls each person takes part in.

Nobody but a call's own task touches the call: a command, or what a phone asks for, is put into its inbox and wakes that
task. Two exceptions take a leg out of the call that they end: an attended transfer, and a phone that takes another's
place.
"""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from orchestrator.model.commands import Command, HangUpCall, TransferCall
from orchestrator.model.errors import NoSuchCall, StateConflict
from orchestrator.model.identifiers import CallId, CommandId, CompanyId, LegId, PersonId
from orchestrator.ports import TransferAsked

if TYPE_CHECKING:
    from orchestrator.flows.story import Party
    from orchestrator.flows.take import Taking


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
    transfers: "deque[TransferCall | TransferAsked | Taking]" = field(factory=deque)
    pair: "tuple[Party, Party] | None" = None
    """Those who talk to each other now."""
    dialled: tuple[LegId, str] | None = None
    """Who called, and what number, as long as nobody has answered."""
    claim: trio.Event | None = None
    """Set once it is decided what becomes of its parties, where an attended transfer has asked for one."""
    gone_into: CallId | None = None
    """The call that an attended transfer has joined its parties to."""
    people: set[PersonId] = field(factory=set)
    _listening: trio.CancelScope | None = None
    _ringing: trio.CancelScope | None = None
    _taking: "Taking | None" = None

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

    def ask(self, asked: TransferAsked) -> bool:
        """Give the call a transfer that a phone asks for. False if it can carry out none now."""
        if self._listening is None or self.hung_up or self.gone_into is not None:
            return False
        self.transfers.append(asked)
        self._listening.cancel()
        return True

    def take(self, taking: "Taking") -> None:
        """A phone wants another one's place in this call; it hears if it does not get it."""
        if taking.is_over or self.hung_up or self.gone_into is not None:
            taking.refuse(NO_SUCH_CALL)
        elif self._listening is not None:
            self.transfers.append(taking)
            self._listening.cancel()
        elif self._ringing is not None and self._taking is None:
            self._taking = taking
            self._ringing.cancel()
        else:
            taking.refuse(REQUEST_PENDING)

    def ring(self, scope: trio.CancelScope) -> None:
        """Phones ring within `scope`: whoever picks up elsewhere cancels it."""
        self._ringing = scope

    def ring_no_longer(self) -> "Taking | None":
        """Nobody can pick up any more; whoever has."""
        self._ringing, taking = None, self._taking
        self._taking = None
        return taking

    def go_into(self, other: CallId) -> None:
        """Its parties go on in another call; what it still has ends."""
        self.gone_into, self.pair, self.dialled = other, None, None
        self.whole.cancel()

    async def unclaimed(self) -> None:
        """A phone that has asked for an attended transfer may hang up before that is looked at: wait until it is."""
        if self.claim is not None:
            with trio.move_on_after(CLAIM_MAX_S):
                await self.claim.wait()

    def listen(self, scope: trio.CancelScope, caller: "Party", callee: "Party") -> None:
        """Two people begin to talk within `scope`: a transfer cancels it, also one that waits already."""
        self._listening, self.pair, self.dialled = scope, (caller, callee), None
        if self.transfers:
            scope.cancel()

    def listen_no_longer(self) -> None:
        """They talk no more: there is nobody to transfer."""
        self._listening = self.pair = None

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

    def handle_asked(self, asked: TransferAsked) -> None:
        """Hand a phone's wish to its call, or tell the phone that this is not the time."""
        call = self.table.get(asked.call)
        if call is None or not call.ask(asked):
            asked.leg.tell_transfer(REQUEST_PENDING)
        elif (other := self._other(asked)) is not None:
            other.claim = trio.Event()

    @contextmanager
    def claimed(self, asked: TransferAsked) -> Iterator[None]:
        """While this goes on, what becomes of the other call of the phone is decided."""
        try:
            yield
        finally:
            if (other := self._other(asked)) is not None and other.claim is not None:
                other.claim.set()
                other.claim = None

    def _other(self, asked: TransferAsked) -> ActiveCall | None:
        return None if asked.instead_of is None else self.table.get(asked.instead_of[0])

    def calls_of(self, company: CompanyId, person: PersonId) -> int:
        """Calls that this person takes part in or is rung by."""
        return self.engaged.get((company, person), 0)


NO_SUCH_CALL, REQUEST_PENDING = 481, 491
"""Heard where nobody talks, or another transfer is under way."""
CLAIM_MAX_S = 3.0
"""As long as the switch waits for a decision."""
INBOX_MAX = 8
"""Commands that one call may have before it."""
