//! What is said of a call before its final answer (RFC 3261 §13.2.2.1, RFC 3262).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::endpoint::LegId;

/// The answer of a dialled leg that came before the final one.
#[derive(Debug)]
pub(crate) struct Early {
    /// Of the fork that gave it.
    pub(crate) tag: String,
    /// Its description.
    pub(crate) body: Bytes,
    /// Whether it came reliably: only then it is *the* answer, and another offer may follow it (RFC 3262 §5).
    pub(crate) is_reliable: bool,
    /// Whether an UPDATE has changed what it says: then the final answer says nothing new.
    pub(crate) is_updated: bool,
}

/// Whether a caller knows reliable provisional responses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rel100 {
    /// It doesn't say so.
    Unknown,
    /// It takes them: those that carry a description are sent so.
    Supported,
    /// It takes no others.
    Required,
}

/// The reliable provisional responses to one INVITE. One at a time is on its way: the next one waits for its PRACK.
#[derive(Debug)]
pub(crate) struct Reliable {
    /// Number of the newest, 1..2^31 at first.
    pub(crate) rseq: u32,
    /// The newest, until its PRACK.
    pub(crate) unacknowledged: Option<Unpracked>,
    /// What is to be said next.
    pub(crate) next: Option<Provisional>,
    /// The final answer that waits: like which leg, and where its sound is received. No 2xx may overtake a description
    /// (RFC 3262 §3).
    pub(crate) answer: Option<(Option<LegId>, SocketAddr)>,
}

/// A reliable response that is repeated until its PRACK comes.
#[derive(Debug)]
pub(crate) struct Unpracked {
    pub(crate) bytes: Bytes,
    pub(crate) has_description: bool,
    pub(crate) pause: Duration,
    /// When it is repeated next; a timer that comes earlier belonged to another one.
    pub(crate) next: Instant,
    pub(crate) until: Instant,
}

/// What a provisional response says.
#[derive(Clone, Debug)]
pub(crate) struct Provisional {
    /// 180 or 183.
    pub(crate) status: u16,
    /// A session description; empty for none.
    pub(crate) body: Bytes,
}
