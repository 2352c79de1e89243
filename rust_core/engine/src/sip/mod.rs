//! The SIP thread: sockets, the endpoint, and the joints between legs and their media.

mod connection;
mod connections;
mod dns;
mod hep;
mod joints;
mod obey;
mod resolver;
mod setup;
mod shared;
mod sockets;
mod tap;
mod thread;
mod tls;
mod trace;

pub(crate) use shared::{Input, Shared};
pub(crate) use thread::SipThread;
pub use trace::TracedMessage;
