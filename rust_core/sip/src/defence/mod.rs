//! What somebody may cost us.

mod bans;
mod bucket;
mod buckets;
mod guesses;
mod source;
mod strangers;
mod suspects;

pub use bans::BanTimes;
pub use source::source_of;

pub(crate) use bans::{Ban, Bans};
pub(crate) use bucket::{Bucket, Rate};
pub(crate) use buckets::Buckets;
pub(crate) use guesses::Guesses;
pub(crate) use strangers::{Offence, Strangers};
pub(crate) use suspects::{Suspect, Suspects};
