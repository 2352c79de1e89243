//! The request that asks for WebSocket, and its answer (RFC 6455 §4.2, RFC 7118 §4). Whoever is refused is told in HTTP
//! what to do about it: a person may have typed the address into a browser.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::{Error, Header, Request, Status};
use sha1::{Digest as _, Sha1};

use super::Origins;

/// A request that is granted.
#[derive(Debug)]
pub(super) struct Accepted {
    /// How long it was.
    pub(super) request_bytes: usize,
    /// `Sec-WebSocket-Accept`.
    proof: String,
    /// The subprotocol as the peer writes it.
    protocol: String,
}

/// A request that is not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    status: &'static str,
    /// A further header, with its end of line.
    header: &'static str,
    /// For people.
    pub(super) why: &'static str,
}

/// Answers what has come so far; `None` until the request is whole. `searched` bytes of it were without its end.
pub(super) fn answer(
    received: &[u8],
    searched: &mut usize,
    origins: &Origins,
) -> Result<Option<Accepted>, Refusal> {
    // TLS, and most of what else may come here by mistake, is known by its first byte.
    if received.first().is_some_and(|first| !first.is_ascii_alphabetic()) {
        return Err(NO_HTTP);
    }
    // Only where the request ends is it looked at, so that nothing depends on how it was cut.
    let Some(end) = end_of(&received[..received.len().min(MAX_REQUEST_BYTES)], searched) else {
        return if received.len() >= MAX_REQUEST_BYTES { Err(TOO_LONG) } else { Ok(None) };
    };
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(&received[..end]) {
        Ok(Status::Complete(_)) => grant(&request, origins)
            .map(|(proof, protocol)| Some(Accepted { request_bytes: end, proof, protocol })),
        Err(Error::TooManyHeaders) => Err(TOO_LONG),
        Ok(Status::Partial) | Err(_) => Err(NO_HTTP),
    }
}

/// Where the first empty line ends; `searched` bytes are known to have none.
fn end_of(head: &[u8], searched: &mut usize) -> Option<usize> {
    let from = searched.saturating_sub(2);
    *searched = head.len();
    (from..head.len()).find_map(|at| match &head[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Proof and subprotocol for a request that may pass.
fn grant(request: &Request<'_, '_>, origins: &Origins) -> Result<(String, String), Refusal> {
    let headers = &*request.headers;
    let path = request.path.unwrap_or_default();
    if !PATHS.contains(&path.split('?').next().unwrap_or_default()) {
        return Err(NO_SUCH_PATH);
    }
    if request.method != Some("GET") {
        return Err(NO_GET);
    }
    if request.version != Some(1) || one(headers, "Host")?.is_none() {
        return Err(NO_HTTP);
    }
    let names = |header, word: &str| tokens(headers, header).any(|t| t.eq_ignore_ascii_case(word));
    if !names("Upgrade", "websocket") || !names("Connection", "Upgrade") {
        return Err(NO_UPGRADE);
    }
    if one(headers, "Sec-WebSocket-Version")? != Some("13") {
        return Err(NO_SUCH_VERSION);
    }
    let key = one(headers, "Sec-WebSocket-Key")?.ok_or(NO_KEY)?;
    if STANDARD.decode(key).map(|bytes| bytes.len()) != Ok(16) {
        return Err(NO_KEY);
    }
    let protocol = tokens(headers, "Sec-WebSocket-Protocol")
        .find(|offered| offered.eq_ignore_ascii_case("sip"))
        .ok_or(NO_SIP)?;
    if one(headers, "Origin")?.is_some_and(|origin| !origins.admit(origin)) {
        return Err(FOREIGN_PAGE);
    }
    Ok((proof_of(key), protocol.to_owned()))
}

/// RFC 6455 §4.2.2: shows that we have understood, and are no web server that was talked into something.
fn proof_of(key: &str) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// The value of a header that stands once at most. One that is no text counts as none that we know.
fn one<'h>(headers: &[Header<'h>], name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut found = values(headers, name);
    let first = found.next();
    if found.next().is_some() {
        return Err(TWICE);
    }
    Ok(first)
}

/// Words of a header that is a list, on however many lines.
fn tokens<'h>(headers: &[Header<'h>], name: &str) -> impl Iterator<Item = &'h str> {
    values(headers, name).flat_map(|value| value.split(',')).map(str::trim)
}

fn values<'h>(headers: &[Header<'h>], name: &str) -> impl Iterator<Item = &'h str> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| std::str::from_utf8(header.value).unwrap_or("?").trim())
}

impl Accepted {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { proof, protocol, .. } = self;
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {proof}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        )
        .into_bytes()
    }
}

impl Refusal {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let Self { status, header, why } = self;
        let length = why.len() + 1;
        format!(
            "HTTP/1.1 {status}\r\n{header}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{why}\n"
        )
        .into_bytes()
    }
}

const fn refusal(status: &'static str, why: &'static str) -> Refusal {
    Refusal { status, header: "", why }
}

const NO_HTTP: Refusal =
    refusal("400 Bad Request", "this port takes WebSocket requests of HTTP/1.1");
const TWICE: Refusal = refusal("400 Bad Request", "a header that may stand once stands twice");
const NO_KEY: Refusal =
    refusal("400 Bad Request", "Sec-WebSocket-Key must be 16 random bytes in base64");
const NO_SIP: Refusal =
    refusal("400 Bad Request", "Sec-WebSocket-Protocol must offer sip (RFC 7118)");
const FOREIGN_PAGE: Refusal = refusal(
    "403 Forbidden",
    "pages of this origin may not connect; the operator lists those that may with --ws-origin",
);
const NO_SUCH_PATH: Refusal = refusal("404 Not Found", "SIP over WebSocket is at / and /ws");
const NO_GET: Refusal = Refusal {
    header: "Allow: GET\r\n",
    ..refusal("405 Method Not Allowed", "WebSocket begins with GET")
};
pub(super) const TOO_SLOW: Refusal =
    refusal("408 Request Timeout", "the request did not come within its time");
const NO_UPGRADE: Refusal = Refusal {
    header: "Upgrade: websocket\r\n",
    ..refusal("426 Upgrade Required", "this port speaks SIP over WebSocket (RFC 7118) only")
};
const NO_SUCH_VERSION: Refusal = Refusal {
    header: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    ..refusal("426 Upgrade Required", "Sec-WebSocket-Version must be 13 (RFC 6455)")
};
const TOO_LONG: Refusal = refusal(
    "431 Request Header Fields Too Large",
    "the request is longer than 8 KiB or 64 headers",
);

const PATHS: [&str; 2] = ["/", "/ws"];
/// Browsers send half a kilobyte, and the cookies of the host.
const MAX_REQUEST_BYTES: usize = 8_192;
const MAX_HEADERS: usize = 64;
/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
