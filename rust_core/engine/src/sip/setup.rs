//! How long it takes from an INVITE to the INVITE that follows from it: the price of a decision.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The newest samples of the time between a call's arrival and its first dialled leg.
#[derive(Debug, Default)]
pub(crate) struct SetupTimes {
    arrivals: HashMap<u64, Instant>,
    samples_us: Vec<u32>,
    next: usize,
    count: u64,
}

impl SetupTimes {
    pub(crate) fn arrived(&mut self, leg: u64, at: Instant) {
        if self.arrivals.len() < MAX_ARRIVALS {
            self.arrivals.insert(leg, at);
        }
    }

    /// A leg is dialled for `leg`; only the first one counts.
    pub(crate) fn dialled(&mut self, leg: u64, now: Instant) {
        let Some(arrived) = self.arrivals.remove(&leg) else { return };
        let took =
            now.saturating_duration_since(arrived).min(Duration::from_secs(60)).as_micros() as u32;
        self.count += 1;
        if self.samples_us.len() < MAX_SAMPLES {
            self.samples_us.push(took);
        } else {
            self.samples_us[self.next] = took;
            self.next = (self.next + 1) % MAX_SAMPLES;
        }
    }

    pub(crate) fn ended(&mut self, leg: u64) {
        self.arrivals.remove(&leg);
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut sorted = self.samples_us.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let index =
                ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
            sorted.get(index).copied().map_or(0, u64::from)
        };
        [("setup_count", self.count), ("setup_p50_us", at(0.5)), ("setup_p99_us", at(0.99))]
            .into_iter()
    }
}

const MAX_ARRIVALS: usize = 100_000;
const MAX_SAMPLES: usize = 4_096;
