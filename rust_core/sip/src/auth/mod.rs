//! Digest authentication (RFC 7616, RFC 8760), both sides.

mod client;
mod digest;
mod server;

pub(crate) use client::realm_of;
pub use client::{ClientDigest, Credentials};
#[cfg(test)]
pub(crate) use digest::hashes;
pub(crate) use digest::note_hash;
pub use digest::{Algorithm, ha1};
pub use server::{Challenger, Secrets, Verdict};
