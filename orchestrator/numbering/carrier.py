"""Public numbers as a carrier writes them, by the rules of its trunk."""

from functools import lru_cache

import phonenumbers

from orchestrator.model.identifiers import E164
from orchestrator.model.spelling import NumberFormat, NumberRule
from orchestrator.numbering.spelling import checked, to_e164, without_separators


def written(number: str, rule: NumberRule, country_code: str) -> str:
    """`number` as a trunk wants it; what is no public number, such as an emergency number, as it is."""
    if not number.startswith("+"):
        return number
    match rule.format:
        case NumberFormat.PLUS | NumberFormat.ANY:
            text = number
        case NumberFormat.E164:
            text = number[1:]
        case NumberFormat.NATIONAL | NumberFormat.SIGNIFICANT:
            national, international = _prefixes(country_code)
            if not number.startswith(f"+{country_code}"):
                text = international + number[1:]
            else:
                own = number[1 + len(country_code) :]
                text = national + own if rule.format is NumberFormat.NATIONAL else own
    return rule.prefix + text[rule.strip :]


def read(text: str, rule: NumberRule, country_code: str) -> E164 | None:
    """The public number that a trunk means by `text`; None: it is none. One with its plus is taken for what it is."""
    digits = without_separators(text)
    if digits.startswith("+"):
        return checked(digits[1:])
    digits = rule.prefix + digits[rule.strip :]
    match rule.format:
        case NumberFormat.ANY:
            return to_e164(digits, country_code)
        case NumberFormat.PLUS | NumberFormat.E164:
            return checked(digits.removeprefix("+"))
        case NumberFormat.NATIONAL | NumberFormat.SIGNIFICANT:
            national, international = _prefixes(country_code)
            if digits.startswith("+"):
                return checked(digits[1:])
            if digits.startswith(international):
                return checked(digits[len(international) :])
            own = digits
            if rule.format is NumberFormat.NATIONAL:
                own = digits.removeprefix(national)
            return checked(country_code + own)


@lru_cache(maxsize=256)
def _prefixes(country_code: str) -> tuple[str, str]:
    """What is dialled before national and before international numbers: "8" and "810" in Russia."""
    region = phonenumbers.region_code_for_country_code(int(country_code))
    known = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if known is None:
        return "", "00"
    # Some name several, and write where to wait for a tone.
    usual = known.preferred_international_prefix or known.international_prefix or ""
    international = usual.replace("~", "")
    return known.national_prefix or "", international if international.isdigit() else "00"
