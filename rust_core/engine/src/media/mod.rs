//! The media side of the engine: ports, shard threads, the writer of recordings.
//!
//! A shard is one thread that owns the sockets of its legs; a call lives wholly in one shard, so nothing on the path
//! of a packet takes a lock. Commands go in by a queue and a wake-up, events come out through the sink given at start.

mod command;
mod counts;
mod event;
mod hearing;
mod inbox;
mod leg;
mod pace;
mod packets;
mod pool;
mod random;
mod reports;
mod ring;
mod shard;
mod shards;
mod ticking;
mod wheel;
mod writer;

pub use command::{MediaLeg, Source};
pub use event::{EventSink, MediaEvent, MediaEventKind};
pub use pool::{Lease, PortPool, pairs_in};
pub use shards::{Driver, MediaOptions, MediaShards, OtherShard};
