//! The torture messages of RFC 4475 and RFC 5118: what we read of each, and what the endpoint answers.
//!
//! Each message carries what its section is about, in surroundings of our own. A test is named after its section.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod application;
mod desk;
mod ipv6;
mod syntax_refused;
mod syntax_taken;
