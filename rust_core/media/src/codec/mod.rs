//! Sound in bytes and back.

mod g711;

pub use g711::Law;
