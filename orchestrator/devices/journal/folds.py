"""What is computed from the journal as it goes on. A fault of ours in a fold costs that fold one entry, and no more."""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import structlog
from attrs import define, field

from orchestrator.model.journal import Record

T = TypeVar("T")


@define(eq=False)
class Folds:
    """Folds by name, each guarded. `guard` may run in any thread."""

    named: dict[str, Callable[[Record], object]] = field(factory=dict)
    """Called with each durable record, in order."""
    behind: Counter[str] = field(factory=Counter)
    """How many entries each fold has lost since start. What it tells is wrong by them until it is computed anew."""

    def tell(self, record: Record) -> None:
        """Hand a record to each fold."""
        for name, fold in self.named.items():
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
