"""Files stay small, and say nothing that a later reader cannot use."""

import re
from pathlib import Path

from tests.architecture.tree import ROOT, files, is_test, name_of

LINES_MAX = 600
TEST_LINES_MAX = 1000
CONTRACT, CONTRACT_LINES_MAX = "orchestrator/_rust_core.pyi", 800
"""The whole contract between the two languages is one module, and its stub one file."""
FUNCTION_LINES_MAX = 70
SOURCES = (".py", ".rs", ".pyi", ".sh", ".js", ".css", ".html")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "base", "misc"}


def test_no_file_is_too_long() -> None:
    long = {
        name_of(path): lines
        for path in files(*SOURCES)
        if (lines := len(path.read_text().splitlines())) > _lines_max(path)
    }
    assert not long


def _lines_max(path: Path) -> int:
    if name_of(path) == CONTRACT:
        return CONTRACT_LINES_MAX
    return TEST_LINES_MAX if is_test(path) else LINES_MAX


def test_no_file_or_folder_is_a_drawer_for_anything() -> None:
    drawers = [
        name_of(path)
        for path in files(*SOURCES)
        if FORBIDDEN_NAMES & {path.stem, *path.relative_to(ROOT).parts[:-1]}
    ]
    assert not drawers


def test_no_work_is_left_as_a_comment() -> None:
    left = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\btodo!\(|\bunimplemented!\(|raise NotImplementedError")
    found = [
        f"{name_of(path)}:{number}"
        for path in files(*SOURCES)
        if path != ROOT / "tests/architecture/test_files.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if left.search(line)
    ]
    assert not found


def test_package_files_hold_no_logic() -> None:
    """`__init__.py` documents and re-exports."""
    logic = re.compile(r"^\s*(def|async def|class|if|for|while|try|with)\b", re.MULTILINE)
    found = [
        name_of(path)
        for path in files(".py")
        if path.name == "__init__.py" and logic.search(path.read_text())
    ]
    assert not found


def test_nothing_lies_deeper_than_room_folder_file() -> None:
    deep = [name_of(path) for path in files(".py") if len(path.relative_to(ROOT).parts) > 4]
    assert not deep
