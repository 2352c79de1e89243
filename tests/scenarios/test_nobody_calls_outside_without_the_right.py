"""Calls, transfers, forwarding and commands lead outside with the right of whoever causes them, and no other."""

from datetime import UTC, datetime

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from orchestrator.explain import names_in, trace
from orchestrator.model.calls import EndCause, Refusal
from orchestrator.model.commands import TransferCall
from orchestrator.model.directory import Announcement, Destination, Person, ToOutside
from orchestrator.model.identifiers import E164, PersonId
from orchestrator.model.journal import (
    CallEnded,
    CommandFailed,
    OutsideBarred,
    PersonNotReached,
    Record,
)
from orchestrator.model.outside import FOREIGN, NATIONAL, Bar, Ceiling, ClassOfService
from orchestrator.numbering.directory import Directory, directory_of
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import (
    ACME,
    WELCOME,
    Office,
    acme,
    mobile,
    open_office,
    person,
    sip,
    to,
)

PREMIUM, ABROAD, MOSCOW = "+78091234567", "+4930123456", "+74957654321"
NUMBER = "+74951234501"
OPEN = Ceiling()
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SERVICES = {
    "default": ClassOfService(),
    "travels": ClassOfService((NATIONAL, FOREIGN)),
    "lobby": ClassOfService((NATIONAL,), may_transfer=False, may_forward=False),
}


def company(
    *people: Person, numbers: dict[str, Destination] | None = None, ceiling: Ceiling = OPEN
) -> Directory:
    directory = acme(*people, numbers=numbers)
    changed = evolve(
        directory.company,
        outside_prefixes={"+7": NATIONAL},
        classes_of_service=SERVICES,
        ceiling=ceiling,
    )
    return directory_of(
        changed, directory.people.values(), directory.trunks.values(), directory.numbers.values()
    )


def service(who: Person, name: str) -> Person:
    return evolve(who, class_of_service=name)


def why(office: Office) -> Bar:
    return office.only(OutsideBarred).barred.because


@pytest.mark.parametrize("called", [PREMIUM, "8-809-123-45-67", ABROAD, "+88213001234"])
async def test_who_has_no_class_of_service_calls_within_the_country(
    called: str, autojump_clock: MockClock
) -> None:
    async with open_office(company()) as office:
        caller = office.call(called)
        await office.all_over()
    assert caller.rejected_with == 403
    assert office.only(CallEnded).cause is EndCause.REFUSED
    assert why(office) is Bar.COST_CLASS
    assert office.rung == []


