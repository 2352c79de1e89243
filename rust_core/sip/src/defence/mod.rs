//! What somebody may cost us.

mod bucket;
mod source;

pub use source::source_of;

pub(crate) use bucket::{Bucket, Rate};
