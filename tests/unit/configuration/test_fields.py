import math
from typing import Any

import pytest

from orchestrator.configuration.fields import Fields, Pattern, Problems


def told(read: Any, **values: object) -> list[str]:
    problems = Problems()
    read(Fields(values, "here", problems))
    return [str(problem) for problem in problems.all()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "here.k: missing"),
        (True, "here.k: must be text, not true or false"),
        (1.5, "here.k: must be text, not a number"),
        (["a"], "here.k: must be text, not a list"),
        ("abcdefghi", "here.k: is 9 characters long, at most 8 are allowed"),
        ("a\tb", "here.k: has control characters"),
        ("x", "here.k: must be digits, not 'x'"),
    ],
)
def test_text_that_does_not_fit_is_told(value: object, expected: str) -> None:
    digits = Pattern("[0-9]+", "digits")
    assert told(lambda fields: fields.text("k", like=digits, longest=8), k=value) == [expected]


def test_a_whole_number_is_taken_for_its_digits() -> None:
    assert Fields({"k": 101}, "", Problems()).text("k") == "101"


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 301, "5", True])
def test_seconds_are_finite_and_within_bounds(value: object) -> None:
    problems = Problems()
    assert Fields({"k": value}, "", problems).seconds("k", 20.0, 0.0, 300.0) == 20.0
    assert len(problems.found) == 1


def test_an_empty_key_counts_as_not_given() -> None:
    fields = Fields({"k": None}, "", Problems())
    assert (fields.text("k", "default"), fields.flag("k", True), fields.items("k", 5)) == (
        "default",
        True,
        None,
    )


def test_keys_that_nobody_asked_for_are_told_with_a_guess() -> None:
    def read(fields: Fields) -> None:
        fields.optional_text("strategy")
        fields.finish()

    assert told(read, strategi="serial") == ["here.strategi: unknown key; did you mean strategy?"]


def test_lists_have_a_limit() -> None:
    assert told(lambda fields: fields.items("k", 2), k=[1, 2, 3]) == [
        "here.k: has 3 members, at most 2 are allowed"
    ]
