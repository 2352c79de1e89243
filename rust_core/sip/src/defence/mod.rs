//! What somebody may cost us.

mod bucket;
mod guesses;
mod source;

pub use source::source_of;

pub(crate) use bucket::{Bucket, Rate};
pub(crate) use guesses::{Guess, Guesses};
