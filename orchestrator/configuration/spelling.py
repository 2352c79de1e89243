"""Documents ↔ words for how a trunk writes numbers, and whether any number would come through alive."""

from collections.abc import Iterable, Iterator
from typing import Any

from orchestrator.configuration.document import Body
from orchestrator.configuration.fields import Fields, Pattern, Problems
from orchestrator.model.directory import Trunk
from orchestrator.model.spelling import NumberFormat, NumberRule, NumberRules, TrunkNumbers
from orchestrator.numbering.carrier import read, written


def read_numbers(numbers: Fields | None) -> TrunkNumbers:
    """The keys of a trunk's `numbers`; None where it is left out."""
    usual = TrunkNumbers()
    if numbers is None:
        return usual
    found = TrunkNumbers(
        _rules(numbers.inner("out"), usual.out, _TO_WRITE), _rules(numbers.inner("in"), usual.into, _TO_READ)
    )
    numbers.finish()
    return found


def write_numbers(numbers: TrunkNumbers) -> Body | None:
    """What `read_numbers` reads; None where all is as usual."""
    usual = TrunkNumbers()
    body: dict[str, Any] = {}
    for key, rules, usually in (("out", numbers.out, usual.out), ("in", numbers.into, usual.into)):
        changed = {
            name: _write(rule)
            for name, rule, other in (
                ("called", rules.called, usually.called),
                ("caller", rules.caller, usually.caller),
            )
            if rule != other
        }
        if changed:
            body[key] = changed
    return body or None


def wrong_numbers(trunk: Trunk, own: Iterable[str], country_code: str) -> Iterator[tuple[str, str]]:
    """The keys of rules that make no number, and what would come out of them. `own`: the company's numbers."""
    out, into = trunk.numbers.out, trunk.numbers.into
    example = f"+{country_code}{_EXAMPLE}"[:12]
    for key, rule, number in (("called", out.called, example), ("caller", out.caller, trunk.caller_number)):
        text = written(number, rule, country_code)
        if not _SENT.fits(text):
            yield f"numbers.out.{key}", f"{number} would be sent as {text!r}, which is {_SENT.words}"
    rule = into.called
    if rule == TrunkNumbers().into.called:
        return
    last = ""
    for last in own:
        if read(_as_sent(last, rule, country_code), rule, country_code) == last:
            return
    if last:
        sent = _as_sent(last, rule, country_code)
        meant = read(sent, rule, country_code) or "no number at all"
        told = f"no number of the company fits: of {last} the carrier would send {sent!r}, which is read as {meant}"
        yield "numbers.in.called", told


def _as_sent(number: str, rule: NumberRule, country_code: str) -> str:
    """What a carrier sends, for all we know, that writes `number` so that `rule` reads it."""
    style = NumberFormat.E164 if rule.format in (NumberFormat.ANY, NumberFormat.PLUS) else rule.format
    return "0" * rule.strip + written(number, NumberRule(style), country_code)[len(rule.prefix) :]


def _rules(rules: Fields | None, usual: NumberRules, formats: dict[str, NumberFormat]) -> NumberRules:
    if rules is None:
        return usual

    def rule(value: object, path: str) -> NumberRule:
        return _rule(value, path, rules.problems, formats)

    found = NumberRules(
        rules.parse("called", rule) or usual.called, rules.parse("caller", rule) or usual.caller
    )
    rules.finish()
    return found


def _rule(value: object, path: str, problems: Problems, formats: dict[str, NumberFormat]) -> NumberRule:
    if isinstance(value, str):
        # The word alone is short for a format.
        if value not in formats:
            problems.add(path, f"must be one of {', '.join(formats)}, not {value!r}")
        return NumberRule(formats.get(value, NumberFormat.PLUS))
    fields = Fields(value, path, problems)
    found = NumberRule(
        fields.choice("format", formats, next(iter(formats))),
        fields.whole("strip", 0, 0, 15),
        fields.text("prefix", "", like=_PREFIX),
    )
    fields.finish()
    return found


def _write(rule: NumberRule) -> object:
    if not rule.strip and not rule.prefix:
        return rule.format.value
    body: dict[str, Any] = {"format": rule.format.value}
    if rule.strip:
        body["strip"] = rule.strip
    if rule.prefix:
        body["prefix"] = rule.prefix
    return body


_TO_WRITE: dict[str, NumberFormat] = {
    format.value: format for format in NumberFormat if format is not NumberFormat.ANY
}
_TO_READ: dict[str, NumberFormat] = {format.value: format for format in NumberFormat}
_PREFIX = Pattern(r"\+?[0-9*#]{0,16}", "digits, * and #, in quotes")
_SENT = Pattern(r"\+?[0-9*#]{3,32}", "no number of 3 digits or more")
_EXAMPLE = "4951234567"
