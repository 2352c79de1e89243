"""How commands are shown to somebody who shall type them."""

import sys
from pathlib import Path

import pytest

from orchestrator.cli.client import command


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("{here}/.venv/bin/tandem", ".venv/bin/tandem"),
        (".venv/bin/tandem", ".venv/bin/tandem"),
        ("/opt/tandem", "/opt/tandem"),
    ],
)
def test_a_command_is_shown_as_it_can_be_typed(
    program: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [program.replace("{here}", str(tmp_path))])
    assert command("calls") == f"{shown} calls"
    told = command("apply x.yaml", url="http://127.0.0.1:81", data_dir=Path("my data"))
    assert told == f"{shown} apply x.yaml --url http://127.0.0.1:81 --data-dir 'my data'"
