//! Reads a message (RFC 3261 §7, §18.3), saying what is wrong and what was understood all the same.

use bytes::Bytes;

use super::header::{HeaderName, Headers};
use super::message::{CSeq, Message, Method, Request, Response};
use super::text::trim;
use super::{Address, Uri, Via};

/// Bounds, checked before anything is allocated.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a whole message.
    pub message: usize,
    /// Header lines.
    pub headers: usize,
    /// Bytes of the Request-URI.
    pub uri: usize,
    /// Bytes of the Call-ID.
    pub call_id: usize,
    /// Whether the body ends where Content-Length says and not with the datagram.
    pub is_stream: bool,
}

impl Limits {
    /// For a message that is one datagram: a missing Content-Length means all the rest.
    pub const DATAGRAM: Self =
        Self { message: 65_536, headers: 256, uri: 2048, call_id: 256, is_stream: false };
    /// For a message cut out of a stream.
    pub const STREAM: Self = Self { is_stream: true, ..Self::DATAGRAM };
}

/// A message that cannot be taken as meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// What is wrong, with its section.
    pub why: &'static str,
    /// What to answer if it was a request: 400, 414, 505, 513.
    pub status: u16,
    /// What was understood of a request, if a response to it could find its way.
    pub partial: Option<Box<Request>>,
}

/// Reads one message.
pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Message, Malformed> {
    let plain = |why, status| Malformed { why, status, partial: None };
    if bytes.len() > limits.message {
        return Err(plain("message longer than we take", 513));
    }
    let lead = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let mut lines = Lines { bytes: bytes.slice(lead..), at: 0 };
    let start = lines.next_line().ok_or(plain("RFC 3261 §7: no start line", 400))?;
    let start = std::str::from_utf8(&start)
        .map_err(|_| plain("RFC 3261 §7.1: start line is not UTF-8", 400))?
        .to_owned();
    if let Some(rest) = start.strip_prefix("SIP/2.0 ") {
        let (status, reason) =
            parse_status_line(rest).ok_or(plain("RFC 3261 §7.2: status line", 400))?;
        let headers = parse_headers(&mut lines, limits).map_err(|(why, ..)| plain(why, 400))?;
        check_common(&headers, limits).map_err(|why| plain(why, 400))?;
        let body = body_of(&headers, lines.rest(), limits).map_err(|why| plain(why, 400))?;
        return Ok(Message::Response(Response { status, reason, headers, body }));
    }
    let line = parse_request_line(&start, limits);
    let (headers, header_fault) = match parse_headers(&mut lines, limits) {
        Ok(headers) => (headers, None),
        Err((why, status, headers)) => (headers, Some((why, status))),
    };
    let (method, uri) = match &line {
        Ok((method, uri)) => (Method::parse(method), (*uri).to_owned()),
        Err(_) => (Method::parse(start.split_whitespace().next().unwrap_or("")), String::new()),
    };
    let mut request = Request { method, uri, headers, body: Bytes::new() };
    let fault = line.err().or(header_fault).or_else(|| check_request(&request, limits).err());
    let fault = match fault {
        Some(fault) => fault,
        None => match body_of(&request.headers, lines.rest(), limits) {
            Ok(body) => {
                request.body = body;
                return Ok(Message::Request(request));
            }
            Err(why) => (why, 400),
        },
    };
    let partial = is_answerable(&request).then(|| Box::new(request));
    Err(Malformed { why: fault.0, status: fault.1, partial })
}

type Fault = (&'static str, u16);

struct Lines {
    bytes: Bytes,
    at: usize,
}

impl Lines {
    /// The next line without its end (CRLF, or a bare LF); `None` when the message ends before a line does.
    fn next_line(&mut self) -> Option<Bytes> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&b| b == b'\n')?;
        let line = &rest[..length];
        let line = self.bytes.slice_ref(line.strip_suffix(b"\r").unwrap_or(line));
        self.at += length + 1;
        Some(line)
    }

    fn starts_folded(&self) -> bool {
        matches!(self.bytes.get(self.at), Some(b' ' | b'\t'))
    }

    fn rest(&self) -> Bytes {
        self.bytes.slice(self.at..)
    }
}

