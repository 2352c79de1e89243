//! RTP and what travels in it, as deterministic machines.
//!
//! Nothing here opens a socket, starts a thread or reads a clock. A machine takes input by `handle_*`,
//! with the time as an argument, and is drained by `poll_*` until it has nothing more to say.

pub mod dtmf;
pub mod error;
pub mod params;
pub mod quality;
pub mod rtp;
