from attrs import evolve

from orchestrator.configuration.checks import check
from orchestrator.configuration.document import Configuration, Surroundings
from orchestrator.configuration.fields import Problems
from orchestrator.configuration.prompts import prompts_of
from orchestrator.model.calls import Refusal
from orchestrator.model.directory import Announcement, Company, Number, Person, ToPerson
from orchestrator.model.identifiers import E164, CompanyId, ExtensionNumber, PersonId, PromptName

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
