//! Where media of a leg come from, and so where ours may go.
//!
//! Signalling names an address, and only what comes from there counts. A far end behind NAT cannot know its address: for
//! it alone, another source can be learned, from few packets that make a stream, once. Then the source is frozen until
//! signalling changes. Nothing is ever sent to an address that was neither signalled nor learned.

mod rtcp_source;
mod rtp_source;

pub use rtcp_source::RtcpSource;
pub use rtp_source::{Lesson, RtpSource};

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address of one host, that can be sent to.
fn usable(address: SocketAddr) -> Option<SocketAddr> {
    let ip = address.ip().to_canonical();
    let is_one_host =
        !(ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST));
    (is_one_host && address.port() != 0).then_some(address)
}
