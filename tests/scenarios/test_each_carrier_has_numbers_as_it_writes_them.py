"""A trunk is called, shown and heard in its own spelling of numbers; records and people see one spelling."""

from attrs import evolve
from trio.testing import MockClock

from orchestrator.model.calls import CallerId
from orchestrator.model.journal import CallArrived, CallRouted, DeviceRang
from orchestrator.model.spelling import NumberFormat, NumberRule, NumberRules, TrunkNumbers
from orchestrator.numbering.directory import Directory, directory_of
from orchestrator.rehearsal.leg import Phone
from tests.scenarios.company import CARRIER, acme, mobile, open_office, person, to

RULES = TrunkNumbers(
    NumberRules(NumberRule(NumberFormat.E164, 1, "8"), NumberRule(NumberFormat.SIGNIFICANT)),
    NumberRules(NumberRule(NumberFormat.E164, 0, "7495"), NumberRule(NumberFormat.E164)),
)


def company() -> Directory:
    anna = person("anna", "101", mobile("anna-mobile", "+79161230101"))
    made = acme(anna, numbers={"+74951234501": to("anna")})
    trunk = evolve(made.trunks[CARRIER], numbers=RULES)
    return directory_of(made.company, made.people.values(), [trunk], made.numbers.values())


async def test_a_call_outside_is_dialled_and_shown_as_the_carrier_wants(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.outside("84957654321")
        office.call("+74957654321")
        await office.all_over()
    assert office.switch.shown == [CallerId("4951234500")]
    assert office.rung == ["84957654321"]
    assert office.only(DeviceRang).number == "+74957654321"
    assert office.only(CallRouted).to == "outside:+74957654321"


async def test_a_call_for_help_is_dialled_as_it_is(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.outside("112")
        office.call("112")
        await office.all_over()
    assert office.rung == ["112"]


async def test_what_a_carrier_sends_is_read_as_it_means_it(autojump_clock: MockClock) -> None:
    async with open_office(company()) as office:
        office.outside("89161230101", Phone(talks_s=5))
        office.call("1234501", device=None)
        await office.all_over()
    assert office.only(CallRouted).number == "+74951234501"
    # By this trunk's rule it has its country code, and is no number of our country in its national form.
    assert office.only(CallArrived).caller.number == "+84997654321"
    assert office.switch.dialled[0].number == "89161230101"
