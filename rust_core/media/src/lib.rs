//! RTP and what travels in it, as deterministic machines.
//!
//! Nothing here opens a socket, starts a thread or reads a clock. A machine takes input by `handle_*`,
//! with the time as an argument, and is drained by `poll_*` until it has nothing more to say.

pub mod codec;
pub mod dtmf;
pub mod error;
pub mod learn;
pub mod params;
pub mod play;
pub mod quality;
pub mod record;
pub mod rtcp;
pub mod rtp;
pub mod session;
