"""HA1: what is kept instead of a password (RFC 7616 §3.4.2, RFC 8760 §2.6)."""

import hashlib

from attrs import field, frozen


@frozen
class Secret:
    """H(username:realm:password) in hex, by MD5 and perhaps by SHA-256."""

    md5: str = field(repr=False)
    sha256: str | None = field(default=None, repr=False)


def secret_of(username: str, realm: str, password: str, *, sha256: bool) -> Secret:
    """Hash a password for one user of one realm."""
    text = f"{username}:{realm}:{password}".encode()
    md5 = hashlib.md5(text, usedforsecurity=False).hexdigest()
    return Secret(md5, hashlib.sha256(text).hexdigest() if sha256 else None)
