"""A call that a command asks for: first the devices of the one who wants to call, then whoever is to be called."""

import structlog
import trio

from orchestrator.dialplan.routing import LeadsTo, Nowhere, Outward, Route, is_emergency, route_from_inside
from orchestrator.flows.life import NO_LEG, live
from orchestrator.flows.seek import follow, seek, walker
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.flows.talk import talk
from orchestrator.flows.wording import direction_of, routed, why_nowhere
from orchestrator.flows.world import World
from orchestrator.forwarding.walk import End
from orchestrator.model.calls import CallerId, EndCause, Failed, FromDevice, Refusal, Who
from orchestrator.model.commands import OriginateCall
from orchestrator.model.directory import Person
from orchestrator.model.identifiers import DeviceId
from orchestrator.model.journal import CallArrived, CommandFailed, PersonNotReached
from orchestrator.numbering.directory import Directory


async def originate(world: World, command: OriginateCall) -> None:
    """Carry out `command` to the end of its call. Raises nothing but cancellation."""
    try:
        await _originate(world, command)
    except Exception as fault:
        # The call's own frame catches its faults; this one is of the frame, or the company is gone.
        world.active.crashed += 1
        _log.error("command_crashed", command=command.id, company=command.company, exc_info=fault)


async def _originate(world: World, command: OriginateCall) -> None:
    directory = world.directory(command.company)
    person = directory.person(command.caller)
    route = route_from_inside(directory, command.to, command.caller)
    refused = _refusal(world, directory, person, command.to, route)
    if refused is not None or person is None or isinstance(route, Nowhere):
        code, detail = refused or ("", "")
        world.journal.write(command.company, CommandFailed(command.id, command.kind, code, detail))
        return
    who = Who(person.id, None, None, person.extension, person.name)
    leads = route
    originator = person

    def began(story: Story) -> CallArrived:
        direction = direction_of(FromDevice(DeviceId("")), leads)
        return CallArrived(story.id, NO_LEG, direction, who, command.to, command.id)

    async def tale(story: Story) -> Ending:
        return await _tale(story, command, originator, leads)

    await live(world, directory, began, tale, command=command)


async def _tale(story: Story, command: OriginateCall, person: Person, leads: LeadsTo | Outward) -> Ending:
    nobody = Seeker(story, None, CallerId(command.to), is_answered=False)
    caller = await follow(nobody, walker(nobody).reach(person))
    if isinstance(caller, Refusal):
        story.tell(PersonNotReached(story.id, person.id, caller, "nowhere"))
        story.failed(command, "caller_not_reached", f"{person.name}: {caller.value}")
        return Ending(EndCause.NOT_REACHED)
    story.active.engage(person.id)
    story.tell(routed(story, leads))
    seeker = Seeker(
        story,
        caller.leg,
        CallerId(caller.who.number, caller.who.name),
        is_answered=True,
        device=caller.who.device,
        since_s=trio.current_time(),
    )
    with caller.leg.while_lasts() as present:
        found = await seek(seeker, leads)
    if present.cancelled_caught:
        return left(caller.leg, story.given_up)
    match found:
        case Party():
            story.completed(command)
            return await talk(story, caller, found)
        case End(sought=False):
            story.completed(command)
            return await seeker.hear_out(found)
        case End():
            story.failed(command, "not_reached", f"{command.to} was not reached")
            return await seeker.hear_out(found)
        case Failed():
            story.failed(command, "not_reached", f"{command.to} was not reached: {found.why.value}")
            return await seeker.hear_out(End(story.directory.company.terminal.prompt, sought=True))


def _refusal(
    world: World, directory: Directory, person: Person | None, to: str, route: Route
) -> tuple[str, str] | None:
    if not (world.journal.accepting or is_emergency(route)):
        return "storage_unavailable", "the exchange takes no new calls now"
    if person is None:
        return "not_found", "no such person"
    if isinstance(route, Nowhere):
        return route.because, why_nowhere(directory, to, route)
    return None


_log = structlog.get_logger(__name__)
