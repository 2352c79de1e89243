from attrs import evolve

from orchestrator.configuration.checks import check
from orchestrator.configuration.document import Configuration, Surroundings
from orchestrator.configuration.fields import Problems
from orchestrator.configuration.prompts import prompts_of
from orchestrator.model.calls import Refusal
from orchestrator.model.directory import Announcement, Company, Number, Person, ToPerson, Trunk, TrunkHost
from orchestrator.model.identifiers import E164, CompanyId, ExtensionNumber, PersonId, PromptName, TrunkId

COMPANY = Company(CompanyId("c"), "C", "c.example", Announcement(PromptName("end")))
ANNA = Person(PersonId("anna"), "Anna", ExtensionNumber("101"))


def problems_of(configuration: Configuration, where: dict[tuple[str, str], str]) -> list[str]:
    problems = Problems()
    check(configuration, where, Surroundings(), problems)  # type: ignore[arg-type] # kinds are plain here
    return [str(problem) for problem in problems.all()]


def test_a_sound_company_has_no_problems() -> None:
    assert problems_of(Configuration(COMPANY, people={ANNA.id: ANNA}), {}) == []


def test_a_problem_is_told_by_its_place_or_by_the_objects_name() -> None:
    lost = evolve(ANNA, next_steps={Refusal.BUSY: ToPerson(PersonId("x"))})
    configuration = Configuration(COMPANY, people={lost.id: lost})
    assert problems_of(configuration, {("person", "anna"): "people[0]"}) == [
        "people[0].next.busy.person: no person 'x'"
    ]
    assert problems_of(configuration, {("person", "anna"): ""}) == ["next.busy.person: no person 'x'"]
    assert problems_of(configuration, {}) == ["person anna: next.busy.person: no person 'x'"]


def test_all_prompts_that_a_company_names_are_found() -> None:
    welcome = Announcement(PromptName("welcome"), Announcement(PromptName("hours")))
    busy = evolve(ANNA, next_steps={Refusal.BUSY: Announcement(PromptName("busy"))})
    number = Number(E164("+74951234567"), welcome)
    configuration = Configuration(COMPANY, people={busy.id: busy}, numbers={number.number: number})
    assert prompts_of(configuration) == {"end", "welcome", "hours", "busy"}


def test_a_person_shows_only_numbers_that_the_company_has_and_the_trunk_shows() -> None:
    carrier = Trunk(TrunkId("t"), (TrunkHost("192.0.2.1"),), E164("+74951234500"), shows=("+74951",))
    company = evolve(COMPANY, outside_trunk=carrier.id)

    def problem(number: str, *owned: str) -> list[str]:
        anna = evolve(ANNA, caller_number=E164(number))
        numbers = {E164(one): Number(E164(one), ToPerson(anna.id)) for one in owned}
        people, trunks = {anna.id: anna}, {carrier.id: carrier}
        return problems_of(Configuration(company, people=people, trunks=trunks, numbers=numbers), {})

    assert problem("+74951234567", "+74951234567") == []
    assert problem("+74951234567") == [
        "person anna: caller_number: +74951234567 is no number of the company; "
        "add it to numbers, or leave caller_number out"
    ]
    assert problem("+78121234567", "+78121234567") == [
        "person anna: caller_number: trunk t does not show +78121234567: "
        "its shows, which only the operator's key changes, has: +74951"
    ]
