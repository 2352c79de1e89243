from typing import Any

import pytest

from orchestrator.configuration.fields import Fields, Problems
from orchestrator.configuration.outside import read_ceiling, read_outside
from orchestrator.model.outside import Ceiling, ClassOfService


def test_a_list_of_prefixes_is_national_and_none_are_those_of_the_country() -> None:
    def prefixes(**outside: object) -> object:
        problems = Problems()
        found = read_outside(Fields(outside, "", problems)).prefixes
        assert not problems.found
        return found

    assert prefixes(prefixes=["+7", "+1"]) == {"+7": "national", "+1": "national"}
    assert prefixes(prefixes={"+7": "national", "+1": "partners"}) == {"+7": "national", "+1": "partners"}
    assert prefixes(prefixes=[]) == {}
    assert prefixes(prefixes={}) == {}
    assert prefixes() is None


def test_what_a_class_of_service_leaves_out() -> None:
    problems = Problems()
    services = {"lobby": {"may_call": [], "may_forward": False}, "staff": {}}
    read = read_outside(Fields({"classes_of_service": services}, "", problems)).services
    assert not problems.found
    assert read == {"lobby": ClassOfService((), True, False), "staff": ClassOfService()}


@pytest.mark.parametrize(
    ("outside", "expected"),
    [
        (
            {"prefixes": {"7": "national"}},
            "prefixes: a key must be the beginning of a public number in quotes, ",
        ),
        (
            {"prefixes": {7: "national"}},
            "prefixes: a key must be the beginning of a public number in quotes, ",
        ),
        ({"prefixes": {"+7": 3}}, "prefixes.+7: must be a cost class, such as national, not 3"),
        ({"prefixes": {"+7": "emergency"}}, "prefixes.+7: emergency is no cost class"),
        ({"prefixes": "+7"}, "prefixes: must be a mapping, not text"),
        ({"prefixes": dict.fromkeys(map("+{}".format, range(1001)), "a")}, "prefixes: has 1001 members"),
        (
            {"prefixes": {"+1": "partners"}, "classes_of_service": {"a": {"may_call": ["partner"]}}},
            "classes_of_service.a.may_call[0]: no cost class 'partner' "
            "(there are: foreign, national, partners, premium, satellite)",
        ),
        (
            {"classes_of_service": {"a": {"may_cal": []}}},
            "classes_of_service.a.may_cal: unknown key; did you",
        ),
        ({"classes_of_service": {"a b": {}}}, "classes_of_service: a key must be letters, digits, - and _"),
        ({"classes_of_service": []}, "classes_of_service: must be a mapping, not a list"),
    ],
)
def test_what_is_wrong_is_named(outside: dict[str, Any], expected: str) -> None:
    problems = Problems()
    read_outside(Fields(outside, "", problems))
    assert [str(problem)[: len(expected)] for problem in problems.all()] == [expected]


def test_a_ceiling_without_prefixes_opens_all_and_an_empty_one_none() -> None:
    problems = Problems()
    assert read_ceiling(None) == read_ceiling(Fields({}, "", problems)) == Ceiling(None)
    assert read_ceiling(Fields({"prefixes": []}, "", problems)) == Ceiling(())
    assert read_ceiling(Fields({"prefixes": ["+7"]}, "", problems)) == Ceiling(("+7",))
    assert not problems.found
    read_ceiling(Fields({"prefixes": ["7"]}, "ceiling", problems))
    assert len(problems.found) == 1
