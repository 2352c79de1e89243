"""A call that arrives: routed, led to somebody, or told why not."""

import structlog

from orchestrator.dialplan.routing import LeadsTo, Nowhere, Route, is_emergency, route
from orchestrator.flows.life import live
from orchestrator.flows.seek import seek
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.flows.take import take
from orchestrator.flows.talk import talk
from orchestrator.flows.wording import caller_of, direction_of, diverted_from, routed, status_of
from orchestrator.flows.world import World
from orchestrator.forwarding.walk import End
from orchestrator.model.calls import (
    Arrival,
    CallerId,
    EndCause,
    Failed,
    FromDevice,
    Who,
)
from orchestrator.model.errors import NoSuchCompany
from orchestrator.model.journal import CallArrived, OutsideBarred
from orchestrator.ports import Leg


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
    place = None if is_emergency(leads) else arrival.instead_of
    diverted = diverted_from(directory, arrival)
    direction = direction_of(arrival.source, leads)
    if not arrival.speaks:
        leads = Nowhere("no_codec", 488)

    def began(story: Story) -> CallArrived:
        return CallArrived(story.id, arrival.leg, direction, who, arrival.called, diverted=diverted)

    async def tale(story: Story) -> Ending:
        if place is not None and who.person is not None and arrival.speaks:
            return await take(story, Party(caller_in(story), who), place)
        return await _tale(story, arrival, who, leads)

    await live(world, directory, began, tale, arrival=arrival)


async def _tale(story: Story, arrival: Arrival, who: Who, leads: Route) -> Ending:
    caller = caller_in(story)
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
        CallerId(who.number, who.name, hides(arrival)),
        is_answered=False,
        can_hear=arrival.can_hear_prompts,
        device=who.device,
        since_s=story.began_s,
        called=leads.number if isinstance(leads, LeadsTo) else None,
        diversions=arrival.caller.diverted.count if arrival.caller.diverted else 0,
    )
    story.active.dialled = (caller.id, arrival.called)
    with caller.while_lasts() as present:
        found = await seek(seeker, leads)
    if present.cancelled_caught:
        return left(caller, story.given_up)
    match found:
        case Party():
            return await talk(story, Party(caller, who, hides(arrival)), found)
        case End():
            return await seeker.hear_out(found)
        case Failed():
            status = status_of(found)
            story.call.reject(status)
            return Ending(EndCause.NOT_REACHED, status)


def caller_in(story: Story) -> Leg:
    """The leg that came in."""
    if story.call.caller is None:
        raise AssertionError("an arrival has a leg")
    return story.call.caller


def hides(arrival: Arrival) -> bool:
    """Whether one of the company wants to be unknown outside. Who calls from there is shown there as nobody anyway."""
    return arrival.caller.hidden and isinstance(arrival.source, FromDevice)


RETRY_AFTER_S = 10
_log = structlog.get_logger(__name__)