async def test_the_trace_says_who_may_call_what(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.call("+88213001234")
        await office.all_over()
        records = [Record(ACME, seq, NOON, line.entry) for seq, line in enumerate(office.journal.lines)]
    told = [sentence.text for sentence in trace(records, names_in(office.directory), "en")]
    assert "+88213001234 is satellite; Zoe (199) may call national only" in told


async def test_a_class_of_service_opens_another_country_to_its_people(autojump_clock: MockClock) -> None:
    anna, boris = service(person("anna", "101"), "travels"), person("boris", "102")
    async with open_office(company(anna, boris)) as office:
        office.outside(ABROAD, Phone(after_s=2))
        allowed = office.call(ABROAD, device="anna-desk")
        refused = office.call(ABROAD, device="boris-desk")
        await office.all_over()
    assert (allowed.rejected_with, refused.rejected_with) == (None, 403)


async def test_nobody_transfers_to_a_premium_number(autojump_clock: MockClock) -> None:
    async with open_office(company(person("anna", "101"), numbers={NUMBER: to("anna")})) as office:
        office.online("anna-desk", Phone(after_s=1, talks_s=60))
        office.outside(PREMIUM, Phone(after_s=1))
        caller = office.call(NUMBER, device=None)
        await trio.sleep(10)
        command = TransferCall(office.next_command(), PREMIUM)
        office.world.active.find(ACME, office.call_ids[0]).tell(command)
        await trio.sleep(10)
        assert caller.end is None, "they go on talking"
        await office.all_over()
    failed = office.only(CommandFailed)
    assert (failed.code, failed.detail) == (
        "not_allowed",
        "+78091234567 is premium; Anna (101) may call national only",
    )
    assert why(office) is Bar.COST_CLASS
    assert office.rung == ["anna-desk"]


@pytest.mark.parametrize(("name", "completed"), [("default", True), ("lobby", False)])
async def test_a_transfer_has_the_right_of_who_leaves(
    name: str, completed: bool, autojump_clock: MockClock
) -> None:
    anna = service(person("anna", "101"), name)
    async with open_office(company(anna, numbers={NUMBER: to("anna")})) as office:
        office.online("anna-desk", Phone(after_s=1, talks_s=60))
        office.outside(MOSCOW, Phone(after_s=1, talks_s=5))
        office.call(NUMBER, device=None)
        await trio.sleep(10)
        office.world.active.find(ACME, office.call_ids[0]).tell(TransferCall(office.next_command(), MOSCOW))
        await office.all_over()
    assert office.rung == ["anna-desk", MOSCOW] if completed else ["anna-desk"]
    assert bool(office.journal.of(CommandFailed)) is not completed


async def test_nobody_forwards_abroad_whoever_calls(autojump_clock: MockClock) -> None:
    """A colleague who may call there himself gets no further: the step is Anna's, and so is the right."""
    anna = person("anna", "101", then={Refusal.OFFLINE: ToOutside(E164(ABROAD))})
    zoe = service(person("zoe", "199"), "travels")
    async with open_office(company(anna, zoe)) as office:
        office.outside(ABROAD, Phone(after_s=1))
        caller = office.call("101")
        await office.all_over()
    assert office.rung == []
    assert office.only(PersonNotReached).next == "terminal"
    assert office.only(OutsideBarred).barred.by == PersonId("anna")
    assert why(office) is Bar.COST_CLASS
    assert caller.rejected_with is None, "the terminal is played: nobody ends in silence"


async def test_a_device_outside_rings_by_the_right_of_its_owner(autojump_clock: MockClock) -> None:
    devices = sip("anna-desk"), mobile("anna-mobile", MOSCOW)
    async with open_office(company(service(person("anna", "101", *devices), "lobby"))) as office:
        office.outside(MOSCOW, Phone(after_s=1))
        office.call("101")
        await office.all_over()
    assert office.rung == []
    assert why(office) is Bar.FORWARD


async def test_a_number_of_the_company_leads_outside_by_the_right_of_the_company(
    autojump_clock: MockClock,
) -> None:
    numbers: dict[str, Destination] = {
        NUMBER: ToOutside(E164(MOSCOW)),
        "+74951234502": ToOutside(E164(ABROAD)),
    }
    async with open_office(company(numbers=numbers)) as office:
        office.outside(MOSCOW, Phone(after_s=1, talks_s=5))
        office.call(NUMBER, device=None)
        await office.all_over()
        office.call("+74951234502", device=None)
        await office.all_over()
    assert office.rung == [MOSCOW]
    assert [leg.number for leg in office.switch.dialled] == [MOSCOW]
    assert office.only(OutsideBarred).barred.by is None


async def test_a_command_calls_by_the_right_of_the_person_it_names(autojump_clock: MockClock) -> None:
    anna, boris = service(person("anna", "101"), "travels"), person("boris", "102")
    async with open_office(company(anna, boris)) as office:
        for device in ("anna-desk", "boris-desk"):
            office.online(device, Phone(after_s=1))
        office.outside(ABROAD, Phone(after_s=1, talks_s=5))
        office.originate("anna", ABROAD)
        await office.all_over()
        office.originate("boris", ABROAD)
        await office.all_over()
    assert office.rung == ["anna-desk", ABROAD]
    assert office.only(CommandFailed).detail == "+4930123456 is foreign; Boris (102) may call national only"


async def test_the_operators_ceiling_holds_for_everybody_and_not_for_help(autojump_clock: MockClock) -> None:
    async with open_office(company(ceiling=Ceiling(()))) as office:
        office.outside("112", Phone(after_s=1))
        caller = office.call(MOSCOW)
        helped = office.call("112", talks_s=5)
        await office.all_over()
    assert (caller.rejected_with, helped.rejected_with) == (403, None)
    assert why(office) is Bar.CEILING


@pytest.mark.parametrize("detour", [False, True], ids=["after an announcement", "by a number of the company"])
async def test_the_right_is_of_whoever_led_there_last(detour: bool, autojump_clock: MockClock) -> None:
    """Anna may send callers abroad, also after an announcement; where the company's own number does, it may not."""
    own = ToOutside(E164(NUMBER))
    then = {Refusal.OFFLINE: own if detour else Announcement(WELCOME, ToOutside(E164(ABROAD)))}
    anna = service(person("anna", "101", then=then), "travels")
    async with open_office(company(anna, numbers={NUMBER: ToOutside(E164(ABROAD))})) as office:
        office.outside(ABROAD, Phone(after_s=1, talks_s=5))
        office.call("101")
        await office.all_over()
    assert office.rung == ([] if detour else [ABROAD])
