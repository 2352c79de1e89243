//! The only threads, sockets and clock of Rust.

pub mod media;
