//! The one error type of the crate: what a packet from the network got wrong.

use std::fmt;

/// What the peer's packet got wrong. Never fatal: it is counted and the packet dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PeerError {
    /// Fewer bytes than the header says.
    Truncated {
        /// Bytes the header needs.
        expected: usize,
        /// Bytes received.
        actual: usize,
    },
    /// The version is not 2 (RFC 3550 §5.1, §6.4.1).
    UnsupportedVersion(u8),
    /// The padding is longer than the payload, or is zero bytes long (RFC 3550 §5.1).
    BadPadding(u8),
    /// Not the start of a compound RTCP packet (RFC 3550 §6.1).
    NotRtcp(u8),
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { expected, actual } => {
                write!(f, "packet truncated: {actual} of {expected} bytes")
            }
            Self::UnsupportedVersion(version) => write!(f, "RTP version {version}"),
            Self::BadPadding(len) => write!(f, "padding of {len} bytes"),
            Self::NotRtcp(packet_type) => write!(f, "RTCP packet type {packet_type} comes first"),
        }
    }
}

impl std::error::Error for PeerError {}
