"""The words for how a carrier writes numbers. Ours are E.164 with a plus, everywhere but towards trunks."""

import enum

from attrs import frozen


class NumberFormat(enum.Enum):
    """How a public number is written."""

    ANY = "any"
    """As people dial, in any spelling. For reading only."""
    PLUS = "plus"
    """+74951234567"""
    E164 = "e164"
    """74951234567"""
    NATIONAL = "national"
    """As it is dialled in the company's country: 84951234567, 810441234567890."""
    SIGNIFICANT = "significant"
    """4951234567; numbers of other countries as in `NATIONAL`."""


@frozen
class NumberRule:
    """A format, and what stands before it instead of its first characters.

    Towards a trunk the number is written, then loses `strip` characters, then gets `prefix` before it. What a trunk
    sends loses and gets likewise, and then is read.
    """

    format: NumberFormat
    strip: int = 0
    prefix: str = ""


@frozen
class NumberRules:
    """For whom is called and for who calls, in one direction."""

    called: NumberRule
    caller: NumberRule


_PLUS = NumberRules(NumberRule(NumberFormat.PLUS), NumberRule(NumberFormat.PLUS))
_ANY = NumberRules(NumberRule(NumberFormat.ANY), NumberRule(NumberFormat.ANY))


@frozen
class TrunkNumbers:
    """How one trunk writes numbers: `out` those that we send, `into` those that it sends."""

    out: NumberRules = _PLUS
    into: NumberRules = _ANY