fn parse_status_line(rest: &str) -> Option<(u16, String)> {
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = status.parse::<u16>().ok().filter(|s| (100..700).contains(s))?;
    Some((status, reason.chars().filter(|c| !c.is_ascii_control()).collect()))
}

fn parse_request_line<'a>(line: &'a str, limits: &Limits) -> Result<(&'a str, &'a str), Fault> {
    const FAULT: Fault = ("RFC 3261 §7.1: request line", 400);
    let mut words = line.split(' ');
    let (Some(method), Some(uri), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Err(FAULT);
    };
    if words.next().is_some()
        || method.is_empty()
        || uri.is_empty()
        || !method.bytes().all(is_token)
    {
        return Err(FAULT);
    }
    match version.split_once('/') {
        Some((name, "2.0")) if name.eq_ignore_ascii_case("SIP") => {}
        Some((name, number)) if name.eq_ignore_ascii_case("SIP") && number.contains('.') => {
            return Err(("RFC 3261 §21.5.6: version not supported", 505));
        }
        _ => return Err(FAULT),
    }
    if uri.len() > limits.uri {
        return Err(("RFC 3261 §21.4.12: Request-URI too long", 414));
    }
    let is_clean = |c: char| !c.is_control() && !"<>\"".contains(c);
    if !uri.chars().all(is_clean) || !uri.contains(':') {
        return Err(("RFC 3261 §25.1: Request-URI", 400));
    }
    Ok((method, uri))
}

fn parse_headers(
    lines: &mut Lines,
    limits: &Limits,
) -> Result<Headers, (&'static str, u16, Headers)> {
    let mut headers = Headers::new();
    let mut fault = None;
    loop {
        let Some(mut line) = lines.next_line() else {
            return Err(("RFC 3261 §7: no empty line after the header", 400, headers));
        };
        if line.is_empty() {
            break;
        }
        if lines.starts_folded() {
            // RFC 3261 §7.3.1: a folded line is one line with a space where it was folded.
            let mut whole = line.to_vec();
            while lines.starts_folded() {
                let Some(more) = lines.next_line() else { break };
                whole.push(b' ');
                whole.extend_from_slice(trim(&more));
            }
            line = whole.into();
        }
        if headers.len() == limits.headers {
            return Err(("more header lines than we take", 513, headers));
        }
        let colon = line.iter().position(|&b| b == b':');
        let name = colon.map(|colon| line[..colon].trim_ascii_end());
        match (name, colon) {
            (Some(name), Some(colon)) if !name.is_empty() && name.iter().all(|&b| is_token(b)) => {
                let value = line.slice_ref(trim(&line[colon + 1..]));
                headers.push(HeaderName::parse(name), value);
            }
            _ => fault = Some("RFC 3261 §7.3: header line"),
        }
    }
    match fault {
        Some(why) => Err((why, 400, headers)),
        None => Ok(headers),
    }
}

