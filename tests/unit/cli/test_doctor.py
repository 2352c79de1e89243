"""What the doctor says of the machine."""

import os
from pathlib import Path

import pytest

from orchestrator.cli.doctor import receive_buffer


@pytest.mark.parametrize(
    ("limit", "user", "is_ill"),
    [("212992\n", 1000, True), ("8388608\n", 1000, False), ("212992\n", 0, False), (None, 1000, False)],
)
def test_a_small_receive_buffer_has_a_remedy(
    limit: str | None, user: int, is_ill: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    file = tmp_path / "rmem_max"
    if limit is not None:
        file.write_text(limit)
    finding = receive_buffer(file)
    assert bool(finding.remedy) is is_ill
    assert "sysctl -w net.core.rmem_max=8388608" in finding.remedy or not is_ill
