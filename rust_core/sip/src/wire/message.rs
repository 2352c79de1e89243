//! Requests and responses (RFC 3261 §7.1, §7.2), and how they are written.

use bytes::Bytes;

use super::header::{HeaderName, Headers};
use super::parse::number as number_of;
use super::via;

/// What a request asks for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[allow(missing_docs, reason = "each is the method it names")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Update,
    Info,
    Prack,
    Refer,
    /// Any other; methods compare with regard to case (RFC 3261 §7.1).
    Other(String),
}

impl Method {
    /// Reads a method.
    pub fn parse(text: &str) -> Self {
        NAMED
            .iter()
            .find(|(_, name)| *name == text)
            .map_or_else(|| Self::Other(text.to_owned()), |(m, _)| m.clone())
    }

    /// The method as it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            named => NAMED.iter().find(|(m, _)| m == named).map_or("", |(_, name)| name),
        }
    }
}

const NAMED: [(Method, &str); 10] = [
    (Method::Invite, "INVITE"),
    (Method::Ack, "ACK"),
    (Method::Bye, "BYE"),
    (Method::Cancel, "CANCEL"),
    (Method::Options, "OPTIONS"),
    (Method::Register, "REGISTER"),
    (Method::Update, "UPDATE"),
    (Method::Info, "INFO"),
    (Method::Prack, "PRACK"),
    (Method::Refer, "REFER"),
];

/// Sequence number and method (RFC 3261 §20.16).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CSeq {
    /// 0..2^31.
    pub number: u32,
    /// The method it counts.
    pub method: Method,
}

impl CSeq {
    /// Reads a value; `None` outside the range or grammar.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        let (number, method) = text.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        let number = u32::try_from(number_of(number.as_bytes())?).ok().filter(|&n| n < 1 << 31)?;
        let method = method.trim();
        (!method.is_empty()).then(|| Self { number, method: Method::parse(method) })
    }
}

/// A request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// What it asks for.
    pub method: Method,
    /// The Request-URI as it came.
    pub uri: String,
    /// Header fields.
    pub headers: Headers,
    /// Body; Content-Length is written from it.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// 100..=699.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Header fields.
    pub headers: Headers,
    /// Body; Content-Length is written from it.
    pub body: Bytes,
}

/// Either of both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Header fields of either.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Appends the message as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.write_to(out),
            Self::Response(response) => response.write_to(out),
        }
    }
}

impl Request {
    /// A request without header fields.
    pub fn new(method: Method, uri: impl Into<String>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::new(), body: Bytes::new() }
    }

    /// Sequence number and method; the parser has checked that they are there.
    pub fn cseq(&self) -> Option<CSeq> {
        self.headers.line(&HeaderName::CSeq).and_then(|value| CSeq::parse(value))
    }

    /// Appends the request as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.write_named(out, HeaderName::as_str);
    }

    /// The request in as few bytes as say the same (RFC 3261 §7.3.3), without the name of the software.
    pub fn to_compact_bytes(&self) -> Bytes {
        let mut brief = self.clone();
        brief.headers.remove(&HeaderName::UserAgent);
        let mut out = Vec::with_capacity(TYPICAL_BYTES + brief.body.len());
        brief.write_named(&mut out, HeaderName::as_compact);
        out.into()
    }

    fn write_named(&self, out: &mut Vec<u8>, named: fn(&HeaderName) -> &str) {
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend(self.uri.bytes().filter(|b| !b.is_ascii_control()));
        out.extend_from_slice(b" SIP/2.0\r\n");
        write_rest(out, &self.headers, &self.body, named);
    }

    /// The request as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(TYPICAL_BYTES);
        self.write_to(&mut out);
        out.into()
    }

    /// A response with what RFC 3261 §8.2.6.2 copies from its request. `tag` is ours, added to To if it has none.
    pub fn response(&self, status: u16, reason: &str, tag: Option<&str>) -> Response {
        let mut headers = Headers::new();
        for (name, value) in self.headers.iter() {
            match name {
                HeaderName::Via | HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {
                    headers.push(name.clone(), value.clone());
                }
                HeaderName::To => {
                    let has_tag = super::Address::parse(value).is_some_and(|to| to.tag().is_some());
                    match tag.filter(|_| !has_tag) {
                        Some(tag) => {
                            let mut tagged = value.to_vec();
                            tagged.extend_from_slice(b";tag=");
                            tagged.extend_from_slice(tag.as_bytes());
                            headers.push(HeaderName::To, tagged);
                        }
                        None => headers.push(HeaderName::To, value.clone()),
                    }
                }
                _ => {}
            }
        }
        Response { status, reason: reason.to_owned(), headers, body: Bytes::new() }
    }

    /// Writes into the top Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn note_source(&mut self, source: std::net::SocketAddr) {
        let Some(line) = self.headers.line(&HeaderName::Via) else { return };
        let mut values = super::split_commas(line).into_iter();
        let Some(top) = values.next() else { return };
        let mut noted = via::with_source(&String::from_utf8_lossy(&top), source).into_bytes();
        for value in values {
            noted.extend_from_slice(b", ");
            noted.extend_from_slice(&value);
        }
        self.headers.replace_first(&HeaderName::Via, noted.into());
    }
}

