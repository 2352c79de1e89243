//! The Via field (RFC 3261 §20.42, RFC 3581).

use std::net::SocketAddr;

use super::address::{Params, has_open_quote, split_outside_quotes};
use super::parse::is_token;
use super::uri::split_host_port;

/// One Via value, borrowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Via<'a> {
    /// "UDP", "TCP", … as written.
    pub transport: &'a str,
    /// Who sent it: host and port as written.
    pub sent_by: &'a str,
    /// Host of `sent_by`.
    pub host: &'a str,
    /// Port of `sent_by`.
    pub port: Option<u16>,
    /// branch, received, rport, …
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value; `None` if it breaks the grammar beyond meaning.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        // A bracket, which no Via has, would hide the comma behind which the next one begins.
        if has_open_quote(text) || text.contains(['<', '>']) {
            return None;
        }
        let (front, params) = text.split_once(';').unwrap_or((text, ""));
        // "SIP / 2.0 / UDP host : port": white space is allowed around each slash and colon.
        let mut parts = front.splitn(3, '/');
        let name = parts.next()?.trim();
        let version = parts.next()?.trim();
        let (transport, sent_by) =
            parts.next()?.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        let are_tokens = [version, transport].iter().all(|word| word.bytes().all(is_token));
        if !name.eq_ignore_ascii_case("SIP") || version.is_empty() || !are_tokens {
            return None;
        }
        let sent_by = sent_by.trim();
        let (host, port) = split_host_port(sent_by)?;
        Some(Self { transport, sent_by, host, port, params: Params(params) })
    }

    /// The branch, if it is one of RFC 3261 (magic cookie, §8.1.1.7).
    pub fn branch(&self) -> Option<&'a str> {
        self.params
            .value("branch")
            .filter(|branch| branch.len() > 7)
            .filter(|branch| branch.as_bytes()[..7].eq_ignore_ascii_case(b"z9hG4bK"))
    }
}

/// The top Via with `received` and `rport` filled in (RFC 3261 §18.2.1, RFC 3581 §4): always, so that phones behind
/// NAT learn how they are seen.
pub(crate) fn with_source(line: &str, source: SocketAddr) -> String {
    let (front, params) = line.split_once(';').unwrap_or((line, ""));
    let mut out = front.trim_end().to_owned();
    let mut wants_port = false;
    for (name, _) in Params(params).iter() {
        if name.eq_ignore_ascii_case("rport") {
            wants_port = true;
        }
    }
    for part in split_outside_quotes(params, ';').map(str::trim).filter(|part| !part.is_empty()) {
        let name = part.split('=').next().unwrap_or(part).trim();
        if !name.eq_ignore_ascii_case("rport") && !name.eq_ignore_ascii_case("received") {
            out.push(';');
            out.push_str(part);
        }
    }
    out.push_str(&format!(";received={}", source.ip()));
    if wants_port {
        out.push_str(&format!(";rport={}", source.port()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_white_space_is_read() {
        let via = Via::parse(b"SIP  / 2.0\t/ UDP  192.0.2.2 : 5070 ; branch=z9hG4bKx").unwrap();
        assert_eq!((via.transport, via.host, via.port), ("UDP", "192.0.2.2", Some(5070)));
        assert_eq!(via.branch(), Some("z9hG4bKx"));
    }

    #[test]
    fn a_branch_may_be_no_ascii() {
        assert_eq!(Via::parse("SIP/2.0/UDP a;branch=z9hG4bа".as_bytes()).unwrap().branch(), None);
        let branch = "z9hG4bKа";
        let via = format!("SIP/2.0/UDP a;branch={branch}");
        assert_eq!(Via::parse(via.as_bytes()).unwrap().branch(), Some(branch));
    }

    #[test]
    fn quotes_must_close_and_keep_what_they_hold() {
        assert_eq!(Via::parse(b"SIP/2.0/UDP a;x=\"y"), None);
        assert_eq!(Via::parse(b"SIP/2.0/UDP a;received=<1"), None);
        let source = "203.0.113.7:4711".parse().unwrap();
        assert_eq!(
            with_source("SIP/2.0/UDP a;x=\"y;received=1\"", source),
            "SIP/2.0/UDP a;x=\"y;received=1\";received=203.0.113.7"
        );
    }

    #[test]
    fn the_source_is_written_in() {
        let source = "203.0.113.7:4711".parse().unwrap();
        assert_eq!(
            with_source("SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1;received=1.2.3.4", source),
            "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;received=203.0.113.7;rport=4711"
        );
    }
}
