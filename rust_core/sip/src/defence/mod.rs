//! What somebody may cost us.

mod bucket;

pub(crate) use bucket::{Bucket, Rate};
