import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from orchestrator.model.outside import FOREIGN, NATIONAL, PREMIUM, SATELLITE, CostClass
from orchestrator.numbering.costs import _PREMIUM, costs_of

RUSSIA = costs_of(None, "7")


@pytest.mark.parametrize(
    ("number", "cost_class"),
    [
        ("+74951234567", NATIONAL),
        ("+78091234567", PREMIUM),
        ("+78031234567", PREMIUM),
        ("+77271234567", FOREIGN),
        ("+79401234567", FOREIGN),
        ("+4930123456", FOREIGN),
        ("+4990012345", PREMIUM),
        ("+88213001234", SATELLITE),
        ("+881612345678", SATELLITE),
        ("+870773123456", SATELLITE),
        ("+8802123456", FOREIGN),
        ("+979123456789", PREMIUM),
        ("+18765550100", FOREIGN),
        ("", FOREIGN),
    ],
)
def test_what_a_number_is_to_a_company_in_russia(number: str, cost_class: CostClass) -> None:
    assert RUSSIA.of(number) == cost_class


def test_islands_of_the_caribbean_are_foreign_to_their_country_code() -> None:
    america = costs_of(None, "1")
    assert america.of("+14165550100") == NATIONAL
    assert america.of("+18765550100") == FOREIGN
    assert america.of("+19005550100") == PREMIUM


def test_a_companys_own_prefix_holds_where_it_is_as_long_and_not_where_it_is_shorter() -> None:
    costs = costs_of({"+7": NATIONAL, "+7809": CostClass("helpline"), "+77": NATIONAL, "+": SATELLITE}, "7")
    assert costs.of("+78091234567") == "helpline"
    assert costs.of("+78031234567") == PREMIUM
    assert costs.of("+77271234567") == NATIONAL
    assert costs.of("+4930123456") == SATELLITE
    assert costs_of({}, "7").of("+74951234567") == FOREIGN


@pytest.mark.parametrize("code", sorted(set(_PREMIUM) - {"55", "57", "82", "385"}))
def test_the_table_agrees_with_the_numbering_plans(code: str) -> None:
    """What the library takes for an example of premium rate is one, and what it takes for a subscriber is none."""
    costs = costs_of({"+": NATIONAL}, "")
    region = phonenumbers.region_code_for_country_code(int(code))
    for kind, is_premium in (
        (PhoneNumberType.PREMIUM_RATE, True),
        (PhoneNumberType.FIXED_LINE, False),
        (PhoneNumberType.MOBILE, False),
        (PhoneNumberType.TOLL_FREE, False),
    ):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert (costs.of(number) == PREMIUM) is is_premium, number


PREFIX = st.from_regex(r"\+[0-9]{0,5}", fullmatch=True)


@given(
    prefixes=st.dictionaries(PREFIX, st.sampled_from(["a", "b"]).map(CostClass)),
    number=st.from_regex(r"\+[0-9]{1,15}", fullmatch=True),
)
def test_the_longest_prefix_wins(prefixes: dict[str, CostClass], number: str) -> None:
    costs = costs_of(prefixes, "7")
    fitting = [prefix for prefix in prefixes if number.startswith(prefix)]
    found = costs.of(number)
    if found in ("a", "b"):
        assert found == prefixes[max(fitting, key=len)]
    elif fitting:
        assert costs_of({}, "7").of(number) == found, "a longer one that everybody has"
