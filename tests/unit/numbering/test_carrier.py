import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.spelling import NumberFormat, NumberRule
from orchestrator.numbering.carrier import read, written

PLUS, E164 = NumberFormat.PLUS, NumberFormat.E164
NATIONAL, SIGNIFICANT, ANY = NumberFormat.NATIONAL, NumberFormat.SIGNIFICANT, NumberFormat.ANY


@pytest.mark.parametrize(
    ("number", "rule", "country_code", "text"),
    [
        ("+74951234567", NumberRule(PLUS), "7", "+74951234567"),
        ("+74951234567", NumberRule(E164), "7", "74951234567"),
        ("+74951234567", NumberRule(NATIONAL), "7", "84951234567"),
        ("+74951234567", NumberRule(SIGNIFICANT), "7", "4951234567"),
        ("+441632960123", NumberRule(NATIONAL), "7", "810441632960123"),
        ("+441632960123", NumberRule(SIGNIFICANT), "1", "011441632960123"),
        ("+441632960123", NumberRule(NATIONAL), "44", "01632960123"),
        ("+74951234567", NumberRule(NATIONAL), "44", "0074951234567"),
        ("+390612345678", NumberRule(NATIONAL), "39", "0612345678"),
        ("+74951234567", NumberRule(E164, 0, "99#"), "7", "99#74951234567"),
        ("+74951234567", NumberRule(E164, 1, "8"), "7", "84951234567"),
        ("+74951234567", NumberRule(E164, 15), "7", ""),
        ("112", NumberRule(E164, 1, "9"), "7", "112"),
    ],
)
def test_a_number_is_written_as_the_rule_says(
    number: str, rule: NumberRule, country_code: str, text: str
) -> None:
    assert written(number, rule, country_code) == text


@pytest.mark.parametrize(
    ("text", "rule", "country_code", "number"),
    [
        ("4930123456", NumberRule(E164), "7", "+4930123456"),
        ("4930123456", NumberRule(ANY), "7", "+74930123456"),
        ("84951234567", NumberRule(NATIONAL), "7", "+74951234567"),
        ("8 (10) 44-1632-960123", NumberRule(NATIONAL), "7", "+441632960123"),
        ("4951234567", NumberRule(SIGNIFICANT), "7", "+74951234567"),
        ("1234567", NumberRule(E164, 0, "7495"), "7", "+74951234567"),
        ("1234567", NumberRule(NATIONAL, 0, "+7495"), "7", "+74951234567"),
        ("0004951234567", NumberRule(E164, 3, "7"), "7", "+74951234567"),
        ("+441632960123", NumberRule(E164, 3, "7"), "7", "+441632960123"),
        ("anonymous", NumberRule(E164), "7", None),
        ("", NumberRule(SIGNIFICANT), "7", None),
    ],
)
def test_a_number_is_read_as_the_rule_says(
    text: str, rule: NumberRule, country_code: str, number: str | None
) -> None:
    assert read(text, rule, country_code) == number


NUMBERS = st.one_of(
    st.from_regex(r"\+[1-9][0-9]{9,13}", fullmatch=True),
    st.from_regex(r"\+(7|44|49|39|380)[1-9][0-9]{8,9}", fullmatch=True),
    st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True),
)


@given(NUMBERS, st.sampled_from([PLUS, E164, NATIONAL]), st.sampled_from(["7", "1", "44", "49", "39"]))
def test_what_is_written_means_the_same_number_when_it_is_read(
    number: str, format: NumberFormat, country_code: str
) -> None:
    assert read(written(number, NumberRule(format), country_code), NumberRule(format), country_code) == number


@given(NUMBERS, st.integers(1, 6), st.from_regex(r"[0-9*#]{0,6}", fullmatch=True))
def test_a_carrier_that_does_the_reverse_gets_the_number_back(number: str, strip: int, prefix: str) -> None:
    lost = number[1 : 1 + strip]
    sent = written(number, NumberRule(E164, strip, prefix), "7")
    assert read(sent, NumberRule(E164, len(prefix), lost), "7") == number


@given(st.text(max_size=40), st.sampled_from(NumberFormat), st.sampled_from(["7", "1", "999"]))
def test_any_text_is_read_without_a_fault(text: str, format: NumberFormat, country_code: str) -> None:
    number = read(text, NumberRule(format, 1, "7"), country_code)
    assert number is None or (number[0] == "+" and number[1:].isdigit() and 7 <= len(number[1:]) <= 15)
