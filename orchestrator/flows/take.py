"""INVITE with Replaces (RFC 3891): a phone takes the place of another one in a call that goes on.

    olga rings boris     ──►  anna picks up: olga ── anna, and boris's phones fall silent
    olga ── anna's desk  ──►  anna's mobile takes over: olga ── anna's mobile

The call goes on in its own record and adopts the leg; the call that the INVITE began ends, saying where its caller is.
Colleagues may pick up what rings. A call that was answered is only its owner's, who has changed the phone: whoever
learns its name (by a lamp key, say) has no right to it.
"""

import trio
from attrs import define, field

from orchestrator.flows.active import NO_SUCH_CALL
from orchestrator.flows.ring import ring
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.flows.wording import where_is
from orchestrator.forwarding.walk import Moved, Ring
from orchestrator.model.calls import CallerId, EndCause, Failed, Outcome, Refusal
from orchestrator.model.identifiers import CallId, LegId
from orchestrator.model.journal import CallTransferred, LegMoved
from orchestrator.ports import Leg


@define(eq=False)
class Taking:
    """A phone that wants the place of `leg`, and waits to hear whether it gets it: no longer than the switch waits for
    any decision, so that a call which ends meanwhile owes it no word."""

    story: Story
    taker: Party
    leg: LegId
    status: int = 0
    """Why it does not; 0 while nothing is decided."""
    _decided: trio.Event = field(factory=trio.Event)

    @property
    def is_over(self) -> bool:
        """Whether the phone waits no longer."""
        return self.taker.leg.end is not None

    def refuse(self, status: int) -> None:
        """It does not get the place."""
        self.status = status
        self._decided.set()

    async def refused(self) -> int:
        """Wait for a refusal. Whoever gets the place is cancelled here, with the call that its INVITE began."""
        await self._decided.wait()
        return self.status

    def grant(self, story: Story, other: Leg | None) -> Party:
        """It is answered like `other`, whom it is to talk to, and goes on in the call of `story`."""
        story.tell(LegMoved(self.story.id, self.taker.leg.id, story.id))
        self.story.call.answer(like=other)
        story.call.adopt(self.taker.leg)
        self.story.active.go_into(story.id)
        if self.taker.who.person is not None:
            story.active.engage(self.taker.who.person)
        return self.taker


async def take(story: Story, taker: Party, place: tuple[CallId, LegId]) -> Ending:
    """Serve a phone that wants another's place."""
    id, leg = place
    taking = Taking(story, taker, leg)
    call = story.world.active.table.get(id)
    with taker.leg.while_lasts() as present:
        if call is None or call is story.active or call.company != story.directory.id:
            taking.refuse(NO_SUCH_CALL)
        else:
            call.take(taking)
        await taking.refused()
    if present.cancelled_caught:
        return left(taker.leg, story.given_up)
    story.call.reject(taking.status)
    return Ending(EndCause.REFUSED, taking.status, "not_taken")


async def ring_or_be_taken(seeker: Seeker, move: Ring) -> Party | Refusal | Moved:
    """As `ring`, but somebody else's phone may pick up meanwhile."""
    story, active = seeker.story, seeker.story.active
    before = tuple(story.call.legs)
    found: Party | Refusal | Moved = Refusal.NO_ANSWER
    with trio.CancelScope() as ringing:
        active.ring(ringing)
        try:
            found = await ring(seeker, move)
        finally:
            taking = active.ring_no_longer()
    if taking is None:
        return found
    if not ringing.cancelled_caught:
        # Whoever was rung has answered in that moment, or the last of them refused.
        taking.refuse(BUSY_HERE)
        return found
    for leg in tuple(story.call.legs):
        if leg not in before:
            leg.hang_up()
    if taking.is_over:
        return Refusal.NO_ANSWER
    return taking.grant(story, seeker.leg)


async def hand_over(story: Story, pair: tuple[Party, Party], taking: Taking) -> tuple[Party, Party]:
    """Two talk; the owner of one phone wants to go on with another one."""
    caller, callee = pair
    leaving = next((one for one in pair if one.leg.id == taking.leg), None)
    if leaving is None or taking.is_over:
        taking.refuse(NO_SUCH_CALL)
        return pair
    who = taking.taker.who
    if who.person is None or who.person != leaving.who.person:
        taking.refuse(FORBIDDEN)
        return pair
    staying = callee if leaving is caller else caller
    if staying.leg.end is not None:
        taking.refuse(NO_SUCH_CALL)
        return pair
    taker = taking.grant(story, staying.leg)
    outcome: Outcome = Failed(Refusal.UNREACHABLE)
    with staying.leg.while_lasts():
        # They talk on until it is answered indeed: it may speak no codec of theirs.
        outcome = await taker.leg.outcome()
    if isinstance(outcome, Failed):
        return pair
    story.tell(CallTransferred(story.id, staying.leg.id, where_is(who), None, who.person))
    seeker = Seeker(
        story, staying.leg, CallerId(staying.who.number), is_answered=True, since_s=trio.current_time()
    )
    await seeker.meet(taker)
    leaving.leg.hang_up()
    return (taker, callee) if leaving is caller else (caller, taker)


FORBIDDEN, BUSY_HERE = 403, 486
