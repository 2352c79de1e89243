"""Public numbers in their many spellings: "8 (495) 123-45-67", "0049…", "tel:" visual separators, to E.164.

National and international prefixes of country codes 7 and 1, and numbers written with "+" or "00", are read here;
the rest is asked of libphonenumber, which takes a hundred times longer, and remembered.
"""

from functools import lru_cache

import phonenumbers

from orchestrator.model.identifiers import E164


def to_e164(dialled: str, country_code: str) -> E164 | None:
    """The public number that is meant by `dialled` in the country of `country_code`; None: it is none.

    A result has "+" and 7 to 15 digits (ITU-T E.164 §6). Whether the number exists is not asked.
    """
    digits = without_separators(dialled)
    if digits.startswith("+"):
        return checked(digits[1:])
    if not _is_digits(digits) or len(digits) > _DIALLED_MAX:
        return None
    if digits.startswith("00"):
        return checked(digits[2:])
    if country_code == "7":
        return _russian(digits)
    if country_code == "1":
        return _north_american(digits)
    return _by_library(digits, country_code)


def _russian(digits: str) -> E164 | None:
    """Trunk prefix 8, international prefix 810; ten digits of a national number."""
    if len(digits) == 11 and digits[0] in "78":
        return E164(f"+7{digits[1:]}")
    if len(digits) == 10:
        return E164(f"+7{digits}")
    if digits.startswith("810"):
        return checked(digits[3:])
    return checked(digits) if len(digits) > 11 else None


def _north_american(digits: str) -> E164 | None:
    """Trunk prefix 1, international prefix 011; ten digits of a national number."""
    if len(digits) == 11 and digits[0] == "1":
        return E164(f"+{digits}")
    if len(digits) == 10:
        return E164(f"+1{digits}")
    if digits.startswith("011"):
        return checked(digits[3:])
    return checked(digits) if len(digits) > 11 else None


@lru_cache(maxsize=4096)
def _by_library(digits: str, country_code: str) -> E164 | None:
    region = phonenumbers.region_code_for_country_code(int(country_code))
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    return checked(f"{number.country_code}{phonenumbers.national_significant_number(number)}")


def without_separators(text: str) -> str:
    """What people put between digits is no part of a number."""
    return text.translate(_SEPARATORS)


def checked(digits: str) -> E164 | None:
    """Country code and national number without a plus; None: there is no such number."""
    if not _is_digits(digits) or not _DIGITS_MIN <= len(digits) <= _DIGITS_MAX or digits[0] == "0":
        return None
    return E164(f"+{digits}")


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


_SEPARATORS = str.maketrans("", "", " -.()/\u00a0\u2010\u2011")
"""What people and RFC 3966 §5.1.1 put between digits."""
_DIGITS_MIN = 7
_DIGITS_MAX = 15
_DIALLED_MAX = 24
"""Digits with every prefix."""
