"""The party for whom somebody is sought: a caller who waits, or one who has been answered already."""

import trio
from attrs import define

from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.forwarding.walk import End
from orchestrator.model.calls import CallerId, DialTarget, Diversion, EndCause, ToTrunk, Who
from orchestrator.model.identifiers import E164, DeviceId, PromptName
from orchestrator.model.journal import CallAnswered, PromptUnheard, TerminalReached
from orchestrator.numbering.carrier import written
from orchestrator.ports import RINGBACK, Leg


@define(eq=False)
class Seeker:
    """Waits on `leg`, or on none yet while the originator of a command's call is rung."""

    story: Story
    leg: Leg | None
    caller_id: CallerId
    """What those who are rung see."""
    is_answered: bool
    can_hear: bool = True
    """Whether prompts can be played to it."""
    device: DeviceId | None = None
    """Its own device, which cannot ring for it."""
    since_s: float = 0.0
    """When it began to wait."""
    leaves: EndCause = EndCause.CALLER_HUNG_UP
    """What it means for the call if this party leaves it."""
    called: E164 | None = None
    """The company's public number that this party has called."""
    diversions: int = 0
    """How often its call was forwarded before it came."""
    asked_by: Leg | None = None
    """The phone that wants somebody to be found, and hears that somebody is rung."""
    _rings: bool = False

    def hears_ringing(self) -> None:
        """Let it hear that somebody is being rung."""
        if self._rings or self.leg is None:
            return
        self._rings = True
        if self.asked_by is not None:
            self.asked_by.tell_transfer(180)
        if self.is_answered:
            self.leg.play_on(RINGBACK)
        else:
            self.story.call.ring()

    def as_dialled(self, target: DialTarget, forwarded: str) -> tuple[DialTarget, CallerId]:
        """`target` and what it sees: a trunk carries only numbers of ours, and has them written as it wants. Why the
        call is `forwarded` there counts if a number of the company was called."""
        if not isinstance(target, ToTrunk):
            return target, self.caller_id
        directory = self.story.directory
        trunk = directory.trunks.get(target.trunk)
        if trunk is None:
            return target, CallerId("")
        rules, country_code = trunk.numbers.out, directory.company.country_code
        called = written(target.number, rules.called, country_code)
        number = written(directory.shown_by(trunk, self.device), rules.caller, country_code)
        # Who comes to help has to know who called.
        hidden = self.caller_id.hidden and target.number not in directory.company.emergency_numbers
        diverted = None
        if forwarded and self.called is not None:
            first = written(self.called, rules.caller, country_code)
            diverted = Diversion(first, forwarded, self.diversions + 1)
        caller = CallerId(number, trunk.caller_name, hidden, diverted)
        return ToTrunk(target.trunk, called, target.device), caller

    async def meet(self, other: Party) -> None:
        """Join it to whoever has answered, once that is durable."""
        story, leg = self.story, self.leg
        if leg is None:
            return
        wait_ms = story.ms_since(self.since_s)
        if story.answered_s is None:
            story.answered_s = trio.current_time()
        story.tell(CallAnswered(story.id, other.leg.id, other.who, wait_ms))
        await story.world.journal.durable()
        if not self.is_answered:
            story.call.answer(like=other.leg)
            self.is_answered = True
        leg.hears(other.leg)
        other.leg.hears(leg)

    async def listen(self, prompt: PromptName) -> bool:
        """Play a prompt to it; False if it could not hear it to its end."""
        story, leg = self.story, self.leg
        if leg is None:
            return False
        self._rings = False
        if self.can_hear:
            if not self.is_answered:
                story.tell(CallAnswered(story.id, leg.id, Who(), story.ms_since(self.since_s), prompt))
                await story.world.journal.durable()
                story.call.answer()
                self.is_answered = True
            if await leg.play(prompt):
                return True
        if leg.end is None:
            story.tell(PromptUnheard(story.id, leg.id, prompt))
        return False

    async def hear_out(self, end: End) -> Ending:
        """Play the terminal: nobody ends in silence. One who cannot hear it is told by a status: 480 if somebody was
        sought, 488 if it was the announcement that was called."""
        story = self.story
        if end.sought and (self.is_answered or self.can_hear):
            story.tell(TerminalReached(story.id, end.prompt))
        was_heard = await self.listen(end.prompt)
        if self.leg is not None and self.leg.end is not None:
            return left(self.leg, self.leaves)
        if not self.is_answered:
            status = 480 if end.sought else 488
            story.call.reject(status, UNHEARD)
            return Ending(EndCause.NOT_REACHED, status)
        return Ending(EndCause.TERMINAL if was_heard else EndCause.NOT_REACHED)


UNHEARD = "Announcements Need G.711"
"""Reason phrase for one whom no announcement can be played to."""
