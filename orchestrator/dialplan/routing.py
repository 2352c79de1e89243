"""Decides where a call leads. Pure: same directory, same number, same answer, and it says why.

From inside: emergency number → short number → the company's own public number (which stays inside) → a public
number that may be called. From a trunk: the company's public numbers, nothing else.
"""

from attrs import frozen

from orchestrator.model.calls import Arrival, FromTrunk
from orchestrator.model.directory import Destination, ToPerson
from orchestrator.model.identifiers import E164, PersonId, TrunkId
from orchestrator.model.outside import Barred, Way
from orchestrator.numbering.directory import Directory


@frozen
class LeadsTo:
    """A destination inside, or one that the configuration names."""

    destination: Destination
    because: str
    number: E164 | None = None
    """The company's public number that was dialled, if it was one."""


@frozen
class Outward:
    """A number outside, through a trunk."""

    trunk: TrunkId
    number: str
    because: str
    by: PersonId | None = None
    """Who causes the call, and answers for it; None: the company itself."""


@frozen
class Nowhere:
    """The caller is turned away with a SIP status."""

    because: str
    status: int
    barred: Barred | None = None
    """Why a number outside is not called."""


Route = LeadsTo | Outward | Nowhere


def route(directory: Directory, arrival: Arrival) -> Route:
    """Where this arrival leads."""
    if isinstance(arrival.source, FromTrunk):
        diverted = arrival.caller.diverted
        if diverted is not None and diverted.count >= FORWARDED_MAX:
            return Nowhere("loop", 482)
        return route_from_outside(directory, arrival.source.trunk, arrival.called)
    caller = directory.owner(arrival.source.device)
    return route_from_inside(directory, arrival.called, caller.id if caller else None)


def route_from_outside(directory: Directory, trunk: TrunkId, called: str) -> Route:
    """Where a number leads that somebody outside has dialled, as the trunk writes it."""
    if number := directory.called_by(trunk, called):
        return LeadsTo(number.leads_to, "number", number.number)
    return Nowhere("unknown_number", 404)


def route_from_inside(
    directory: Directory, called: str, by: PersonId | None = None, way: Way = Way.CALL
) -> Route:
    """Where a number leads that somebody of the company has dialled, or a command names; with the right of `by`."""
    company, trunk = directory.company, directory.way_out
    if called in company.emergency_numbers:
        return Outward(trunk.id, called, "emergency", by) if trunk else Nowhere("emergency", 503)
    if person := directory.by_extension(called):
        return LeadsTo(ToPerson(person.id), "extension")
    if own := directory.number(called):
        return LeadsTo(own.leads_to, "number", own.number)
    public = directory.spelled_out(called)
    if public is None:
        return Nowhere("unknown_number", 404)
    barred = directory.bar(by, public, way)
    if trunk is None or barred is not None:
        return Nowhere("not_allowed", 403, barred)
    return Outward(trunk.id, public, "outside", by)


def is_emergency(route: Route) -> bool:
    """Whether somebody calls for help: such a call is never refused for want of room, disk or permission."""
    return isinstance(route, Outward) and route.because == "emergency"


def person_of(route: Route) -> PersonId | None:
    """The person that a route leads to at once."""
    match route:
        case LeadsTo(destination=ToPerson(person)):
            return person
        case _:
            return None


FORWARDED_MAX = 10
"""A call that was forwarded so often comes round in circles."""
