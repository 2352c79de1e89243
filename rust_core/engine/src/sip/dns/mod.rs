//! Asks name servers (RFC 1035): over UDP, repeated, and over TCP where an answer is cut short. Blocks; for a thread of its
//! own.
//!
//! What comes back is believed only from the server that was asked, to the port that it was asked from, with the number
//! and the question that it was asked: a stranger would have to guess two random numbers of 16 bits.

mod client;
mod files;

pub(crate) use client::{Dns, Fault};
pub(crate) use files::hosts_file;

use std::net::SocketAddr;
use std::time::Duration;

/// Records of one kind, and for how long they hold. None: there are none, by the word of a name server.
#[derive(Debug, PartialEq)]
pub(crate) struct Found<T> {
    pub(crate) records: Vec<T>,
    pub(crate) holds: Duration,
}

/// One server of a service (RFC 2782).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Service {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    /// "" where there is decidedly no such service.
    pub(crate) target: String,
}

/// The port of name servers.
pub(crate) const DNS_PORT: u16 = 53;

/// Which name servers are asked.
#[derive(Clone, Debug)]
pub(crate) enum NameServers {
    /// Those that this host is set up with; looked up before each round.
    OfHost,
    /// These.
    These(Vec<SocketAddr>),
}

#[cfg(test)]
pub(crate) mod tests;
