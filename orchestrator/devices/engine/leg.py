"""One leg of the engine, and what waits for its events."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from orchestrator import _rust_core as core
from orchestrator.devices.engine.words import failure_of
from orchestrator.model.calls import Answered, LegEnd, Outcome
from orchestrator.model.identifiers import LegId, PromptName, TrunkId
from orchestrator.model.journal import TrunkServerTried
from orchestrator.ports import RINGBACK, Leg

if TYPE_CHECKING:
    from orchestrator.devices.engine.call import EngineCall
    from orchestrator.devices.engine.switch import EngineSwitch


@define(eq=False)
class EngineLeg:
    """Implements `ports.Leg`. Events come by method calls from the pump, so a leg costs no channel and no task."""

    id: LegId
    switch: "EngineSwitch"
    call: "EngineCall | None" = None
    end: LegEnd | None = None
    kept: bool = False
    trunk: TrunkId | None = None
    """The one that it is dialled through."""
    _rang: bool = False
    _tell_ringing: Callable[[], None] | None = None
    _outcome: Outcome | None = None
    _decided: trio.Event | None = None
    _playing: str | None = None
    """The engine's name of the prompt whose end is awaited."""
    _played: trio.Event | None = None
    _was_heard: bool = False
    _listener: "EngineLeg | None" = None
    """Who hears what its trunk says before the answer."""
    scopes: list[trio.CancelScope] = field(factory=list)
    """What its end cancels."""

    async def outcome(self) -> Outcome:
        while self._outcome is None:
            if self._decided is None:
                self._decided = trio.Event()
            await self._decided.wait()
        return self._outcome

    def while_lasts(self) -> "WhileLasts":
        return WhileLasts(self)

    def keep(self) -> None:
        self.kept = True

    def hang_up(self) -> None:
        if self.end is None:
            self._hush()
            self.switch.engine.hang_up(self.id)

    def hears(self, source: Leg | None) -> None:
        self.switch.engine.hears(self.id, [] if source is None else [source.id])

    async def play(self, prompt: PromptName) -> bool:
        name = self._known(prompt)
        if name is None or self.end is not None:
            await trio.lowlevel.checkpoint()
            return False
        played = self._played = trio.Event()
        self._playing, self._was_heard = name, False
        self.switch.engine.hears(self.id, [core.Prompt(name)])
        # A leg whose far end never acknowledged our answer has no ticks, and would wait for ever.
        with trio.move_on_after(self.switch.prompts[name] + PLAYING_LATE_MAX_S), self.while_lasts():
            await played.wait()
        return self._was_heard

    def play_on(self, prompt: PromptName) -> None:
        if (name := self._known(prompt)) is not None:
            self.switch.engine.hears(self.id, [core.Prompt(name, loop=True)])

    def tell_transfer(self, status: int) -> None:
        self.switch.engine.tell_transfer(self.id, status)

    def on_ringing(self, tell: Callable[[], None] | None) -> None:
        self._tell_ringing = tell
        if self._rang and self._listener is None and tell is not None:
            tell()

    def handle_ringing(self) -> None:
        """The far end rings."""
        self._rang = True
        # Whoever hears the carrier itself needs no other sign.
        if self._tell_ringing is not None and self._listener is None:
            self._tell_ringing()

    def handle_tried(self, event: core.ServerTried) -> None:
        """A server of its trunk has not taken it."""
        if self.call is not None and self.trunk is not None:
            entry = TrunkServerTried(
                self.call.id, self.id, self.trunk, event.server, event.status, event.reason, event.next or ""
            )
            self.switch.journal.write(self.call.company, entry)

    def handle_heard_early(self, listener: "EngineLeg") -> None:
        """What the far end says before it answers is heard by the leg that it was dialled for."""
        if self._listener is None and self.call is not None:
            self.call.heard_early(self)
        self._listener = listener

    def handle_answered(self) -> None:
        """The far end picked up, or has acknowledged that we did."""
        self._listener = None
        if self._outcome is None:
            self._decide(Answered())

    def handle_played(self, name: str, played_ms: int) -> None:
        """A prompt is at its end; after 0 ms if the far end speaks no codec that it could be played in.

        The end of an earlier one may come late, and is nobody's news.
        """
        if self._played is not None and name == self._playing:
            self._was_heard = played_ms > 0
            self._played.set()

    def handle_end(self, end: LegEnd) -> None:
        """The leg is gone. Its journal entry comes before anybody learns of it."""
        self.end, self._tell_ringing = end, None
        if self.call is not None:
            self.call.forget(self, end)
        self._hush()
        if self._outcome is None:
            self._decide(failure_of(end, rang=self._rang))
        for scope in self.scopes:
            scope.cancel()

    def _hush(self) -> None:
        """Whoever heard it early hears ringing from now on: a phone that waits for sound would not ring by itself for
        whoever is rung next."""
        if self._listener is not None and self._listener.end is None:
            self._listener.play_on(RINGBACK)
        self._listener = None

    def _decide(self, outcome: Outcome) -> None:
        self._outcome = outcome
        if self._decided is not None:
            self._decided.set()

    def _known(self, prompt: PromptName) -> str | None:
        """The engine's name of a prompt: the company's own before everybody's."""
        prompts = self.switch.prompts
        if self.call is not None and (own := f"{self.call.company}/{prompt}") in prompts:
            return own
        return prompt if prompt in prompts else None


@define(eq=False)
class WhileLasts:
    """A block that the end of a leg cancels. Each call opens one, and a generator would double its price."""

    leg: EngineLeg
    scope: trio.CancelScope = field(factory=trio.CancelScope)

    def __enter__(self) -> trio.CancelScope:
        if self.leg.end is not None:
            self.scope.cancel()
        self.leg.scopes.append(self.scope)
        return self.scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.leg.scopes.remove(self.scope)
        return self.scope.__exit__(kind, error, trace)


PLAYING_LATE_MAX_S = 5.0
"""So long after its time a prompt is given up."""
