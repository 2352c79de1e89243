"""A secret of this node that outlives restarts."""

import os
import random
from pathlib import Path

from orchestrator.model.errors import ResourceError


def secret_in(folder: Path, rng: random.Random) -> bytes:
    """32 random bytes, made at the first start and kept in `node.secret`, for the owner only.

    A file that holds something else, or half of it, is made anew. Raises `ResourceError` if it cannot be read or
    written.
    """
    file = folder / "node.secret"
    try:
        if file.exists():
            found = _read(file)
            if found is not None:
                return found
        secret = rng.randbytes(SECRET_BYTES)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            file.chmod(0o600)
            out.write(secret.hex() + "\n")
    except OSError as error:
        raise ResourceError(f"{file}: {error.strerror}") from error
    return secret


def _read(file: Path) -> bytes | None:
    try:
        secret = bytes.fromhex(file.read_text(encoding="ascii"))
    except ValueError:
        return None
    return secret if len(secret) == SECRET_BYTES else None


SECRET_BYTES = 32
