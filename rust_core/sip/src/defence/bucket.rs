//! A token bucket.

use std::time::Instant;

/// So many at once, and so many a second in the long run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) burst: f64,
    pub(crate) per_s: f64,
}

/// What is left to one sender.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: rate.burst, filled_at: now }
    }

    /// What is in it now.
    pub(crate) fn tokens(&self, now: Instant, rate: Rate) -> f64 {
        let passed_s = now.saturating_duration_since(self.filled_at).as_secs_f64();
        (self.tokens + passed_s * rate.per_s).min(rate.burst)
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        self.tokens = self.tokens(now, rate);
        self.filled_at = self.filled_at.max(now);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { burst: 20.0, per_s: 0.5 };

    fn taken(bucket: &mut Bucket, now: Instant) -> usize {
        (0..100).filter(|_| bucket.take(now, RATE)).count()
    }

    #[test]
    fn the_burst_passes_and_then_what_time_brings_up_to_a_burst() {
        let now = crate::timers::tests::epoch();
        let mut bucket = Bucket::full(RATE, now);
        let counts = [0, 3, 4, 86_400].map(|s| taken(&mut bucket, now + Duration::from_secs(s)));
        assert_eq!(counts, [20, 1, 1, 20]);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let now = crate::timers::tests::epoch() + Duration::from_secs(10);
        let mut bucket = Bucket::full(RATE, now);
        taken(&mut bucket, now);
        assert!(!bucket.take(now - Duration::from_secs(5), RATE) && !bucket.take(now, RATE));
    }
}
