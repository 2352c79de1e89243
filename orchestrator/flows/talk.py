"""Two people talk, until one leaves or a command changes the pair."""

import trio

from orchestrator.flows.story import Ending, Party, Story, left
from orchestrator.flows.take import Taking, hand_over
from orchestrator.flows.transfer import transfer
from orchestrator.model.calls import EndCause


async def talk(story: Story, caller: Party, callee: Party) -> Ending:
    """Wait for the end of a conversation; leaving the call's block then ends the other's leg."""
    while True:
        with trio.CancelScope() as scope:
            story.active.listen(scope, caller, callee)
            try:
                gone = await story.call.first_end(caller.leg, callee.leg)
                await story.active.unclaimed()
            finally:
                story.active.listen_no_longer()
            if gone is caller.leg:
                return left(gone, EndCause.CALLER_HUNG_UP)
            return left(gone, EndCause.CALLEE_HUNG_UP)
        wanted = story.active.transfers.popleft()
        if isinstance(wanted, Taking):
            caller, callee = await hand_over(story, (caller, callee), wanted)
            continue
        after = await transfer(story, (caller, callee), wanted)
        if isinstance(after, Ending):
            return after
        caller, callee = after
