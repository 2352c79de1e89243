import pytest
import yaml

from orchestrator.configuration.loader import Loader


def load(text: str) -> object:
    return yaml.load(text, Loader)


def test_a_key_that_is_given_twice_is_refused_with_its_lines() -> None:
    text = "company: demo\npeople:\n  - id: anna\n    next: {busy: {person: boris}}\n    'next': {}\n"
    with pytest.raises(yaml.YAMLError, match=r"'next' is given in line 4 already(.|\n)*line 5, column 5"):
        load(text)
    with pytest.raises(yaml.YAMLError, match="'a' is given in line 1 already"):
        load("{a: 1, a: 2}")


def test_the_same_key_in_two_mappings_and_a_number_beside_its_text_are_well() -> None:
    assert load("- {a: 1}\n- {a: 2}\n- {1: x, '1': y}\n") == [{"a": 1}, {"a": 2}, {1: "x", "1": "y"}]


def test_dates_stay_text() -> None:
    assert load("at: 2026-11-24") == {"at": "2026-11-24"}


def test_times_and_what_else_has_colons_are_no_numbers_to_the_base_of_60() -> None:
    text = "[12:30, 1:59.5, -1:30, !!int 1:59:59, !!float 1:59, 190:20:30.15]"
    assert load(text) == ["12:30", "1:59.5", "-1:30", "1:59:59", "1:59", "190:20:30.15"]
    assert load("[12, -1, 0x1F, 1.5, .inf]") == [12, -1, 31, 1.5, float("inf")]


def test_what_is_merged_may_be_said_anew() -> None:
    assert load("a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n") == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}
