import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.numbering.spelling import to_e164


@pytest.mark.parametrize(
    ("dialled", "country_code", "meant"),
    [
        ("+74951234567", "7", "+74951234567"),
        ("84951234567", "7", "+74951234567"),
        ("74951234567", "7", "+74951234567"),
        ("4951234567", "7", "+74951234567"),
        ("8 (495) 123-45-67", "7", "+74951234567"),
        ("8.495.123.45.67", "7", "+74951234567"),
        ("810441632960123", "7", "+441632960123"),
        ("00441632960123", "7", "+441632960123"),
        ("441632960123", "7", "+441632960123"),
        ("4165550101", "1", "+14165550101"),
        ("14165550101", "1", "+14165550101"),
        ("011441632960123", "1", "+441632960123"),
        ("01632960123", "44", "+441632960123"),
        ("030123456", "49", "+4930123456"),
        ("0049 30 123456", "44", "+4930123456"),
        ("112", "7", None),
        ("101", "49", None),
        ("", "7", None),
        ("+", "7", None),
        ("+0123456789", "7", None),
        ("+7495123456789012", "7", None),
        ("8495123456x", "7", None),
        ("+7495\u0661234567", "7", None),
        ("anonymous", "7", None),
    ],
)
def test_what_is_dialled_means_one_public_number_or_none(
    dialled: str, country_code: str, meant: str | None
) -> None:
    assert to_e164(dialled, country_code) == meant


@given(st.text(max_size=40), st.sampled_from(["7", "1", "44", "49", "380", "999"]))
def test_any_text_is_read_without_a_fault_and_only_as_e164(text: str, country_code: str) -> None:
    number = to_e164(text, country_code)
    if number is not None:
        assert number[0] == "+"
        assert number[1:].isascii()
        assert number[1:].isdigit()
        assert 7 <= len(number[1:]) <= 15


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.sampled_from(["7", "1", "49"]))
def test_e164_means_itself_with_plus_and_with_zeros(number: str, country_code: str) -> None:
    assert to_e164(number, country_code) == number
    assert to_e164(f"00{number[1:]}", country_code) == number
