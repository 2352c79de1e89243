//! Where media of a leg come from, and so where ours may go.
//!
//! Signalling names an address, and only what comes from there counts. A far end behind NAT cannot know its address:
//! for it alone, another source can be learned, from few packets, once. Then the source is frozen until signalling
//! changes. Nothing is ever sent to an address that was neither signalled nor learned.

mod rtcp_source;
mod rtp_source;

pub use rtcp_source::RtcpSource;
pub use rtp_source::{Lesson, RtpSource};

use std::net::SocketAddr;

/// An address that can be sent to.
fn usable(address: SocketAddr) -> Option<SocketAddr> {
    (!address.ip().is_unspecified() && address.port() != 0).then_some(address)
}
