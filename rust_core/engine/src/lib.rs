//! The only threads, sockets and clock of Rust.
//!
//! One thread speaks SIP, a few relay media; `Engine` is how the rest of the world commands them and hears of them.

pub mod media;

mod clock;
mod command;
mod engine;
mod event;
mod options;
mod outbox;
mod sip;
mod sys;

pub use command::{Command, Source};
pub use engine::Engine;
pub use event::{Event, LegEnded, What};
pub use options::{Hep, Options, TlsFiles};
pub use sip::TracedMessage;
pub use tandem_media::quality::MediaReport;
pub use tandem_sip::defence::BanTimes;
pub use tandem_sip::{auth, endpoint, websocket};

/// A mutex whose holder has panicked holds what it held before: queues and tables of whole values.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
