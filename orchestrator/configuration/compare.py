"""Two states of a company → lines that say what changed, for people, the journal and `tandem apply`."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.configuration.document import Body, Key


def compare(before: Mapping[Key, Body], after: Mapping[Key, Body]) -> Iterator[str]:
    """A line per added, removed or changed thing: "person anna: extension 101 → 111"."""
    for key, body in after.items():
        kind, id = key
        old = before.get(key)
        if old is None:
            yield f"{kind} {id} added"
        elif old != body:
            for what in _differences(old, body, ""):
                yield f"{kind} {id}: {what}"
    for kind, id in sorted(before.keys() - after.keys()):
        yield f"{kind} {id} removed"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], at: str) -> Iterator[str]:
    names = [*old, *(name for name in new if name not in old)]
    for name in names:
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        here = f"{at}{name}"
        if name in _SECRETS:
            if name == "ha1_md5":
                yield f"{at}password changed"
            elif (before is None) != (after is None):
                yield f"{at}sha256 {'off' if after is None else 'on'}"
        elif (
            isinstance(before, Mapping) and isinstance(after, Mapping) and not _is_destination(before, after)
        ):
            yield from _differences(before, after, f"{here}.")
        elif name == "devices":
            yield from _devices(before or [], after or [])
        elif isinstance(before, list) and isinstance(after, list):
            yield from (f"{here} − {_show(member)}" for member in before if member not in after)
            yield from (f"{here} + {_show(member)}" for member in after if member not in before)
            if sorted(map(str, before)) == sorted(map(str, after)):
                yield f"{here} in another order"
        else:
            yield f"{here} {_show(before)} → {_show(after)}"


def _devices(old: list[Any], new: list[Any]) -> Iterator[str]:
    before = {device["id"]: device for device in old}
    after = {device["id"]: device for device in new}
    for id, device in after.items():
        if id not in before:
            yield f"device {id} added"
        else:
            yield from _differences(before[id], device, f"device {id} ")
    yield from (f"device {id} removed" for id in before if id not in after)
    kept_before = [id for id in before if id in after]
    if kept_before != [id for id in after if id in before]:
        yield "devices in another order"


def _is_destination(*values: Mapping[str, Any]) -> bool:
    return any(value.keys() & {"person", "outside", "announcement"} for value in values)


def _show(value: Any) -> str:
    match value:
        case None:
            return "(none)"
        case True:
            return "yes"
        case False:
            return "no"
        case {"announcement": prompt, "then": then}:
            return f"announcement {prompt}, then {_show(then)}"
        case Mapping():
            return ", ".join(f"{key} {_show(inner)}" for key, inner in value.items())
        case list():
            return ", ".join(_show(member) for member in value) or "(none)"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


_SECRETS = frozenset({"ha1_md5", "ha1_sha256"})
