//! What every packet of a leg touches, and nothing else: small enough to stay in the cache for thousands of legs.

mod hot;
mod types;

pub use hot::{Discard, Heard, Session};
pub use types::{Format, Route, Types};
