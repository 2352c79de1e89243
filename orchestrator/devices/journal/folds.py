"""What is computed from the journal as it goes on. A fault of ours in a fold costs that fold one entry, and no more."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar, get_args

import structlog
from attrs import define, field

from orchestrator.model.journal import Entry, Record

T = TypeVar("T")


@define(eq=False)
class Folds:
    """Folds by name, each guarded. `guard` may run in any thread."""

    behind: Counter[str] = field(factory=Counter)
    """How many entries each fold has lost since start. What it tells is wrong by them until it is computed anew."""
    _heeding: dict[type[Entry], list[tuple[str, Callable[[Record], object]]]] = field(factory=dict)

    def add(
        self, name: str, fold: Callable[[Record], object], heeds: Iterable[type[Entry]] = get_args(Entry)
    ) -> None:
        """From now on `fold` is called with each durable record, in order, whose entry is of a kind that it heeds."""
        for kind in heeds:
            self._heeding.setdefault(kind, []).append((name, fold))

    def tell(self, record: Record) -> None:
        """Hand a record to each fold that heeds it."""
        for name, fold in self._heeding.get(type(record.entry), ()):
            self.guard(name, fold, record)

    def guard(self, name: str, fold: Callable[[Record], T], record: Record) -> T | None:
        """What `fold` makes of a record; None if it crashes."""
        try:
            return fold(record)
        except Exception:
            self.behind[name] += 1
            _log.exception(
                "fold_crashed",
                fold=name,
                company=record.company,
                seq=record.seq,
                entry=type(record.entry).__name__,
            )
            return None

    def fault(self) -> str:
        """Which folds are behind, in words; empty: none."""
        return ", ".join(f"{name} lost {count} of its entries" for name, count in sorted(self.behind.items()))


_log = structlog.get_logger(__name__)
