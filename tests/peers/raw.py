"""Hand-made SIP over UDP: a register with digest, and what was answered to the letter."""

import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define

ANSWER_WITHIN_S = 3.0


@define
class RawPhone:
    """A UDP socket that speaks for one user."""

    wire: socket.socket
    exchange_port: int
    user: str
    domain: str
    cseq: int = 0

    def register(self, password: str, contact: str, expires_s: int = 300) -> list[str]:
        """Register with digest (MD5); every answer, in order."""
        first = self._ask(contact, expires_s)
        answers = [first]
        if first.startswith("SIP/2.0 401"):
            answers.append(self._ask(contact, expires_s, self._credentials(first, password)))
        return answers

    def _ask(self, contact: str, expires_s: int, credentials: str = "") -> str:
        self.cseq += 1
        port = self.wire.getsockname()[1]
        lines = [
            f"REGISTER sip:{self.domain} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{self.user}-{self.cseq};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.domain}>;tag=raw",
            f"To: <sip:{self.user}@{self.domain}>",
            f"Call-ID: raw-{port}",
            f"CSeq: {self.cseq} REGISTER",
            f"Contact: <{contact}>",
            f"Expires: {expires_s}",
            *([f"Authorization: {credentials}"] if credentials else []),
            "Content-Length: 0",
        ]
        self.wire.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), ("127.0.0.1", self.exchange_port))
        return self.wire.recv(65536).decode()

    def _credentials(self, challenge: str, password: str) -> str:
        nonce = re.search(r'nonce="([^"]*)"', challenge)
        assert nonce is not None, challenge
        uri = f"sip:{self.domain}"
        secret = _md5(f"{self.user}:{self.domain}:{password}")
        proof = _md5(f"{secret}:{nonce[1]}:00000001:c0ffee:auth:{_md5(f'REGISTER:{uri}')}")
        return (
            f'Digest username="{self.user}", realm="{self.domain}", nonce="{nonce[1]}", uri="{uri}", '
            f'response="{proof}", algorithm=MD5, cnonce="c0ffee", nc=00000001, qop=auth'
        )


@contextmanager
def raw_phone(exchange_port: int, user: str, domain: str) -> Iterator[RawPhone]:
    """Open a socket for one user."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.settimeout(ANSWER_WITHIN_S)
        yield RawPhone(wire, exchange_port, user, domain)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