fn check_request(request: &Request, limits: &Limits) -> Result<(), Fault> {
    check_common(&request.headers, limits).map_err(|why| (why, 400))?;
    let cseq = request.cseq().ok_or(("RFC 3261 §20.16: CSeq", 400))?;
    if cseq.method != request.method {
        return Err(("RFC 3261 §8.1.1.5: CSeq names another method", 400));
    }
    let sip = request.uri.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("sip:"))
        || request.uri.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("sips:"));
    if sip {
        let uri = Uri::parse(&request.uri).ok_or(("RFC 3261 §19.1: Request-URI", 400))?;
        if uri.headers.is_some() {
            return Err(("RFC 3261 §19.1.1: headers in the Request-URI", 400));
        }
    }
    if let Some(hops) = request.headers.line(&HeaderName::MaxForwards) {
        number(hops).filter(|&hops| hops <= 255).ok_or(("RFC 3261 §20.22: Max-Forwards", 400))?;
    }
    if let Some(date) = request.headers.text(&HeaderName::Date)
        && !date.trim_end().ends_with("GMT")
    {
        return Err(("RFC 3261 §20.17: Date is not GMT", 400));
    }
    for contact in request.headers.values(&HeaderName::Contact) {
        if contact != "*"
            && Address::parse(&contact)
                .is_none_or(|a| a.uri.is_empty() || has_bare_question(&contact))
        {
            return Err(("RFC 3261 §20.10: Contact", 400));
        }
    }
    Ok(())
}

/// RFC 3261 §20.10: an address with a question mark must stand in brackets.
fn has_bare_question(contact: &[u8]) -> bool {
    !contact.contains(&b'<') && contact.contains(&b'?')
}

fn check_common(headers: &Headers, limits: &Limits) -> Result<(), &'static str> {
    let once = |name: HeaderName| headers.lines(&name).count() <= 1;
    if !(once(HeaderName::From)
        && once(HeaderName::To)
        && once(HeaderName::CallId)
        && once(HeaderName::CSeq))
    {
        return Err("RFC 3261 §7.3.1: a field that may stand once stands twice");
    }
    let from = headers.line(&HeaderName::From).ok_or("RFC 3261 §8.1.1: no From")?;
    let to = headers.line(&HeaderName::To).ok_or("RFC 3261 §8.1.1: no To")?;
    for (value, why) in [(from, "RFC 3261 §20.20: From"), (to, "RFC 3261 §20.39: To")] {
        let address = Address::parse(value).ok_or(why)?;
        if !address.uri.contains(':') || address.uri.contains(['"', '<', ' ']) {
            return Err(why);
        }
    }
    let call_id = headers.line(&HeaderName::CallId).ok_or("RFC 3261 §8.1.1: no Call-ID")?;
    if call_id.is_empty() || call_id.len() > limits.call_id {
        return Err("RFC 3261 §20.8: Call-ID");
    }
    if headers.line(&HeaderName::CSeq).and_then(|value| CSeq::parse(value)).is_none() {
        return Err("RFC 3261 §20.16: CSeq");
    }
    let mut vias = headers.values(&HeaderName::Via).peekable();
    vias.peek().ok_or("RFC 3261 §8.1.1: no Via")?;
    if !vias.all(|via| Via::parse(&via).is_some()) {
        return Err("RFC 3261 §20.42: Via");
    }
    Ok(())
}

fn body_of(headers: &Headers, rest: Bytes, limits: &Limits) -> Result<Bytes, &'static str> {
    let mut lengths = headers.lines(&HeaderName::ContentLength);
    let Some(first) = lengths.next() else {
        return if limits.is_stream {
            Err("RFC 3261 §18.3: no Content-Length in a stream")
        } else {
            Ok(rest)
        };
    };
    let length = number(first).ok_or("RFC 3261 §20.14: Content-Length")? as usize;
    if lengths.any(|other| number(other) != Some(length as u64)) {
        return Err("RFC 3261 §20.14: two different Content-Length");
    }
    if length > rest.len() {
        return Err("RFC 3261 §18.3: body shorter than Content-Length");
    }
    Ok(rest.slice(..length))
}

/// Whether a response to it could find its way home. The other fields are copied if they are there (RFC 4475 §3.3.1).
fn is_answerable(request: &Request) -> bool {
    let via = request.headers.values(&HeaderName::Via).next();
    via.is_some_and(|via| Via::parse(&via).is_some()) && request.method != Method::Ack
}

/// An unsigned number of at most ten digits.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let is_number =
        !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// RFC 3261 §25.1: token.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}
