"""A call that arrives: routed, led to somebody, or told why not."""

import structlog

from orchestrator.dialplan.routing import Nowhere, Route, is_emergency, route
from orchestrator.flows.life import live
from orchestrator.flows.seek import seek
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.flows.talk import talk
from orchestrator.flows.wording import caller_of, direction_of, routed
from orchestrator.flows.world import World
from orchestrator.forwarding.walk import End
from orchestrator.model.calls import (
    Arrival,
    CallerId,
    EndCause,
    Failed,
    FromDevice,
    Refusal,
    Who,
)
from orchestrator.model.errors import NoSuchCompany
from orchestrator.model.journal import CallArrived, OutsideBarred


async def serve(world: World, arrival: Arrival) -> None:
    """Serve one arrival to its end. Raises nothing but cancellation."""
    try:
        await _serve(world, arrival)
    except Exception as fault:
        # The call's own frame catches its faults; this one is of the frame.
        world.active.crashed += 1
        world.switch.refuse(arrival, 500)
        _log.error("call_crashed", leg=arrival.leg, company=arrival.company, exc_info=fault)


async def _serve(world: World, arrival: Arrival) -> None:
    try:
        directory = world.directory(arrival.company)
    except NoSuchCompany:
        world.switch.refuse(arrival, 404)
        return
    who = caller_of(directory, arrival)
    leads = route(directory, arrival)
    if not is_emergency(leads):
        if not world.journal.accepting:
            world.switch.refuse(arrival, 503, RETRY_AFTER_S)
            return
        if isinstance(arrival.source, FromDevice) and who.person is None:
            leads = Nowhere("not_allowed", 403)

    def began(story: Story) -> CallArrived:
        return CallArrived(story.id, arrival.leg, direction_of(arrival.source, leads), who, arrival.called)

    async def tale(story: Story) -> Ending:
        return await _tale(story, arrival, who, leads)

    await live(world, directory, began, tale, arrival=arrival)


async def _tale(story: Story, arrival: Arrival, who: Who, leads: Route) -> Ending:
    caller = story.call.caller
    if caller is None:
        raise AssertionError("an arrival has a leg")
    story.tell(routed(story, leads))
    if isinstance(leads, Nowhere):
        if leads.barred is not None:
            story.tell(OutsideBarred(story.id, leads.barred))
        story.call.reject(leads.status)
        return Ending(EndCause.REFUSED, leads.status, leads.because)
    if who.person is not None:
        story.active.engage(who.person)
    seeker = Seeker(
        story,
        caller,
        CallerId(who.number, who.name),
        is_answered=False,
        can_hear=arrival.can_hear_prompts,
        device=who.device,
        since_s=story.began_s,
    )
    with caller.while_lasts() as present:
        found = await seek(seeker, leads)
    if present.cancelled_caught:
        return left(caller, story.given_up)
    match found:
        case Party():
            return await talk(story, Party(caller, who), found)
        case End():
            return await seeker.hear_out(found)
        case Failed():
            status = status_of(found)
            story.call.reject(status)
            return Ending(EndCause.NOT_REACHED, status)


def status_of(failed: Failed) -> int:
    """What a caller of ours hears of a number outside: its own answer where that makes sense to his phone."""
    if 400 <= failed.status < 700 and failed.status not in _NOT_TO_PASS_ON:
        return failed.status
    return _STATUSES[failed.why]


_STATUSES = {
    Refusal.DO_NOT_DISTURB: 480,
    Refusal.OFFLINE: 480,
    Refusal.BUSY: 486,
    Refusal.DECLINED: 603,
    Refusal.UNREACHABLE: 480,
    Refusal.NO_ANSWER: 480,
}
_NOT_TO_PASS_ON = frozenset({401, 407, 408, 421, 487, 491, 494})
"""These are about our own dialog with the carrier."""
RETRY_AFTER_S = 10
_log = structlog.get_logger(__name__)
