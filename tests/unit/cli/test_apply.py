"""How `tandem apply` asks."""

import io
import sys

import pytest
import typer

from orchestrator.cli.apply import _ask


class Terminal(io.StringIO):
    """Somebody sits there and presses Enter."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("changes", "is_applied"),
    [
        (["person anna: extension 101 → 111", "number +74951234502 added"], True),
        (["person anna: extension 101 → 111", "number +74951234501 removed"], False),
        (["person anna: device anna-desk removed"], False),
    ],
)
def test_enter_alone_removes_nothing(
    changes: list[str], is_applied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("\n"))
    if is_applied:
        _ask(changes)
    else:
        with pytest.raises(typer.Exit):
            _ask(changes)
