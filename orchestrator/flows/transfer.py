"""Transfer: one party leaves, and the other hears ringing until somebody else answers, or is joined to them at once.

Blind: the target is sought as for any call. If it cannot be reached, whoever transferred is joined again if the phone
has stayed on the line, and else sought again; if that fails too the terminal follows. Attended: `join`. The party that
stays is never left in silence. A phone may hang up as soon as it has asked: its transfer goes on.
"""

import trio

from orchestrator.dialplan.routing import LeadsTo, Nowhere, Outward, route_from_inside
from orchestrator.flows.active import ActiveCall
from orchestrator.flows.join import consult_of, join
from orchestrator.flows.seek import seek
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.flows.wish import ByCommand, ByPhone, Wish
from orchestrator.flows.wording import status_of, where, why_nowhere
from orchestrator.forwarding.walk import End
from orchestrator.model.calls import CallerId, EndCause, Failed
from orchestrator.model.commands import Side, TransferCall
from orchestrator.model.directory import ToPerson
from orchestrator.model.journal import CallTransferred, OutsideBarred
from orchestrator.model.outside import Way
from orchestrator.ports import TransferAsked

Pair = tuple[Party, Party]
"""Caller and callee: those who talk."""


async def transfer(story: Story, pair: Pair, wanted: TransferCall | TransferAsked) -> Pair | Ending:
    """Carry out what is wanted; the pair that talks afterwards, or how the call ended instead."""
    caller, callee = pair
    if isinstance(wanted, TransferCall):
        leaving = caller if wanted.leaving is Side.CALLER else callee
        return await _blind(story, pair, leaving, ByCommand(story, wanted))
    if wanted.leg not in (caller.leg, callee.leg):
        wanted.leg.tell_transfer(NO_SUCH_CALL)
        return pair
    leaving = caller if wanted.leg is caller.leg else callee
    wanted.leg.tell_transfer(100)
    wish = ByPhone(story, wanted, leaving, wanted.to)
    if wanted.instead_of is None:
        return await _blind(story, pair, leaving, wish)
    with story.world.active.claimed(wanted):
        return await _attended(story, pair, leaving, wish)


async def _attended(story: Story, pair: Pair, leaving: Party, wish: ByPhone) -> Pair | Ending:
    consult = consult_of(story, wish.wish)
    if consult is None:
        wish.failed("no_such_call", NO_SUCH_CALL, "there is no such call to take the place of")
        return pair
    if consult.partner is None:
        # Nobody has answered there: whom it rings is rung for the party that stays instead.
        wish = ByPhone(story, wish.wish, leaving, consult.dialled)
        return await _blind(story, pair, leaving, wish, consult.call)
    staying = pair[1] if leaving is pair[0] else pair[0]
    return await join(_seeker(story, pair, staying, wish), staying, leaving, consult, wish) or pair


async def _blind(
    story: Story, pair: Pair, leaving: Party, wish: Wish, instead_of: ActiveCall | None = None
) -> Pair | Ending:
    caller, callee = pair
    staying = callee if leaving is caller else caller
    # Whoever leaves causes the call that follows; where that is a stranger, the colleague who stays.
    by = leaving.who.person or staying.who.person
    route = route_from_inside(story.directory, wish.to, by, Way.TRANSFER)
    if isinstance(route, Nowhere):
        if route.barred is not None:
            story.tell(OutsideBarred(story.id, route.barred))
        wish.failed(route.because, route.status, why_nowhere(story.directory, wish.to, route))
        return pair
    if instead_of is not None:
        instead_of.go_into(story.id)
    if wish.stays:
        leaving.leg.hears(None)
    else:
        leaving.leg.hang_up()
        story.release(leaving.who)
    seeker = _seeker(story, pair, staying, wish)
    with staying.leg.while_lasts() as present:
        found = await _while_waiting(seeker, route, leaving, wish)
    if present.cancelled_caught:
        leaving.leg.tell_transfer(REQUEST_TERMINATED)
        return left(staying.leg, seeker.leaves)
    match found:
        case Party():
            return pair if found is leaving else (staying, found)
        case End():
            return await seeker.hear_out(found)
        case Failed():
            return await seeker.hear_out(End(story.directory.company.terminal.prompt, sought=True))


async def _while_waiting(
    seeker: Seeker, route: LeadsTo | Outward, leaving: Party, wish: Wish
) -> Party | End | Failed:
    """Seek; whoever hangs up meanwhile is free for other calls from then on."""
    async with trio.open_nursery() as nursery:
        if wish.stays:
            nursery.start_soon(_release_when_gone, seeker.story, leaving)
        found = await _seek(seeker, route, leaving, wish)
        nursery.cancel_scope.cancel()
    return found


async def _release_when_gone(story: Story, leaving: Party) -> None:
    await story.call.first_end(leaving.leg)
    story.release(leaving.who)


async def _seek(seeker: Seeker, route: LeadsTo | Outward, leaving: Party, wish: Wish) -> Party | End | Failed:
    """The target, then whoever transferred."""
    story, leg = seeker.story, seeker.leg
    if leg is None:
        raise AssertionError("a party that stays has a leg")
    story.tell(CallTransferred(story.id, leg.id, where(route), wish.command, wish.by))
    found = await seek(seeker, route)
    if isinstance(found, Party) or (isinstance(found, End) and not found.sought):
        wish.done()
        story.release(leaving.who)
        return found
    status = status_of(found) if isinstance(found, Failed) else UNAVAILABLE
    wish.failed("not_reached", status, f"{wish.to} was not reached")
    seeker.asked_by = None
    if wish.stays and leaving.leg.end is None:
        leg.hears(leaving.leg)
        leaving.leg.hears(leg)
        return leaving
    if leaving.who.person is None:
        return found
    seeker.since_s = trio.current_time()
    back = LeadsTo(ToPerson(leaving.who.person), "transfer")
    story.tell(CallTransferred(story.id, leg.id, where(back)))
    return await seek(seeker, back)


def _seeker(story: Story, pair: Pair, staying: Party, wish: Wish) -> Seeker:
    return Seeker(
        story,
        staying.leg,
        CallerId(staying.who.number, staying.who.name, staying.hides),
        is_answered=True,
        device=staying.who.device,
        since_s=trio.current_time(),
        leaves=EndCause.CALLER_HUNG_UP if staying is pair[0] else EndCause.CALLEE_HUNG_UP,
        asked_by=wish.leg,
    )


UNAVAILABLE, NO_SUCH_CALL, REQUEST_TERMINATED = 480, 481, 487
"""What a phone hears: nobody was found; the call is gone; whom it talked to has hung up."""
