"""Attended transfer: a phone has two calls, and wants those whom it talks to in them to talk to each other.

    client ── anna │ anna ── boris          client ── boris

The call in which it asks goes on: its record, its trace and its recording are those of the whole journey. It takes the
other's leg over, and the other call ends, saying where its party is.
"""

from attrs import frozen

from orchestrator.flows.active import ActiveCall
from orchestrator.flows.seeker import Seeker
from orchestrator.flows.story import Party, Story
from orchestrator.flows.wish import Wish
from orchestrator.flows.wording import where_is
from orchestrator.model.journal import CallTransferred, LegMoved, OutsideBarred
from orchestrator.model.outside import Way
from orchestrator.ports import TransferAsked


@frozen(eq=False)
class Consult:
    """The other call of the phone."""

    call: ActiveCall
    partner: Party | None
    """Whom the phone talks to there; None: nobody has answered yet."""
    is_called: bool
    """Whether the partner was called by the exchange, and did not call by itself."""
    dialled: str
    """What the phone has dialled there, while nobody has answered."""


def consult_of(story: Story, asked: TransferAsked) -> Consult | None:
    """The call that is meant; None if it is not one of this company's, or neither talks nor rings."""
    if asked.instead_of is None:
        return None
    id, leg = asked.instead_of
    call = story.world.active.table.get(id)
    if call is None or call is story.active or call.company != story.directory.id:
        return None
    if call.pair is not None:
        caller, callee = call.pair
        is_called = leg == caller.leg.id
        partner = callee if is_called else caller
        if leg in (caller.leg.id, callee.leg.id) and partner.leg.end is None:
            return Consult(call, partner, is_called, "")
    elif call.dialled is not None and call.dialled[0] == leg:
        return Consult(call, None, True, call.dialled[1])
    return None


async def join(
    seeker: Seeker, staying: Party, leaving: Party, consult: Consult, wish: Wish
) -> tuple[Party, Party] | None:
    """Join `staying` to the partner of the other call; None if that may not be."""
    story, partner = seeker.story, consult.partner
    if partner is None:
        raise AssertionError("there is nobody to be joined to")
    by, who = leaving.who.person, partner.who
    if consult.is_called and who.person is None and who.number.startswith("+"):
        barred = story.directory.bar(by, str(who.number), Way.TRANSFER)
        if barred is not None:
            story.tell(OutsideBarred(story.id, barred))
            wish.failed("not_allowed", 403, f"{who.number} may not be transferred to")
            return None
    story.tell(LegMoved(consult.call.id, partner.leg.id, story.id))
    story.call.adopt(partner.leg)
    consult.call.go_into(story.id)
    if who.person is not None:
        story.active.engage(who.person)
    story.tell(CallTransferred(story.id, staying.leg.id, where_is(who), None, by, attended=True))
    await seeker.meet(partner)
    wish.done()
    story.release(leaving.who)
    return staying, partner
