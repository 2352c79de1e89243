from collections.abc import Mapping

import pytest

from orchestrator.configuration.fields import Fields, Problems
from orchestrator.configuration.spelling import read_numbers, write_numbers, wrong_numbers
from orchestrator.model.directory import Trunk, TrunkHost
from orchestrator.model.identifiers import E164, TrunkId
from orchestrator.model.spelling import NumberFormat, NumberRule, TrunkNumbers


def reading(body: object) -> tuple[TrunkNumbers, list[str]]:
    problems = Problems()
    return read_numbers(Fields(body, "numbers", problems)), [str(problem) for problem in problems.found]


BODY = {
    "out": {"called": {"format": "e164", "strip": 1, "prefix": "8"}, "caller": "national"},
    "in": {"called": {"format": "any", "prefix": "7495"}, "caller": "significant"},
}


def test_rules_are_read_and_written_back() -> None:
    numbers, problems = reading(BODY)
    assert not problems
    assert numbers.out.called == NumberRule(NumberFormat.E164, 1, "8")
    assert numbers.into.caller == NumberRule(NumberFormat.SIGNIFICANT)
    assert write_numbers(numbers) == BODY


def test_what_is_usual_is_not_written() -> None:
    assert read_numbers(None) == TrunkNumbers()
    assert write_numbers(TrunkNumbers()) is None
    assert reading({"out": {"called": "plus"}})[0] == TrunkNumbers()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"out": {"called": "any"}}, "numbers.out.called: must be one of plus, e164, national, significant"),
        ({"in": {"calling": "any"}}, "numbers.in.calling: unknown key; did you mean caller?"),
        ({"in": {"called": {"strip": 16}}}, "numbers.in.called.strip: must be 0 to 15, not 16"),
        (
            {"out": {"caller": {"prefix": "9a"}}},
            "numbers.out.caller.prefix: must be digits, * and #, in quotes",
        ),
    ],
)
def test_a_wrong_rule_is_told_with_its_place(body: Mapping[str, object], problem: str) -> None:
    assert reading(body)[1][0].startswith(problem)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (BODY, None),
        ({"in": {"called": "national"}}, None),
        (
            {"out": {"called": {"format": "e164", "strip": 11}}},
            (
                "numbers.out.called",
                "+74951234567 would be sent as '', which is no number of 3 digits or more",
            ),
        ),
        (
            {"in": {"called": {"format": "e164", "prefix": "7812"}}},
            (
                "numbers.in.called",
                "no number of the company fits: of +74951234500 the carrier would send '1234500', "
                "which is read as +78121234500",
            ),
        ),
    ],
)
def test_a_rule_that_makes_no_number_is_told_with_an_example(
    body: Mapping[str, object], problem: tuple[str, str] | None
) -> None:
    trunk = Trunk(TrunkId("t"), (TrunkHost("h"),), E164("+74951234500"), numbers=reading(body)[0])
    assert next(wrong_numbers(trunk, ["+74951234500"], "7"), None) == problem
