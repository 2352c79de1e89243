"""A peer that writes its SIP by hand over a UDP socket of its own: for what no well-bred phone would send."""

import hashlib
import re
import socket
from itertools import count

from attrs import define, field

from tests.contracts.desk import DOMAIN, SECRET

_ids = count(1)


@define(eq=False)
class RawPeer:
    """Blocks; run it in a thread when the engine's Python has something to do meanwhile."""

    exchange_port: int
    patience_s: float = 3.0
    udp: socket.socket = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.udp.settimeout(self.patience_s)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.udp.getsockname()[1])

    def request(
        self,
        method: str,
        to: str,
        *,
        call_id: str = "",
        tag: str = "",
        cseq: int = 1,
        headers: str = "",
        body: str = "",
        branch: str = "",
        caller: str = "outside",
    ) -> str:
        """The text of a request. `to` is a user; `tag` the other side's, inside a dialog."""
        number = next(_ids)
        to_tag = f";tag={tag}" if tag else ""
        content = "Content-Type: application/sdp\r\n" if body else ""
        return (
            f"{method} sip:{to}@{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch or f'z9hG4bK{number}x{self.port}'};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{caller}@{DOMAIN}>;tag=raw\r\nTo: <sip:{to}@{DOMAIN}>{to_tag}\r\n"
            f"Call-ID: {call_id or f'{number}-{self.port}'}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:{caller}@127.0.0.1:{self.port}>\r\n{headers}{content}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def send(self, text: str | bytes) -> None:
        """Send it as it is."""
        data = text.encode() if isinstance(text, str) else text
        self.udp.sendto(data, ("127.0.0.1", self.exchange_port))

    def receive(self) -> str:
        """The next datagram. Raises `TimeoutError` if none comes in time."""
        return self.udp.recv(65_536).decode()

    def ask(self, text: str, *, provisional: bool = False) -> str:
        """Send a request; the first final answer, or with `provisional` the first of all."""
        self.send(text)
        while True:
            answer = self.receive()
            if answer.startswith("SIP/2.0") and (provisional or not answer.startswith("SIP/2.0 1")):
                return answer

    def register(self, user: str, secret: str = SECRET, *, expires_s: int = 300, contact: str = "") -> str:
        """Register with digest (MD5), with one more `contact` if there is one; the answer to the credentials."""
        call_id = f"register-{next(_ids)}-{self.port}"
        headers = f"Expires: {expires_s}\r\n" + (f"Contact: {contact}\r\n" if contact else "")
        challenge = self.ask(self.request("REGISTER", user, caller=user, call_id=call_id, headers=headers))
        headers += f"Authorization: {authorization(challenge, user, secret)}\r\n"
        return self.ask(self.request("REGISTER", user, caller=user, call_id=call_id, cseq=2, headers=headers))

    def offer(self, rtp_port: int) -> str:
        """A session description that offers PCMA."""
        return (
            f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {rtp_port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )

    def close(self) -> None:
        """Close the socket."""
        self.udp.close()


def authorization(challenge: str, user: str, secret: str, method: str = "REGISTER", to: str = "") -> str:
    """The value that answers a challenge (RFC 7616, MD5, qop=auth) to a request to the user `to`, or to its own."""
    found = re.search(r'(?:WWW|Proxy)-Authenticate: Digest .*?nonce="([^"]+)"', challenge)
    assert found, challenge
    nonce, uri = found[1], f"sip:{to or user}@{DOMAIN}"

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    ha1, ha2 = md5(f"{user}:{DOMAIN}:{secret}"), md5(f"{method}:{uri}")
    response = md5(f"{ha1}:{nonce}:00000001:abc:auth:{ha2}")
    return (
        f'Digest username="{user}", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", response="{response}", '
        f'algorithm=MD5, qop=auth, nc=00000001, cnonce="abc"'
    )


def header(message: str, name: str) -> str:
    """Value of the first header of that name."""
    found = re.search(rf"^{name}: (.*?)\r$", message, re.MULTILINE | re.IGNORECASE)
    assert found, f"no {name} in {message}"
    return found[1]


def tag_of(message: str) -> str:
    """The tag of To."""
    return header(message, "To").rpartition(";tag=")[2]


def status_of(message: str) -> int:
    """Status of an answer."""
    return int(message.split(" ", 2)[1])
