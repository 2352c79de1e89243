"""Reads one mapping, key by key; whatever is wrong or left over becomes a `Problem` with its path."""

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field

from orchestrator.model.errors import Problem

T = TypeVar("T")


@define
class Problems:
    """Collects what is wrong; the first `most` are kept."""

    most: int = 100
    found: list[Problem] = field(factory=list)
    more: int = 0

    def add(self, path: str, what: str) -> None:
        """Note one thing."""
        if len(self.found) < self.most:
            self.found.append(Problem(path, what))
        else:
            self.more += 1

    def all(self) -> list[Problem]:
        """What was found, and how much more there is."""
        return [*self.found, Problem("", f"and {self.more} more problems")] if self.more else list(self.found)


class Fields:
    """The keys of one mapping. Each read takes a key; `finish` tells of those that nobody asked for.

    A read that goes wrong notes a problem and returns a stand-in, so that reading goes on.
    """

    def __init__(self, value: object, path: str, problems: Problems) -> None:
        self.path = path
        self.problems = problems
        self._known: list[str] = []
        if isinstance(value, Mapping):
            self._values: Mapping[Any, Any] = value
        else:
            self._values = {}
            problems.add(path, f"must be a mapping, not {_kind(value)}")
            self._known = []

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """Whether the key is given and not null."""
        return self._values.get(key) is not None

    def skip(self, key: str) -> None:
        """Whatever it says, it has been spoken of."""
        self._take(key)

    def wrong(self, key: str, what: str) -> None:
        """Note a problem with a key."""
        self.problems.add(self.at(key), what)

    def text(
        self, key: str, default: str | None = None, *, like: "Pattern | None" = None, longest: int = 200
    ) -> str:
        """A string; a whole number is taken for its digits. Without `default` it must be given."""
        value = self._take(key)
        if value is None:
            if default is None:
                self.wrong(key, "missing")
            return default or ""
        return self._text(self.at(key), value, like, longest)

    def optional_text(self, key: str, *, like: "Pattern | None" = None, longest: int = 200) -> str | None:
        """A string, or None where it is not given."""
        value = self._take(key)
        return None if value is None else self._text(self.at(key), value, like, longest)

    def texts(
        self, key: str, default: tuple[str, ...] = (), *, like: "Pattern | None" = None, most: int = 100
    ) -> tuple[str, ...]:
        """A list of strings."""
        items = self.items(key, most)
        if items is None:
            return default
        return tuple(self._text(path, value, like, 200) for path, value in items)

    def items(self, key: str, most: int) -> list[tuple[str, object]] | None:
        """The members of a list with their paths; None where it is not given."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            self.wrong(key, f"must be a list, not {_kind(value)}")
            return []
        if len(value) > most:
            self.wrong(key, f"has {len(value)} members, at most {most} are allowed")
            return []
        here = self.at(key)
        return [(f"{here}[{place}]", member) for place, member in enumerate(value)]

    def is_list(self, key: str) -> bool:
        """Whether a list is given under the key."""
        value = self._values.get(key)
        return isinstance(value, Sequence) and not isinstance(value, str | bytes)

    def entries(self, key: str, most: int, *, like: "Pattern") -> list[tuple[str, str, object]] | None:
        """The names, paths and values of a mapping with names of the user's; None where it is not given."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.wrong(key, f"must be a mapping, not {_kind(value)}")
            return []
        if len(value) > most:
            self.wrong(key, f"has {len(value)} members, at most {most} are allowed")
            return []
        found = []
        for name, member in value.items():
            if isinstance(name, str) and like.fits(name):
                found.append((name, f"{self.at(key)}.{name}", member))
            else:
                self.wrong(key, f"a key must be {like.words}, not {str(name)[:100]!r}")
        return found

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(key, f"must be true or false, not {_kind(value)}")
            return default
        return value

    def seconds(self, key: str, default: float, least: float, most: float) -> float:
        """A number of seconds within bounds."""
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.wrong(key, f"must be a number of seconds, not {_kind(value)}")
            return default
        if not least <= value <= most:
            self.wrong(key, f"must be {least:g} to {most:g} seconds, not {value:g}")
            return default
        return float(value)

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self.optional_whole(key, least, most)
        return default if value is None else value

    def optional_whole(self, key: str, least: int, most: int) -> int | None:
        """A whole number within bounds, or None where it is not given."""
        value = self._take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.wrong(key, f"must be a whole number, not {_kind(value)}")
            return None
        if not least <= value <= most:
            self.wrong(key, f"must be {least} to {most}, not {value}")
            return None
        return value

    def choice(self, key: str, choices: Mapping[str, T], default: str | None = None) -> T:
        """One of a few words."""
        first = next(iter(choices.values()))
        name = self.text(key, default)
        if name in choices:
            return choices[name]
        if name:
            self.wrong(key, f"must be one of {', '.join(choices)}, not {name!r}")
        return first

    def inner(self, key: str) -> "Fields | None":
        """The mapping under a key; None where it is not given."""
        value = self._take(key)
        return None if value is None else Fields(value, self.at(key), self.problems)

    def parse(self, key: str, read: "Callable[[object, str], T]") -> T | None:
        """Whatever `read` makes of the value and its path; None where it is not given."""
        value = self._take(key)
        return None if value is None else read(value, self.at(key))

    def finish(self) -> None:
        """Tell of the keys that have no meaning here."""
        for key in self._values:
            if key not in self._known:
                close = difflib.get_close_matches(str(key), self._known, 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                self.wrong(str(key)[:100], f"unknown key{hint}")

    def _take(self, key: str) -> Any:
        self._known.append(key)
        return self._values.get(key)

    def _text(self, path: str, value: object, like: "Pattern | None", longest: int) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            self.problems.add(path, f"must be text, not {_kind(value)}")
            return ""
        if len(value) > longest:
            self.problems.add(path, f"is {len(value)} characters long, at most {longest} are allowed")
            return ""
        if not value.isprintable():
            self.problems.add(path, "has control characters")
            return ""
        if like is not None and not like.fits(value):
            self.problems.add(path, f"must be {like.words}, not {value!r}")
        return value


class Pattern:
    """A regular expression with words for people."""

    def __init__(self, expression: str, words: str) -> None:
        self._fits = re.compile(expression, re.ASCII).fullmatch
        self.words = words

    def fits(self, value: str) -> bool:
        """Whether all of `value` is so."""
        return self._fits(value) is not None


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case _:
            return type(value).__name__
