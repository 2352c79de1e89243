"""What the tests of the tree look at: the files that git knows, wherever the test runs."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Every file of the project, tracked or new, that ends in one of `suffixes`; without any: every file."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    paths = [ROOT / name for name in listed]
    return tuple(
        sorted(path for path in paths if (not suffixes or path.suffix in suffixes) and path.is_file())
    )


def name_of(path: Path) -> str:
    """As a reader of a failure wants it: relative to the root."""
    return path.relative_to(ROOT).as_posix()


def is_test(path: Path) -> bool:
    """Test code of either language."""
    return "tests" in path.relative_to(ROOT).parts or path.name == "tests.rs"
