"""What a flow may ask of the world. Two worlds implement it: the engine (`devices/`) and the rehearsal."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from typing import Protocol

import trio
from attrs import frozen

from orchestrator.model.calls import Arrival, CallerId, DialTarget, LegEnd, Outcome
from orchestrator.model.identifiers import (
    BindingId,
    CallId,
    CommandId,
    CompanyId,
    DeviceId,
    LegId,
    PromptName,
)
from orchestrator.model.journal import Entry

RINGBACK = PromptName("ringback")
"""A prompt that every world has: the tone that one who was answered hears while somebody else is rung for him."""


class Leg(Protocol):
    """One side of a call. When it ends, its switch writes `LegFinished` before anybody else hears of it."""

    @property
    def id(self) -> LegId: ...

    @property
    def end(self) -> LegEnd | None:
        """How it ended; None while it lives."""

    async def outcome(self) -> Outcome:
        """Wait until the far end answers or fails. For the caller's own leg: until it has acknowledged our answer."""

    def while_lasts(self) -> AbstractContextManager[trio.CancelScope]:
        """Cancel the block when this leg ends. At once if it has."""

    def on_ringing(self, tell: Callable[[], None] | None) -> None:
        """Call `tell` when its far end rings; at once if it does. None: nobody wants to know any more."""

    def keep(self) -> None:
        """Let this leg outlive the block that dialled it. It still ends with its call."""

    def hang_up(self) -> None:
        """End it now, whatever its state."""

    def hears(self, source: "Leg | None") -> None:
        """From now on its far end hears that leg, or nothing."""

    async def play(self, prompt: PromptName) -> bool:
        """Play a prompt to its end. False when there is no such prompt, this leg cannot hear prompts, or ended."""

    def play_on(self, prompt: PromptName) -> None:
        """Play a prompt over and over until it hears something else."""

    def tell_transfer(self, status: int) -> None:
        """Tell the far end how the transfer goes that it has asked for: 100 taken up, 180 somebody rings, and once a
        final SIP status. Does nothing if it waits for no word."""


@frozen(eq=False)
class TransferAsked:
    """A phone wants its call to go to somebody else (RFC 3515). A switch hands it to its listener; whoever takes it up
    tells the leg within the time that a decision has."""

    call: CallId
    leg: Leg
    """The phone's own."""
    to: str
    """As it would dial: "102", "+74951234567"."""
    instead_of: tuple[CallId, LegId] | None = None
    """The phone's leg in another call, whose place the first call is to take: an attended transfer (RFC 5589 §7)."""


class Call(Protocol):
    """The legs of one call. Leaving the block that opened it ends every leg it still has, and waits for their ends."""

    @property
    def id(self) -> CallId: ...

    @property
    def company(self) -> CompanyId: ...

    @property
    def caller(self) -> Leg | None:
        """The leg that came in; None for a call that a command asked for."""

    @property
    def legs(self) -> Sequence[Leg]:
        """Those that live, oldest first."""

    def ring(self) -> None:
        """Let the caller hear that somebody is being rung. Once is enough."""

    def answer(self, like: Leg | None = None) -> None:
        """Pick up the caller's leg, on what `like` agreed on if given, otherwise so that prompts can be played."""

    def reject(self, status: int, reason: str = "") -> None:
        """Turn the caller away with a SIP status. Does nothing once the caller was answered or has left."""

    def dial(
        self, target: DialTarget, caller_id: CallerId, offer_of: Leg | None = None
    ) -> AbstractAsyncContextManager[Leg]:
        """Ring `target`, offering what `offer_of` speaks. Leaving the block ends the leg, unless it was kept."""

    def adopt(self, leg: Leg) -> None:
        """Take over a leg of another call of this company: from now on it ends with this one."""

    async def first_end(self, *legs: Leg) -> Leg:
        """Wait until one of these legs has ended; that leg."""


class Switch(Protocol):
    """Opens calls and knows which devices are there."""

    def call(
        self, id: CallId, company: CompanyId, arrival: Arrival | None
    ) -> AbstractAsyncContextManager[Call]:
        """Open a call; `arrival` is what it began with, None if a command asked for it."""

    def refuse(self, arrival: Arrival, status: int, retry_after_s: int | None = None) -> None:
        """Turn an arrival away. Does nothing once a call was opened for it."""

    def bindings(self, company: CompanyId, device: DeviceId) -> Sequence[BindingId]:
        """Where the device is registered now; empty: offline."""


class Journal(Protocol):
    """Writes what happened."""

    @property
    def accepting(self) -> bool:
        """False while entries cannot be made durable: no new call may begin but to an emergency number."""

    def write(self, company: CompanyId, entry: Entry) -> None:
        """Append. Durable within 10 ms; told to others only then."""

    async def durable(self) -> None:
        """Wait until all that was written before is durable; a few seconds at most while the disk fails."""


class Clock(Protocol):
    """The date. It follows trio's clock, so a mock clock moves the calendar too."""

    def now(self) -> datetime:
        """UTC."""


class Identifiers(Protocol):
    """Makes names for new things."""

    def call(self) -> CallId: ...

    def command(self) -> CommandId: ...
