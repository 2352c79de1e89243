"""What a document, or a change to one object, would make of a company."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from orchestrator.configuration.checks import check
from orchestrator.configuration.compare import compare
from orchestrator.configuration.document import Body, Configuration, Key, Kind, Plan, Surroundings
from orchestrator.configuration.fields import Fields, Problems
from orchestrator.configuration.reading import (
    Secrets,
    read_company,
    read_number,
    read_person,
    read_site,
    read_trunk,
    secrets_of,
)
from orchestrator.configuration.writing import documents_of, write_one
from orchestrator.model.errors import ConfigError, NoSuchObject, NotPermitted, Problem


@frozen
class Change:
    """A plan and the words that it leads to."""

    plan: Plan
    after: Configuration


def plan_document(document: object, now: Configuration | None, around: Surroundings) -> Change:
    """Make the company exactly what `document` says. Whoever has no password in it keeps the one that is known.

    Raises `ConfigError` naming everything that is wrong.
    """
    problems = Problems()
    after, where = read_document(document, secrets_of(now), problems)
    if not problems.found:
        _check_permitted(now, after, around)
        check(after, where, around, problems)
    if problems.found:
        raise ConfigError(problems.all())
    return _change(documents_of(now) if now else {}, documents_of(after), after)


def plan_put(now: Configuration, kind: Kind, id: str, body: object, around: Surroundings) -> Change:
    """Set one object. `body` may leave the object's own name out. Raises `ConfigError`."""
    problems = Problems()
    name = _NAMES[kind]
    if isinstance(body, Mapping):
        if body.get(name, id) != id:
            problems.add(name, f"must be {id!r}, as in the address")
        body = {**body, name: id}
    fields = Fields(body, "", problems)
    after = _with(now, kind, fields, secrets_of(now))
    fields.finish()
    if not problems.found:
        _check_permitted(now, after, around)
        check(after, {(kind, id): ""}, around, problems)
    if problems.found:
        raise ConfigError(problems.all())
    return _change_of_one(now, after, (kind, id))


def plan_delete(now: Configuration, kind: Kind, id: str, around: Surroundings) -> Change:
    """Remove one object. Raises `NoSuchObject`, or `ConfigError` while others lead to it."""
    objects: Mapping[Any, Any] = getattr(now, _MEMBERS[kind])
    if id not in objects:
        raise NoSuchObject(f"no {kind} {id!r}")
    rest = {key: value for key, value in objects.items() if key != id}
    members: dict[str, Any] = {_MEMBERS[kind]: rest}
    after = evolve(now, **members)
    _check_permitted(now, after, around)
    problems = Problems()
    check(after, {}, around, problems)
    if problems.found:
        raise ConfigError(problems.all())
    return _change_of_one(now, after, (kind, id))


def restore(documents: Mapping[Key, Body]) -> Configuration:
    """The words of a company from its stored objects. Raises `ConfigError` if they make no sense."""
    whole: dict[str, Any] = {member: [] for member in _MEMBERS.values()}
    for (kind, _), body in documents.items():
        if kind == "company":
            whole |= body
        else:
            whole[_MEMBERS[kind]].append(body)
    problems = Problems()
    configuration, _ = read_document(whole, Secrets(), problems)
    if problems.found:
        name = whole.get("company")
        raise ConfigError([Problem(f"stored company {name}: {p.path}", p.what) for p in problems.all()])
    return configuration


def read_document(
    document: object, secrets: Secrets, problems: Problems
) -> tuple[Configuration, dict[Key, str]]:
    """Read a whole company; of what it says, and where in the document each object stands."""
    fields = Fields(document, "", problems)
    company = read_company(fields)
    where: dict[Key, str] = {("company", company.id): ""}
    members: dict[str, dict[Any, Any]] = {}
    for kind, member in _MEMBERS.items():
        members[member] = {}
        for path, value in fields.items(member, _MOST[kind]) or ():
            inner = Fields(value, path, problems)
            word = _read(kind, inner, company.domain, secrets)
            inner.finish()
            id = word.number if kind == "number" else word.id
            if id in members[member]:
                problems.add(path, f"{kind} {id!r} is given twice")
            members[member][id] = word
            where[kind, id] = path
    fields.finish()
    return Configuration(company, **members), where


def _check_permitted(now: Configuration | None, after: Configuration, around: Surroundings) -> None:
    """Raises `NotPermitted`, before anything is compared with other companies.

    Who a trunk is with decides whose calls come in and on whose account calls go out; calls to emergency numbers pass
    limits that all companies share; a ceiling is what the operator lets a company do.
    """
    if around.as_operator:
        return
    if now is None:
        raise NotPermitted("only the operator's key may make a company")
    ids = sorted(now.trunks.keys() | after.trunks.keys())
    trunks = [id for id in ids if now.trunks.get(id) != after.trunks.get(id)]
    if trunks:
        raise NotPermitted(f"only the operator's key may add, change or remove trunks: {', '.join(trunks)}")
    if set(now.company.emergency_numbers) != set(after.company.emergency_numbers):
        raise NotPermitted("only the operator's key may change emergency_numbers")
    if now.company.ceiling != after.company.ceiling:
        raise NotPermitted("only the operator's key may change ceiling")


def _with(now: Configuration, kind: Kind, fields: Fields, secrets: Secrets) -> Configuration:
    if kind == "company":
        company = read_company(fields)
        if company.domain != now.company.domain and secrets.devices:
            fields.wrong("domain", "changes every password: apply the whole company with its passwords")
        return evolve(now, company=company)
    word = _read(kind, fields, now.company.domain, secrets)
    member = _MEMBERS[kind]
    id = word.number if kind == "number" else word.id
    members: dict[str, Any] = {member: {**getattr(now, member), id: word}}
    return evolve(now, **members)


def _read(kind: Kind, fields: Fields, realm: str, secrets: Secrets) -> Any:
    match kind:
        case "site":
            return read_site(fields)
        case "trunk":
            return read_trunk(fields, secrets)
        case "person":
            return read_person(fields, realm, secrets)
        case _:
            return read_number(fields)


def _change_of_one(now: Configuration, after: Configuration, key: Key) -> Change:
    before, documents = ({key: write_one(c, key)} if _has(c, key) else {} for c in (now, after))
    return _change(before, documents, after)


def _has(configuration: Configuration, key: Key) -> bool:
    return key[0] == "company" or key[1] in getattr(configuration, _MEMBERS[key[0]])


def _change(before: Mapping[Key, Body], documents: Mapping[Key, Body], after: Configuration) -> Change:
    plan = Plan(
        after.company.id,
        tuple(compare(before, documents)),
        {key: body for key, body in documents.items() if before.get(key) != body},
        tuple(sorted(before.keys() - documents.keys())),
    )
    return Change(plan, after)


_MEMBERS: dict[Kind, str] = {"site": "sites", "trunk": "trunks", "person": "people", "number": "numbers"}
_NAMES: dict[Kind, str] = {
    "company": "company",
    "site": "id",
    "trunk": "id",
    "person": "id",
    "number": "number",
}
_MOST: dict[Kind, int] = {"site": 1_000, "trunk": 200, "person": 100_000, "number": 200_000}
