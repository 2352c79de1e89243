"""Who calls and where the call leads, in the words of the journal."""

from orchestrator.dialplan.routing import LeadsTo, Nowhere, Outward, Route, person_of
from orchestrator.explain import names_in, why_barred
from orchestrator.flows.story import Story
from orchestrator.forwarding.walk import name_of
from orchestrator.model.calls import (
    Arrival,
    Direction,
    Diversion,
    Failed,
    FromDevice,
    FromTrunk,
    Refusal,
    Who,
)
from orchestrator.model.journal import CallRouted
from orchestrator.numbering.directory import Directory


def caller_of(directory: Directory, arrival: Arrival) -> Who:
    """Who calls, in the words of the directory."""
    caller = arrival.caller
    if isinstance(arrival.source, FromTrunk):
        number = directory.caller_by(arrival.source.trunk, caller.number)
        return Who(trunk=arrival.source.trunk, number=number, name=caller.name)
    device = arrival.source.device
    person = directory.owner(device)
    if person is None:
        return Who(device=device, number=caller.number, name=caller.name)
    return Who(person.id, device, None, person.extension, person.name)


def direction_of(source: FromDevice | FromTrunk, leads: Route) -> Direction:
    """How the call lies to the company."""
    if isinstance(source, FromTrunk):
        return Direction.INBOUND
    outward = isinstance(leads, Outward) or (isinstance(leads, Nowhere) and leads.because != "unknown_number")
    return Direction.OUTBOUND if outward else Direction.INTERNAL


def forwarded(why: Refusal | None) -> str:
    """Why callers are sent outside, in the words of RFC 5806 §4.3; None: whatever happens."""
    return "unconditional" if why is None else _FORWARDED[why]


def diverted_from(directory: Directory, arrival: Arrival) -> Diversion | None:
    """For whom a call was that its carrier says to have been forwarded."""
    diverted = arrival.caller.diverted
    if diverted is None or not isinstance(arrival.source, FromTrunk):
        return None
    number = directory.caller_by(arrival.source.trunk, diverted.number)
    return Diversion(number, diverted.reason, diverted.count)


def routed(story: Story, leads: Route) -> CallRouted:
    """The entry that tells where the number leads."""
    number = leads.number if isinstance(leads, LeadsTo) else None
    return CallRouted(story.id, where(leads), leads.because, person_of(leads), number)


def where(leads: Route) -> str:
    """The destination as the journal names it."""
    match leads:
        case LeadsTo(destination):
            return name_of(destination)
        case Outward(number=number):
            return f"outside:{number}"
        case Nowhere():
            return "nowhere"


def where_is(who: Who) -> str:
    """Somebody who has answered already, as the journal names destinations."""
    return f"outside:{who.number}" if who.person is None else f"person:{who.person}"


def why_nowhere(directory: Directory, called: str, leads: Nowhere) -> str:
    """Why a command leads nowhere, for whoever gave it."""
    if leads.barred is not None:
        return why_barred(leads.barred, names_in(directory))
    return f"{called!r} leads nowhere"


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
_FORWARDED = {
    Refusal.DO_NOT_DISTURB: "do-not-disturb",
    Refusal.OFFLINE: "unavailable",
    Refusal.BUSY: "user-busy",
    Refusal.DECLINED: "deflection",
    Refusal.UNREACHABLE: "unavailable",
    Refusal.NO_ANSWER: "no-answer",
}
_NOT_TO_PASS_ON = frozenset({401, 407, 408, 421, 487, 491, 494})
"""These are about our own dialog with the carrier."""
