"""What the documents promise exists."""

import re
import subprocess

from tests.architecture.tree import ROOT, files, name_of


def test_make_help_shows_every_target_for_people() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]  # it is there, or this fails
    shown = set(re.findall(r"^  make ([a-z-]+)", _make("help"), re.MULTILINE))
    assert shown >= {"run", "test", "help", "lint", "load", "fuzz", "ci"}
    assert phony - shown == {"setup", "setup-test"}


def test_commands_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"):
        text = (ROOT / document).read_text()
        named = set(re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.MULTILINE))
        assert {one or other for one, other in named} <= targets, document
        for script in re.findall(r"`((?:scripts|loadtests|\.ci)/[a-z_-]+)", text):
            assert (ROOT / script).exists(), f"{document} names {script}"
        for linked in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (ROOT / linked).exists(), f"{document} links to {linked}"


def test_lock_files_name_no_private_host() -> None:
    """Versions only, or the public registries' own addresses: a lock file must work on any machine."""
    public = ("https://github.com/rust-lang/crates.io-index", "https://static.crates.io", "https://pypi.org")
    for path in (
        *files(".lock"),
        ROOT / "constraints.txt",
        *(p for p in files(".json") if p.stem == "package-lock"),
    ):
        urls = re.findall(r"https?://[^\s\"']+", path.read_text())
        assert not [url for url in urls if not url.startswith(public)], name_of(path)
        assert "file:" not in path.read_text(), name_of(path)
        assert '"resolved"' not in path.read_text(), name_of(path)


def test_ci_runs_the_tests_of_the_readme() -> None:
    assert "make test" in (ROOT / ".ci/run").read_text()
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def _make(target: str) -> str:
    command = ["make", "--no-print-directory", target]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
