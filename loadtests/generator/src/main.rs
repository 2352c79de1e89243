//! RTP load generator.
fn main() {}
