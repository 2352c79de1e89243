"""Documents → words for calls outside: cost classes by prefix, classes of service, the operator's ceiling."""

from collections.abc import Mapping

from attrs import frozen

from orchestrator.configuration.fields import Fields, Pattern, Problems
from orchestrator.model.identifiers import TrunkId
from orchestrator.model.outside import (
    BUILT_IN,
    EMERGENCY,
    NATIONAL,
    Ceiling,
    ClassOfService,
    CostClass,
)


@frozen
class Outside:
    """What a company's document says of calls outside."""

    trunk: TrunkId | None = None
    prefixes: Mapping[str, CostClass] | None = None
    services: Mapping[str, ClassOfService] = {}


def read_outside(outside: Fields | None) -> Outside:
    """The keys of `outside`; None where it is left out: nobody calls outside."""
    if outside is None:
        return Outside()
    trunk = outside.optional_text("trunk", like=NAME)
    # A list is short for prefixes that are all national.
    if outside.is_list("prefixes"):
        listed = outside.texts("prefixes", like=PREFIX, most=PREFIXES_MAX)
        prefixes: Mapping[str, CostClass] | None = dict.fromkeys(listed, NATIONAL)
    else:
        prefixes = _prefixes(outside.entries("prefixes", PREFIXES_MAX, like=PREFIX), outside.problems)
    known = {*BUILT_IN, *(prefixes or {}).values()}
    services = {
        name: _service(Fields(value, path, outside.problems), known)
        for name, path, value in outside.entries("classes_of_service", 100, like=NAME) or ()
    }
    outside.finish()
    return Outside(TrunkId(trunk) if trunk else None, prefixes, services)


def read_ceiling(ceiling: Fields | None) -> Ceiling:
    """The keys of `ceiling`; None where it is left out: the company may do what it permits itself."""
    if ceiling is None:
        return Ceiling()
    prefixes = ceiling.items("prefixes", PREFIXES_MAX)
    read = None if prefixes is None else ceiling.texts("prefixes", like=PREFIX, most=PREFIXES_MAX)
    ceiling.finish()
    return Ceiling(read)


def _prefixes(
    entries: list[tuple[str, str, object]] | None, problems: Problems
) -> Mapping[str, CostClass] | None:
    if entries is None:
        return None
    found: dict[str, CostClass] = {}
    for prefix, path, value in entries:
        if not isinstance(value, str) or not NAME.fits(value):
            problems.add(path, f"must be a cost class, such as national, not {value!r}")
        elif value == EMERGENCY:
            problems.add(path, "emergency is no cost class: emergency_numbers has those numbers")
        else:
            found[prefix] = CostClass(value)
    return found


def _service(service: Fields, known: set[CostClass]) -> ClassOfService:
    may_call = service.texts("may_call", (NATIONAL,), like=NAME)
    for place, name in enumerate(may_call):
        if name not in known:
            names = ", ".join(sorted(known))
            service.wrong(f"may_call[{place}]", f"no cost class {name!r} (there are: {names})")
    made = ClassOfService(
        tuple(map(CostClass, dict.fromkeys(may_call))),
        service.flag("may_transfer", True),
        service.flag("may_forward", True),
    )
    service.finish()
    return made


NAME = Pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", "letters, digits, - and _")
PREFIX = Pattern(r"\+[0-9]{0,15}", 'the beginning of a public number in quotes, such as "+7"')
PREFIXES_MAX = 1_000
