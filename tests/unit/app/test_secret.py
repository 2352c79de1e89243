import random
from pathlib import Path

import pytest

from orchestrator.app.secret import secret_in
from orchestrator.model.errors import ResourceError


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    secret = secret_in(tmp_path, random.Random(1))
    assert len(secret) == 32
    assert secret_in(tmp_path, random.Random(2)) == secret
    assert (tmp_path / "node.secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("found", ["", "12ab", "not hex", "ф", "00" * 33])
def test_what_is_no_secret_is_made_anew(tmp_path: Path, found: str) -> None:
    (tmp_path / "node.secret").write_text(found, encoding="utf-8")
    secret = secret_in(tmp_path, random.Random(1))
    assert secret == random.Random(1).randbytes(32)
    assert secret_in(tmp_path, random.Random(2)) == secret


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"node\.secret"):
        secret_in(tmp_path / "missing", random.Random(1))