impl Response {
    /// Sequence number and method.
    pub fn cseq(&self) -> Option<CSeq> {
        self.headers.line(&HeaderName::CSeq).and_then(|value| CSeq::parse(value))
    }

    /// Appends the response as it goes on the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("SIP/2.0 {} ", self.status).as_bytes());
        out.extend(self.reason.bytes().filter(|b| !b.is_ascii_control()));
        out.extend_from_slice(b"\r\n");
        write_rest(out, &self.headers, &self.body, HeaderName::as_str);
    }

    /// The response as it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(TYPICAL_BYTES);
        self.write_to(&mut out);
        out.into()
    }
}

fn write_rest(out: &mut Vec<u8>, headers: &Headers, body: &Bytes, named: fn(&HeaderName) -> &str) {
    for (name, value) in headers.iter().filter(|(name, _)| **name != HeaderName::ContentLength) {
        out.extend_from_slice(named(name).as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    let length = named(&HeaderName::ContentLength);
    out.extend_from_slice(format!("{length}: {}\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(body);
}

/// What a message of a call usually takes.
const TYPICAL_BYTES: usize = 900;

#[cfg(test)]
mod tests {
    use super::super::{Limits, parse};
    use super::*;

    fn invite() -> Request {
        let raw = "INVITE sip:101@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/UDP b\r\nf: <sip:x@h>;tag=1\r\n\
                   To: <sip:101@h>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\nSubject: no\r\n\r\n";
        let Ok(Message::Request(request)) = parse(Bytes::from(raw), &Limits::DATAGRAM) else {
            panic!("valid")
        };
        request
    }

    #[test]
    fn a_response_copies_what_it_must_and_tags_to() {
        let mut request = invite();
        request.note_source("192.0.2.1:9".parse().unwrap());
        let response = request.response(180, "Ringing", Some("us"));
        assert_eq!(response.headers.text(&HeaderName::To), Some("<sip:101@h>;tag=us"));
        assert_eq!(
            response.headers.text(&HeaderName::Via),
            Some("SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1;rport=9, SIP/2.0/UDP b")
        );
        assert_eq!(response.headers.line(&HeaderName::Subject), None);
        assert_eq!(response.cseq(), Some(CSeq { number: 7, method: Method::Invite }));
    }

    #[test]
    fn numbers_out_of_range_are_no_sequence_numbers() {
        assert_eq!(CSeq::parse(b"36893488147419103232 REGISTER"), None);
        assert_eq!(CSeq::parse(b"2147483648 REGISTER"), None);
        assert_eq!(CSeq::parse(b"+7 REGISTER"), None);
        assert!(CSeq::parse(b"2147483647   REGISTER").is_some());
    }
}
