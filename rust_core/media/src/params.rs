//! What signalling tells the media of a leg.

use std::net::{IpAddr, SocketAddr};

/// What was agreed for the one audio stream of a leg. Given again after each offer and answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MediaParams {
    /// Where the far end says that it receives RTP. An unspecified address or port 0 receives nothing.
    pub rtp: SocketAddr,
    /// Where it says that it receives RTCP.
    pub rtcp: SocketAddr,
    /// Where a far end behind NAT really is: the source address of its signalling, if that is not the address of `rtp`.
    /// With it, another source than `rtp` can be learned; with `None`, media come from `rtp` or not at all.
    pub behind_nat: Option<IpAddr>,
    /// Sound, the preferred first. Of more than `MAX_TYPES`, with `events`, the last are ignored.
    pub codecs: Vec<CodecParams>,
    /// Telephone events (RFC 4733), one per clock rate.
    pub events: Vec<CodecParams>,
    /// Whether we may send to the far end.
    pub sending: bool,
    /// Whether the far end may send to us.
    pub receiving: bool,
}

/// One payload format and the numbers by which the two sides call it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CodecParams {
    /// Encoding name as in SDP; compared without regard to case.
    pub name: String,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Channels.
    pub channels: u8,
    /// Payload type of packets that we send, 0..=127.
    pub send_type: u8,
    /// Payload type of packets that we receive, 0..=127.
    pub receive_type: u8,
    /// Format parameters that make another payload of the encoding, in one spelling; "" for most.
    pub variant: String,
}

/// Payload types of one leg, sound and events together.
pub const MAX_TYPES: usize = 16;

impl CodecParams {
    /// How surely packets of this format are understood as `other`: the least is the surest, `None` is not at all.
    ///
    /// Legs that were offered the same formats know them by the same numbers; one of them may have answered with other
    /// parameters.
    pub fn likeness(&self, other: &Self) -> Option<u8> {
        let is_encoding = self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels;
        match (self.variant == other.variant, self.receive_type == other.receive_type) {
            _ if !is_encoding => None,
            (true, true) => Some(0),
            (true, false) => Some(1),
            (false, true) => Some(2),
            (false, false) => None,
        }
    }
}
