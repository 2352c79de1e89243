//! The SIP thread: sockets, the endpoint, and the joints between legs and their media.

mod connections;
mod joints;
mod obey;
mod resolver;
mod setup;
mod thread;

pub(crate) use thread::{Input, Shared, SipThread};
