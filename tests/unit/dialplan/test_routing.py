import pytest
from attrs import evolve

from orchestrator.dialplan.routing import (
    LeadsTo,
    Nowhere,
    Outward,
    Route,
    person_of,
    route,
    route_from_inside,
    route_from_outside,
)
from orchestrator.model.calls import Arrival, CallerId, Diversion, FromDevice, FromTrunk
from orchestrator.model.directory import Announcement
from orchestrator.model.identifiers import E164, DeviceId, LegId, PersonId
from orchestrator.model.outside import FOREIGN, NATIONAL, Bar, Barred
from orchestrator.numbering.directory import directory_of
from tests.scenarios.company import ACME, CARRIER, WELCOME, acme, person, to

GREETING = Announcement(WELCOME, to("anna"))
DIRECTORY = acme(person("anna", "101"), numbers={"+74951234501": GREETING, "+74951234502": to("anna")})


@pytest.mark.parametrize(
    ("called", "leads"),
    [
        ("112", Outward(CARRIER, "112", "emergency")),
        ("101", LeadsTo(to("anna"), "extension")),
        ("84951234502", LeadsTo(to("anna"), "number", E164("+74951234502"))),
        ("+79161234567", Outward(CARRIER, "+79161234567", "outside")),
        ("89161234567", Outward(CARRIER, "+79161234567", "outside")),
        (
            "+4930123456",
            Nowhere("not_allowed", 403, Barred("+4930123456", Bar.COST_CLASS, FOREIGN, None, (NATIONAL,))),
        ),
        ("102", Nowhere("unknown_number", 404)),
        ("", Nowhere("unknown_number", 404)),
        ("anna", Nowhere("unknown_number", 404)),
    ],
)
def test_from_inside(called: str, leads: Route) -> None:
    assert route_from_inside(DIRECTORY, called) == leads


@pytest.mark.parametrize(
    ("called", "leads"),
    [
        ("+74951234501", LeadsTo(GREETING, "number", E164("+74951234501"))),
        ("4951234501", LeadsTo(GREETING, "number", E164("+74951234501"))),
        ("74951234502", LeadsTo(to("anna"), "number", E164("+74951234502"))),
        ("101", Nowhere("unknown_number", 404)),
        ("112", Nowhere("unknown_number", 404)),
        ("+79161234567", Nowhere("unknown_number", 404)),
    ],
)
def test_from_a_trunk_only_public_numbers_of_the_company_lead_in(called: str, leads: Route) -> None:
    assert route_from_outside(DIRECTORY, CARRIER, called) == leads


def test_the_source_decides_which_way_is_asked() -> None:
    def arrival(source: FromDevice | FromTrunk) -> Arrival:
        return Arrival(LegId(1), ACME, source, CallerId(""), "101")

    assert person_of(route(DIRECTORY, arrival(FromDevice(DeviceId("zoe-desk"))))) == PersonId("anna")
    assert route(DIRECTORY, arrival(FromTrunk(CARRIER))) == Nowhere("unknown_number", 404)


@pytest.mark.parametrize(("count", "status"), [(1, None), (9, None), (10, 482), (1000, 482)])
def test_a_call_that_was_forwarded_too_often_goes_round_in_circles(count: int, status: int | None) -> None:
    caller = CallerId("", diverted=Diversion("+7", "no-answer", count))
    found = route(DIRECTORY, Arrival(LegId(1), ACME, FromTrunk(CARRIER), caller, "+74951234502"))
    assert found == (
        Nowhere("loop", status) if status else LeadsTo(to("anna"), "number", E164("+74951234502"))
    )


def test_an_emergency_number_is_never_taken_as_an_extension_and_needs_a_way_out() -> None:
    directory = acme(person("anna", "112"))
    assert route_from_inside(directory, "112") == Outward(CARRIER, "112", "emergency")
    isolated = directory_of(evolve(directory.company, outside_trunk=None), directory.people.values())
    assert route_from_inside(isolated, "112") == Nowhere("emergency", 503)
    barred = Barred("+79161234567", Bar.NO_TRUNK, NATIONAL)
    assert route_from_inside(isolated, "+79161234567") == Nowhere("not_allowed", 403, barred)
