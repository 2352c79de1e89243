//! What somebody may cost us.

mod bucket;
mod guesses;
mod source;

pub use source::source_of;

pub(crate) use bucket::{Bucket, Rate};
#[cfg(test)]
pub(crate) use guesses::MAX_SOURCES;
pub(crate) use guesses::{Guess, Guesses};
