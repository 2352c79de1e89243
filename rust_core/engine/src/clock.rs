//! The clock of Rust.
#![expect(clippy::disallowed_methods, reason = "here, and only here, the time is read")]

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use crate::sys;

/// Now.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The date of an instant of the near past.
pub(crate) fn wall(at: Instant) -> SystemTime {
    SystemTime::now() - now().saturating_duration_since(at)
}

/// An instant as nanoseconds of CLOCK_MONOTONIC, the clock that Python reads.
pub(crate) fn ns(at: Instant) -> u64 {
    static ANCHOR: OnceLock<(Instant, u64)> = OnceLock::new();
    let (instant, ns) = *ANCHOR.get_or_init(|| (now(), sys::monotonic_ns()));
    match at.checked_duration_since(instant) {
        Some(since) => ns + since.as_nanos() as u64,
        None => ns.saturating_sub(instant.duration_since(at).as_nanos() as u64),
    }
}

/// The time of the media threads: since they were started. Copied into each, so that their times agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { epoch: now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.epoch)
    }

    /// A time of this clock as a moment.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.epoch + at
    }
}
