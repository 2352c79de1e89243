"""A leg without wires: one end is a flow, the other a script."""

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio
from attrs import define, field, frozen

from orchestrator.model.calls import Answered, EndedBy, Failed, LegEnd, Outcome, Refusal
from orchestrator.model.identifiers import DeviceId, LegId, PromptName
from orchestrator.ports import Leg, TransferAsked

if TYPE_CHECKING:
    from orchestrator.rehearsal.switch import RehearsalCall


@frozen
class Phone:
    """How somebody behaves whose phone rings."""

    does: Outcome = Answered()
    after_s: float = 2.0
    """Infinite: lets it ring."""
    talks_s: float = math.inf
    """Hangs up so long after the answer."""
    rings_after_s: float = 0.0
    """Until then nothing rings."""


@frozen
class Caller:
    """How somebody behaves who calls."""

    patience_s: float = math.inf
    """Hangs up if nobody has answered by then."""
    talks_s: float = math.inf
    """Hangs up so long after the answer."""


@define(eq=False)
class RehearsalLeg:
    """Implements `ports.Leg`."""

    id: LegId
    device: DeviceId | None
    number: str
    prompts: dict[PromptName, float]
    call: "RehearsalCall | None" = None
    end: LegEnd | None = None
    kept: bool = False
    hearing: "Leg | PromptName | None" = None
    """What its far end hears now."""
    heard: list[PromptName] = field(factory=list)
    """Prompts that began to play to it, oldest first."""
    rings: bool = False
    """Whether the caller was told that somebody is rung."""
    rejected_with: int | None = None
    told: list[int] = field(factory=list)
    """What it was told of the transfer that it has asked for."""
    _waits_for_word: bool = False
    decided: Outcome | None = None
    _tell_ringing: Callable[[], None] | None = None
    _decision: trio.Event = field(factory=trio.Event, repr=False)
    _scopes: list[trio.CancelScope] = field(factory=list, repr=False)

    async def outcome(self) -> Outcome:
        await self._decision.wait()
        return self.decided or Failed(Refusal.UNREACHABLE)

    @contextmanager
    def while_lasts(self) -> Iterator[trio.CancelScope]:
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            if self.end is not None:
                scope.cancel()
            try:
                yield scope
            finally:
                self._scopes.remove(scope)

    def on_ringing(self, tell: Callable[[], None] | None) -> None:
        self._tell_ringing = tell

    def keep(self) -> None:
        self.kept = True

    def hang_up(self) -> None:
        self.finish(LegEnd(EndedBy.US, 200 if isinstance(self.decided, Answered) else 487))

    def hears(self, source: "Leg | None") -> None:
        self.hearing = source

    async def play(self, prompt: PromptName) -> bool:
        if prompt not in self.prompts or self.end is not None:
            await trio.lowlevel.checkpoint()
            return False
        self.hearing = prompt
        self.heard.append(prompt)
        with self.while_lasts() as lasts:
            await trio.sleep(self.prompts[prompt])
        return not lasts.cancelled_caught

    def play_on(self, prompt: PromptName) -> None:
        self.hearing = prompt
        self.heard.append(prompt)

    def tell_transfer(self, status: int) -> None:
        if self._waits_for_word and self.end is None and status not in self.told:
            self.told.append(status)
            self._waits_for_word = status < 200

    def ask_transfer(self, to: str, instead_of: "RehearsalLeg | None" = None) -> None:
        """The far end asks for a transfer. What it does not wait for the end of, it does not ask for again."""
        if self.call is None or self._waits_for_word:
            raise AssertionError("a switch refuses this by itself")
        self.told.clear()
        self._waits_for_word = True
        other = None
        if instead_of is not None:
            if instead_of.call is None:
                raise AssertionError("a switch refuses this by itself")
            other = (instead_of.call.id, instead_of.id)
        self.call.switch.transfer_asked(TransferAsked(self.call.id, self, to, other))

    def decide(self, outcome: Outcome) -> None:
        """The far end answers or fails."""
        if self.decided is None and self.end is None:
            self.decided = outcome
            self._decision.set()

    def finish(self, end: LegEnd) -> None:
        """The leg is gone; only the first end counts."""
        if self.end is not None:
            return
        self.decide(Failed(Refusal.UNREACHABLE, end.status))
        self.end = end
        if self.call is not None:
            self.call.forget(self, end)
        for scope in self._scopes:
            scope.cancel()

    async def act(self, script: Callable[["RehearsalLeg"], Awaitable[None]]) -> None:
        """Let the far end follow a script for as long as the leg lasts."""
        with self.while_lasts():
            await script(self)

    async def follow_phone(self, phone: Phone) -> None:
        """Ring, then do what this phone does."""
        with trio.move_on_after(phone.after_s):
            await trio.sleep(phone.rings_after_s)
            if self._tell_ringing is not None:
                self._tell_ringing()
            await trio.sleep_forever()
        self.decide(phone.does)
        if isinstance(phone.does, Failed):
            self.finish(LegEnd(EndedBy.PEER, phone.does.status or 480))
            return
        await trio.sleep(phone.talks_s)
        self.finish(LegEnd(EndedBy.PEER, 200))

    async def follow_caller(self, caller: Caller) -> None:
        """Wait for an answer, then talk."""
        with trio.move_on_after(caller.patience_s):
            await self._decision.wait()
        if isinstance(self.decided, Answered):
            await trio.sleep(caller.talks_s)
        self.leave()

    def leave(self) -> None:
        """The far end hangs up."""
        self.finish(LegEnd(EndedBy.PEER, 200 if isinstance(self.decided, Answered) else 487))
