"""What a flow may ask of the world. Two worlds implement it: the engine (`devices/`) and the rehearsal."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

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


class Leg(Protocol):
    """One side of a call."""

    @property
    def id(self) -> LegId: ...

    async def outcome(self) -> Outcome:
        """Wait until the far end answers or fails. For the caller's own leg: answered once we did."""

    async def ended(self) -> LegEnd:
        """Wait for the end of the leg, and of its journal entry."""

    @property
    def end(self) -> LegEnd | None:
        """How it ended; None while it lives."""

    def keep(self) -> None:
        """Let this leg outlive the block that dialled it. It still ends with its call."""

    def hang_up(self) -> None:
        """End it now, whatever its state."""

    def hears(self, source: "Leg | None") -> None:
        """From now on its far end hears that leg, or nothing."""

    async def play(self, prompt: PromptName) -> bool:
        """Play a prompt to its end. False when this leg cannot hear prompts, or ended before the prompt did."""

    def play_on(self, prompt: PromptName) -> None:
        """Play a prompt over and over until it hears something else."""


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
        """Turn the caller away with a SIP status."""

    def dial(
        self, target: DialTarget, caller_id: CallerId, offer_of: Leg | None = None
    ) -> AbstractAsyncContextManager[Leg]:
        """Ring `target`, offering what `offer_of` speaks. Leaving the block ends the leg, unless it was kept."""

    async def next_end(self) -> Leg:
        """Wait until one of the living legs ends; that leg. Each end is told once."""


class Switch(Protocol):
    """Opens calls and knows which devices are there."""

    def call(
        self, id: CallId, company: CompanyId, arrival: Arrival | None
    ) -> AbstractAsyncContextManager[Call]:
        """Open a call. While the block is open and nobody has answered the caller's leg, the caller's leaving
        cancels the block; afterwards it is told by `next_end`."""

    def bindings(self, company: CompanyId, device: DeviceId) -> Sequence[BindingId]:
        """Where the device is registered now; empty: offline."""


class Journal(Protocol):
    """Writes what happened."""

    def write(self, company: CompanyId, entry: Entry) -> None:
        """Append. Durable within 10 ms; told to others only then."""

    async def durable(self) -> None:
        """Wait until all that was written before is durable."""


class Clock(Protocol):
    """The date. It follows trio's clock, so a mock clock moves the calendar too."""

    def now(self) -> datetime:
        """UTC."""


class Identifiers(Protocol):
    """Makes names for new things."""

    def call(self) -> CallId: ...

    def command(self) -> CommandId: ...
