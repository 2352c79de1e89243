"""Seeks somebody for a party that waits: follows the moves of a walk until one answers or the walk is over.

Internal calls, calls from a trunk, transfers and commands all come through here: one algorithm for everybody.
"""

from collections.abc import Generator
from typing import TypeVar

from orchestrator.dialplan.routing import LeadsTo, Outward
from orchestrator.flows.ring import dial_outside
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Party, Story
from orchestrator.flows.take import ring_or_be_taken
from orchestrator.flows.wording import forwarded
from orchestrator.forwarding.walk import Dial, End, Move, Play, Presence, Reply, Ring, Walker
from orchestrator.model.calls import Failed
from orchestrator.model.identifiers import DeviceId, PersonId
from orchestrator.model.journal import PersonNotReached

T = TypeVar("T")


async def seek(seeker: Seeker, route: LeadsTo | Outward) -> Party | End | Failed:
    """Whoever was found and is joined to the seeker; the terminal to play; or how a number outside failed."""
    if isinstance(route, LeadsTo):
        return await follow(seeker, walker(seeker).walk(route.destination))
    outcome = await dial_outside(seeker, route.trunk, route.number)
    if isinstance(outcome, Party):
        await seeker.meet(outcome)
    return outcome


async def follow(seeker: Seeker, moves: Generator[Move, Reply, T]) -> Party | T:
    """Do what `moves` says until somebody answers and is joined to the seeker; otherwise what `moves` returns."""
    active = seeker.story.active
    reply: Reply = None
    while True:
        try:
            move = moves.send(reply)
        except StopIteration as stop:
            returned: T = stop.value
            return returned
        found: Party | Failed | Reply = None
        match move:
            case Ring(person):
                active.engage(person.id)
                found = await ring_or_be_taken(seeker, move)
            case Dial(trunk, number, why=why):
                found = await dial_outside(seeker, trunk, number, forwarded(why))
            case Play(prompt):
                await seeker.listen(prompt)
            case PersonNotReached(person=person_id):
                active.release(person_id)
                seeker.story.tell(move)
            case _:
                seeker.story.tell(move)
        if isinstance(found, Party):
            await seeker.meet(found)
            return found
        reply = found.why if isinstance(found, Failed) else found


def walker(seeker: Seeker) -> Walker:
    """The decisions for this seeker, with the presence of its company."""
    story = seeker.story
    return Walker(story.id, story.directory, presence_for(story), seeker.device)


def presence_for(story: Story) -> Presence:
    """Who is online and who is busy, besides this call."""
    world, company = story.world, story.directory.id

    def is_online(device: DeviceId) -> bool:
        return bool(world.switch.bindings(company, device))

    def calls_of(person: PersonId) -> int:
        return world.active.calls_of(company, person)

    return Presence(is_online, calls_of)
