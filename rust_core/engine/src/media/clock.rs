//! The clock of the media threads: time since they were started.

use std::time::{Duration, Instant};

/// Copied into every media thread, so that their times agree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the engine is where the clock is read")]
    pub(super) fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    #[expect(clippy::disallowed_methods, reason = "the engine is where the clock is read")]
    pub(super) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.epoch)
    }

    /// A time of this clock as a moment.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.epoch + at
    }
}
