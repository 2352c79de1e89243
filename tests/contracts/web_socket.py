"""A client of SIP over WebSocket, written by hand: for what browsers do, and for what none would."""

import base64
import contextlib
import hashlib
import re
import socket
import ssl
import struct
from collections.abc import Iterator
from itertools import count

from attrs import define, field

from tests.contracts.certificates import Identity
from tests.contracts.desk import DOMAIN, SECRET, Desk

KEY = base64.b64encode(bytes(range(16))).decode()
PROOF = base64.b64encode(
    hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # RFC 6455 §1.3
).decode()
MASK = b"\x11\x22\x33\x44"
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
ORIGIN = "https://phone.example"
_ids = count(1)


@define(eq=False)
class WebSocketPeer:
    """One connection. Blocks; run it in a thread when the engine's Python has something to do meanwhile."""

    stream: socket.socket
    received: bytes = field(default=b"")
    instance: int = field(factory=lambda: next(_ids))
    cseq: Iterator[int] = field(factory=lambda: count(1))

    def __enter__(self) -> "WebSocketPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def head(self) -> str:
        """What is answered to a request, without its body."""
        while b"\r\n\r\n" not in self.received:
            self._read()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        return head.decode()

    def upgrade(self) -> None:
        """Ask for WebSocket as a browser on an allowed page does."""
        self.stream.sendall(upgrade_request(f"Origin: {ORIGIN}\r\n"))
        head = self.head()
        assert head.startswith("HTTP/1.1 101 "), head
        assert f"Sec-WebSocket-Accept: {PROOF}" in head

    def send(self, payload: bytes | str, first: int = TEXT) -> None:
        """Send a frame."""
        self.stream.sendall(frame(payload, first))

    def frame(self) -> tuple[int, bytes]:
        """The next frame: its first byte, and what is in it."""
        self._read_until(2)
        first, length, head = self.received[0], self.received[1], 2
        if length == 126:
            self._read_until(4)
            length, head = int.from_bytes(self.received[2:4]), 4
        assert length < 65_536, "so long is no message"
        self._read_until(head + length)
        payload, self.received = self.received[head : head + length], self.received[head + length :]
        return first, payload

    def message(self) -> str:
        """The next message of SIP."""
        first, payload = self.frame()
        assert first in (TEXT, BINARY), (first, payload)
        return payload.decode()

    def close_status(self) -> int:
        """Why the exchange ends the connection; the stream must end with that."""
        first, payload = self.frame()
        while first != CLOSE:
            first, payload = self.frame()
        with contextlib.suppress(ConnectionResetError):  # where it had not read all that we sent
            assert self.stream.recv(1) == b""
        return int.from_bytes(payload)

    def request(
        self, method: str, to: str, *, cseq: int = 1, headers: str = "", body: str = "", user: str = "anna"
    ) -> str:
        """The text of a request as browsers write it: with no length, and an address that is nobody's."""
        aor = f"sip:{to}@{DOMAIN}"
        uri = f"sip:{DOMAIN}" if method == "REGISTER" else aor
        content = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS x{self.instance}.invalid;branch=z9hG4bK{next(_ids)}\r\n"
            f"Max-Forwards: 69\r\nFrom: <sip:{user}@{DOMAIN}>;tag=w\r\nTo: <{aor}>\r\n"
            f"Call-ID: {method}-{self.instance}\r\nCSeq: {cseq} {method}\r\nSupported: path,gruu,outbound\r\n"
            f"Contact: <sip:{user}@x{self.instance}.invalid;transport=ws>;"
            f'+sip.instance="<urn:uuid:{self.instance}>";reg-id=1\r\n'
            f"{headers}{content}\r\n{body}"
        )

    def ask(
        self,
        method: str,
        to: str,
        *,
        headers: str = "",
        body: str = "",
        user: str = "anna",
        secret: str = SECRET,
    ) -> str:
        """Send a request, and again with the password; the final response."""
        first = self.request(method, to, cseq=next(self.cseq), headers=headers, body=body, user=user)
        self.send(first)
        answer = self.final()
        if challenge := re.search(r'(WWW|Proxy)-Authenticate: Digest .*nonce="([^"]+)"', answer):
            uri = f"sip:{DOMAIN}" if method == "REGISTER" else f"sip:{to}@{DOMAIN}"
            credentials = _digest(challenge[2], method, uri, user, secret)
            name = "Authorization" if challenge[1] == "WWW" else "Proxy-Authorization"
            with_password = f"{headers}{name}: {credentials}\r\n"
            if method == "INVITE":
                head, _, _ = first.partition("\r\n\r\n")
                self.send(head.replace(method, "ACK", 1).replace(f" {method}\r\n", " ACK\r\n") + "\r\n\r\n")
            self.send(
                self.request(method, to, cseq=next(self.cseq), headers=with_password, body=body, user=user)
            )
            answer = self.final()
        return answer

    def final(self) -> str:
        """The next response that is no provisional one."""
        while (answer := self.message()).startswith("SIP/2.0 1"):
            pass
        return answer

    def respond(self, request: str, status: str, *, tag: str = "b", body: str = "") -> None:
        """Answer a request."""
        kept = [
            line
            for line in request.split("\r\n")
            if line.partition(":")[0] in ("Via", "From", "Call-ID", "CSeq", "Record-Route")
        ]
        to = re.search(r"\r\nTo: ([^\r]*)", request)
        assert to, request
        content = "Content-Type: application/sdp\r\n" if body else ""
        contact = f"Contact: <sip:anna@x{self.instance}.invalid;transport=ws>\r\n"
        head = "\r\n".join([f"SIP/2.0 {status}", *kept, f"To: {to[1]};tag={tag}"])
        self.send(f"{head}\r\n{contact}{content}\r\n{body}")

    def _read_until(self, length: int) -> None:
        while len(self.received) < length:
            self._read()

    def _read(self) -> None:
        new = self.stream.recv(65_536)
        if not new:
            raise ConnectionResetError(f"the exchange has closed after {self.received!r}")
        self.received += new


