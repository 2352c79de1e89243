"""Blind transfer: one party is released at once, the other hears ringing until somebody else answers.

If the target cannot be reached, whoever transferred is sought again, and if that fails too the terminal follows: the
party that stays is never left in silence.
"""

import trio

from orchestrator.dialplan.routing import LeadsTo, Nowhere, Outward, route_from_inside
from orchestrator.flows.seek import seek
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.flows.wording import where, why_nowhere
from orchestrator.forwarding.walk import End
from orchestrator.model.calls import CallerId, EndCause, Failed
from orchestrator.model.commands import Side, TransferCall
from orchestrator.model.directory import ToPerson
from orchestrator.model.journal import CallTransferred, OutsideBarred
from orchestrator.model.outside import Way


async def transfer(
    story: Story, caller: Party, callee: Party, command: TransferCall
) -> tuple[Party, Party] | Ending:
    """Carry out `command`; the pair that talks afterwards, or how the call ended instead."""
    leaving, staying = (caller, callee) if command.leaving is Side.CALLER else (callee, caller)
    # Whoever leaves causes the call that follows; where that is a stranger, the colleague who stays.
    by = leaving.who.person or staying.who.person
    route = route_from_inside(story.directory, command.to, by, Way.TRANSFER)
    if isinstance(route, Nowhere):
        if route.barred is not None:
            story.tell(OutsideBarred(story.id, route.barred))
        story.failed(command, route.because, why_nowhere(story.directory, command.to, route))
        return caller, callee
    leaving.leg.hang_up()
    if leaving.who.person is not None:
        story.active.release(leaving.who.person)
    seeker = _seeker(
        story, staying, EndCause.CALLER_HUNG_UP if staying is caller else EndCause.CALLEE_HUNG_UP
    )
    with staying.leg.while_lasts() as present:
        found = await _seek(seeker, route, command, leaving)
    if present.cancelled_caught:
        return left(staying.leg, seeker.leaves)
    match found:
        case Party():
            return staying, found
        case End():
            return await seeker.hear_out(found)
        case Failed():
            return await seeker.hear_out(End(story.directory.company.terminal.prompt, sought=True))


async def _seek(
    seeker: Seeker, route: LeadsTo | Outward, command: TransferCall, leaving: Party
) -> Party | End | Failed:
    """The target, then whoever transferred."""
    story = seeker.story
    if seeker.leg is None:
        raise AssertionError("a party that stays has a leg")
    story.tell(CallTransferred(story.id, seeker.leg.id, where(route), command.id))
    found = await seek(seeker, route)
    if isinstance(found, Party) or (isinstance(found, End) and not found.sought):
        story.completed(command)
        return found
    story.failed(command, "not_reached", f"{command.to} was not reached")
    if leaving.who.person is None:
        return found
    seeker.since_s = trio.current_time()
    back = LeadsTo(ToPerson(leaving.who.person), "transfer")
    story.tell(CallTransferred(story.id, seeker.leg.id, where(back)))
    return await seek(seeker, back)


def _seeker(story: Story, staying: Party, leaves: EndCause) -> Seeker:
    return Seeker(
        story,
        staying.leg,
        CallerId(staying.who.number, staying.who.name),
        is_answered=True,
        device=staying.who.device,
        since_s=trio.current_time(),
        leaves=leaves,
    )
