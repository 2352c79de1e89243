//! What two sides agree on to speak (RFC 3264, RFC 8866). Audio over RTP/AVP; everything else is refused with port 0.

mod agree;
mod codec;
mod sdp;

pub use agree::{Agreed, AgreedCodec, MAX_AGREED, Refused, accept_answer, answer, bounded, offer};
pub use codec::{Codec, own_codecs, permitted};
pub use sdp::{Direction, MediaLine, SessionDescription};

use std::net::SocketAddr;

/// Our side of a session: what stays the same over its offers and answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session {
    /// Number of the session in the o= line.
    pub id: u64,
    /// Counts up with every description that we write.
    pub version: u64,
    /// Where we receive RTP.
    pub rtp: SocketAddr,
}