def plain(exchange: Desk, source: str = "127.0.0.1") -> WebSocketPeer:
    """A connection that has asked for nothing yet."""
    at = ("127.0.0.1", exchange.port_of("ws"))
    return WebSocketPeer(socket.create_connection(at, timeout=8, source_address=(source, 0)))


def secured(exchange: Desk, identity: Identity) -> WebSocketPeer:
    """The same inside TLS. Blocks."""
    stream = socket.create_connection(("127.0.0.1", exchange.port_of("wss")), timeout=8)
    context = ssl.create_default_context(cadata=identity.certificate.read_text())
    try:
        return WebSocketPeer(context.wrap_socket(stream, server_hostname="127.0.0.1"))
    except BaseException:
        stream.close()
        raise


def upgrade_request(headers: str = "", path: str = "/ws") -> bytes:
    """What a browser asks for, with the headers that it adds."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: sip\r\n"
        f"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n{headers}\r\n"
    ).encode()


def frame(payload: bytes | str, first: int = TEXT) -> bytes:
    """A frame of a client."""
    data = payload.encode() if isinstance(payload, str) else payload
    if len(data) < 126:
        head = bytes([first, 0x80 | len(data)])
    elif len(data) < 65_536:
        head = struct.pack(">BBH", first, 0x80 | 126, len(data))
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, len(data))
    key = (MASK * (len(data) // 4 + 1))[: len(data)]
    masked = (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(len(data))
    return head + MASK + masked


def _digest(nonce: str, method: str, uri: str, user: str, secret: str) -> str:
    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()  # RFC 2617

    ha1, ha2 = md5(f"{user}:{DOMAIN}:{secret}"), md5(f"{method}:{uri}")
    response = md5(f"{ha1}:{nonce}:00000001:c:auth:{ha2}")
    return (
        f'Digest username="{user}", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", response="{response}", '
        f'algorithm=MD5, qop=auth, nc=00000001, cnonce="c"'
    )
