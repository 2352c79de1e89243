//! Requests over UDP that are larger than every path carries whole.

use bytes::Bytes;

use super::{Flow, Transport};
use crate::wire::Request;

/// A request as it is sent over `flow`. Over UDP a large one is written as briefly as it can be.
///
/// Deviation: RFC 3261 §18.1.1 wants TCP for requests of more than 1300 bytes. Our peers are reached as they registered
/// or as is written of a trunk, and many speak UDP alone; their networks put fragments together.
pub(super) fn bytes_of(request: &Request, flow: Flow) -> Bytes {
    let bytes = request.to_bytes();
    match flow.transport {
        Transport::Udp if bytes.len() > SURE_BYTES => request.to_compact_bytes(),
        _ => bytes,
    }
}

/// Whether these bytes can be sent over `flow` at all.
pub(super) fn fits(bytes: &Bytes, flow: Flow) -> bool {
    flow.transport != Transport::Udp || bytes.len() <= MAX_BYTES
}

/// Why a request that does not fit is not sent.
pub(super) const TOO_LARGE: &str = "larger than a datagram can be";
/// RFC 3261 §18.1.1: what no path is expected to break up.
const SURE_BYTES: usize = 1_300;
/// What IP leaves of 65,535 bytes to a datagram: IPv4 and IPv6 headers, and UDP's (RFC 768).
const MAX_BYTES: usize = 65_535 - 40 - 8;
