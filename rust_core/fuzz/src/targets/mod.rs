//! One target per parser: what it takes, and what must hold whatever it takes.

mod endpoint;
mod media;
mod sip;
mod websocket;

use std::hash::{DefaultHasher, Hash, Hasher as _};

/// A parser to be broken.
#[derive(Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs one input and tells how it was understood. Panics where something doesn't hold.
    pub run: fn(&[u8]) -> u64,
    /// Inputs that are right, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const ALL: [Target; 13] = [
    Target { name: "message", run: sip::message, seeds: sip::message_seeds },
    Target { name: "trace", run: sip::trace, seeds: sip::trace_seeds },
    Target { name: "stream", run: sip::stream, seeds: sip::message_seeds },
    Target { name: "websocket", run: websocket::run, seeds: websocket::seeds },
    Target { name: "uri", run: sip::uri, seeds: sip::uri_seeds },
    Target { name: "address", run: sip::address, seeds: sip::address_seeds },
    Target { name: "via", run: sip::via, seeds: sip::via_seeds },
    Target { name: "sdp", run: sip::sdp, seeds: sip::sdp_seeds },
    Target { name: "digest", run: sip::digest, seeds: sip::digest_seeds },
    Target { name: "endpoint", run: endpoint::run, seeds: endpoint::seeds },
    Target { name: "rtp", run: media::rtp, seeds: media::rtp_seeds },
    Target { name: "rtcp", run: media::rtcp, seeds: media::rtcp_seeds },
    Target { name: "keys", run: media::keys, seeds: media::keys_seeds },
];

/// Two inputs with the same shape were understood in the same way.
fn shape(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A number's order of size: shapes shall not differ in every length.
fn size(number: usize) -> u32 {
    number.checked_ilog2().map_or(0, |log| log + 1)
}
