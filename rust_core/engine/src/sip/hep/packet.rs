//! One SIP message as a HEPv3 packet (Homer Encapsulation Protocol, version 3).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

/// What a collector is told of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Captured<'a> {
    pub(super) at: SystemTime,
    pub(super) source: SocketAddr,
    pub(super) target: SocketAddr,
    /// TCP, or what lies above it; otherwise UDP.
    pub(super) is_stream: bool,
    /// The same for all legs of a call.
    pub(super) correlation: Option<&'a [u8]>,
    pub(super) payload: &'a [u8],
}

/// Who tells.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) id: u32,
    pub(super) password: Option<String>,
}

/// Writes the packet; whether it fits into a datagram. `out` is overwritten.
pub(super) fn write(out: &mut Vec<u8>, agent: &Agent, message: &Captured<'_>) -> bool {
    out.clear();
    out.extend_from_slice(b"HEP3\0\0");
    let (source, target) = (message.source.ip().to_canonical(), message.target.ip().to_canonical());
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            chunk(out, IP_FAMILY, &[AF_INET]);
            chunk(out, SOURCE_IPV4, &source.octets());
            chunk(out, TARGET_IPV4, &target.octets());
        }
        _ => {
            chunk(out, IP_FAMILY, &[AF_INET6]);
            chunk(out, SOURCE_IPV6, &as_ipv6(source).octets());
            chunk(out, TARGET_IPV6, &as_ipv6(target).octets());
        }
    }
    chunk(out, IP_PROTOCOL, &[if message.is_stream { TCP } else { UDP }]);
    chunk(out, SOURCE_PORT, &message.source.port().to_be_bytes());
    chunk(out, TARGET_PORT, &message.target.port().to_be_bytes());
    let since = message.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    chunk(out, SECONDS, &(since.as_secs() as u32).to_be_bytes());
    chunk(out, MICROSECONDS, &since.subsec_micros().to_be_bytes());
    chunk(out, PROTOCOL, &[SIP]);
    chunk(out, AGENT_ID, &agent.id.to_be_bytes());
    if let Some(password) = &agent.password {
        chunk(out, AUTH_KEY, password.as_bytes());
    }
    if let Some(correlation) = message.correlation {
        chunk(out, CORRELATION, correlation);
    }
    if out.len() + CHUNK_HEAD + message.payload.len() > MAX_DATAGRAM {
        return false;
    }
    chunk(out, PAYLOAD, message.payload);
    let length = (out.len() as u16).to_be_bytes();
    out[4..6].copy_from_slice(&length);
    true
}

/// Vendor 0 (the generic chunks), type, length with this head, value.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&((CHUNK_HEAD + value.len()) as u16).to_be_bytes());
    out.extend_from_slice(value);
}

fn as_ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

const CHUNK_HEAD: usize = 6;
/// What a UDP datagram over IPv4 holds.
const MAX_DATAGRAM: usize = 65_507;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const UDP: u8 = 17;
const TCP: u8 = 6;
const SIP: u8 = 1;
const IP_FAMILY: u16 = 0x01;
const IP_PROTOCOL: u16 = 0x02;
const SOURCE_IPV4: u16 = 0x03;
const TARGET_IPV4: u16 = 0x04;
const SOURCE_IPV6: u16 = 0x05;
const TARGET_IPV6: u16 = 0x06;
const SOURCE_PORT: u16 = 0x07;
const TARGET_PORT: u16 = 0x08;
const SECONDS: u16 = 0x09;
const MICROSECONDS: u16 = 0x0a;
const PROTOCOL: u16 = 0x0b;
const AGENT_ID: u16 = 0x0c;
const AUTH_KEY: u16 = 0x0e;
const PAYLOAD: u16 = 0x0f;
const CORRELATION: u16 = 0x11;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Each chunk once, with nothing between, before or behind.
    fn read(mut packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        packet = &packet[6..];
        let mut chunks = BTreeMap::new();
        while !packet.is_empty() {
            let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
            let (vendor, kind, length) = (number(0), number(2), usize::from(number(4)));
            assert_eq!(vendor, 0);
            assert_eq!(chunks.insert(kind, packet[6..length].to_vec()), None);
            packet = &packet[length..];
        }
        chunks
    }

    fn captured<'a>(source: &str, target: &str, payload: &'a [u8]) -> Captured<'a> {
        Captured {
            at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_000_000_123_456),
            source: source.parse().unwrap(),
            target: target.parse().unwrap(),
            is_stream: false,
            correlation: Some(b"first leg"),
            payload,
        }
    }

    #[test]
    fn every_chunk_says_what_it_should() {
        let agent = Agent { id: 2001, password: Some("geheim".into()) };
        let mut out = vec![1; 9];
        assert!(write(&mut out, &agent, &captured("192.0.2.1:5062", "192.0.2.9:5060", b"BYE")));
        let expected: [(u16, &[u8]); 13] = [
            (IP_FAMILY, &[2]),
            (IP_PROTOCOL, &[17]),
            (SOURCE_IPV4, &[192, 0, 2, 1]),
            (TARGET_IPV4, &[192, 0, 2, 9]),
            (SOURCE_PORT, &5062_u16.to_be_bytes()),
            (TARGET_PORT, &5060_u16.to_be_bytes()),
            (SECONDS, &1_795_000_000_u32.to_be_bytes()),
            (MICROSECONDS, &123_456_u32.to_be_bytes()),
            (PROTOCOL, &[1]),
            (AGENT_ID, &2001_u32.to_be_bytes()),
            (AUTH_KEY, b"geheim"),
            (PAYLOAD, b"BYE"),
            (CORRELATION, b"first leg"),
        ];
        let expected = expected.map(|(kind, value)| (kind, value.to_vec()));
        assert_eq!(read(&out), BTreeMap::from(expected));
    }

    #[test]
    fn addresses_of_two_families_are_both_ipv6_and_mapped_ones_ipv4() {
        let agent = Agent { id: 1, password: None };
        let mut out = Vec::new();
        let message = captured("[2001:db8::1]:5060", "192.0.2.9:5060", b"x");
        assert!(write(&mut out, &agent, &Captured { is_stream: true, ..message }));
        let chunks = read(&out);
        assert_eq!((&chunks[&IP_FAMILY], &chunks[&IP_PROTOCOL]), (&vec![10], &vec![6]));
        assert_eq!(chunks[&TARGET_IPV6][10..], [255, 255, 192, 0, 2, 9]);
        assert!(!chunks.contains_key(&AUTH_KEY));
        let message = captured("[::ffff:192.0.2.1]:5060", "192.0.2.9:5060", b"x");
        assert!(write(&mut out, &agent, &message));
        assert_eq!(read(&out)[&SOURCE_IPV4], [192, 0, 2, 1]);
    }

    #[test]
    fn what_no_datagram_holds_is_not_written() {
        let agent = Agent { id: 1, password: None };
        let mut out = Vec::new();
        let long = vec![b'x'; 65_536];
        assert!(!write(&mut out, &agent, &captured("192.0.2.1:1", "192.0.2.9:2", &long)));
        let fits = captured("192.0.2.1:1", "192.0.2.9:2", &long[..65_000]);
        assert!(write(&mut out, &agent, &fits));
        assert_eq!(read(&out)[&PAYLOAD].len(), 65_000);
    }
}
