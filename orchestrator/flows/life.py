"""The frame around every call: opened once, ended once, whatever happens inside.

A tale is told within the call's block. Whether it ends, is hung up by command, is cancelled with the exchange or
crashes: no leg is left, every command is reported, and exactly one `CallEnded` follows `CallArrived`.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from orchestrator.flows.story import Ending, Story
from orchestrator.flows.world import World
from orchestrator.model.calls import Arrival, EndCause
from orchestrator.model.commands import HangUpCall, OriginateCall
from orchestrator.model.identifiers import LegId
from orchestrator.model.journal import CallArrived, CallEnded
from orchestrator.numbering.directory import Directory

Tale = Callable[[Story], Awaitable[Ending]]


async def live(
    world: World,
    directory: Directory,
    began: Callable[[Story], CallArrived],
    tale: Tale,
    *,
    arrival: Arrival | None = None,
    command: OriginateCall | None = None,
) -> None:
    """Live one call to its end. `began` words its first entry; raises nothing but cancellation."""
    active = world.active.open(world.identifiers.call(), directory.id)
    if command is not None:
        active.unreported[command.id] = command
    story: Story | None = None
    ending = Ending(EndCause.SHUTDOWN, 503)
    try:
        async with world.switch.call(active.id, directory.id, arrival) as call:
            story = Story(world, call, directory, active, trio.current_time())
            story.tell(began(story))
            try:
                with active.whole:
                    ending = await tale(story)
                if active.whole.cancelled_caught:
                    into = active.gone_into
                    ending = (
                        Ending(EndCause.COMMAND) if into is None else Ending(EndCause.TRANSFERRED, 200, into)
                    )
            except BaseException as error:
                ending = _judge(error, story) or ending
                call.reject(ending.status)
                if ending.cause is not EndCause.CRASHED:
                    raise
    finally:
        if story is not None:
            _end(story, ending)
        world.active.close(active)


def _judge(error: BaseException, story: Story) -> Ending | None:
    """A fault of ours ends this call only; None for a cancellation, which is not a fault."""
    faults = error.split(Exception)[0] if isinstance(error, BaseExceptionGroup) else error
    if not isinstance(faults, Exception):
        return None
    story.world.active.crashed += 1
    _log.error("call_crashed", call=story.id, company=story.directory.id, exc_info=faults)
    return Ending(EndCause.CRASHED, 500, type(faults).__name__)


def _end(story: Story, ending: Ending) -> None:
    for command in tuple(story.active.unreported.values()):
        if isinstance(command, HangUpCall):
            story.completed(command)
        else:
            story.failed(command, *_LOST.get(ending.cause, ("call_ended", "the call ended before that")))
    answered_s = story.answered_s
    wait_ms = (
        story.ms_since(story.began_s) if answered_s is None else round((answered_s - story.began_s) * 1000)
    )
    talk_ms = 0 if answered_s is None else story.ms_since(answered_s)
    story.tell(CallEnded(story.id, ending.cause, wait_ms, talk_ms, ending.status, ending.detail))


_LOST = {
    EndCause.CRASHED: ("crashed", "a fault of ours ended the call"),
    EndCause.SHUTDOWN: ("shutdown", "the exchange was stopped"),
}
NO_LEG = LegId(0)
"""Stands in `CallArrived` for a call that came in on no leg."""
_log = structlog.get_logger(__name__)
