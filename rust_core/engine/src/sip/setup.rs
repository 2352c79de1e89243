//! What a decision costs: the time from an INVITE to the first command for it, and to the INVITE that follows from it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The newest samples of both times.
#[derive(Debug, Default)]
pub(crate) struct SetupTimes {
    arrivals: HashMap<u64, Arrival>,
    decision: Samples,
    setup: Samples,
}

#[derive(Debug)]
struct Arrival {
    at: Instant,
    is_decided: bool,
}

/// Totals, and a ring of the newest samples.
#[derive(Debug, Default)]
struct Samples {
    newest_us: Vec<u32>,
    next: usize,
    count: u64,
    sum_us: u64,
}

impl SetupTimes {
    pub(crate) fn arrived(&mut self, leg: u64, at: Instant) {
        if self.arrivals.len() < MAX_ARRIVALS {
            self.arrivals.insert(leg, Arrival { at, is_decided: false });
        }
    }

    /// Something is commanded for `leg`; only the first time counts.
    pub(crate) fn decided(&mut self, leg: u64, now: Instant) {
        if let Some(arrival) = self.arrivals.get_mut(&leg)
            && !arrival.is_decided
        {
            arrival.is_decided = true;
            self.decision.add(now.saturating_duration_since(arrival.at));
        }
    }

    /// A leg is dialled for `leg`; only the first one counts.
    pub(crate) fn dialled(&mut self, leg: u64, now: Instant) {
        self.decided(leg, now);
        if let Some(arrival) = self.arrivals.remove(&leg) {
            self.setup.add(now.saturating_duration_since(arrival.at));
        }
    }

    pub(crate) fn ended(&mut self, leg: u64) {
        self.arrivals.remove(&leg);
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = (String, u64)> {
        let named = |name: &'static str, samples: &Samples| {
            samples.counters().map(|(what, value)| (format!("{name}_{what}"), value))
        };
        named("decision", &self.decision).into_iter().chain(named("setup", &self.setup))
    }
}

impl Samples {
    fn add(&mut self, took: Duration) {
        let us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.count += 1;
        self.sum_us += u64::from(us);
        if self.newest_us.len() < MAX_SAMPLES {
            self.newest_us.push(us);
        } else {
            self.newest_us[self.next] = us;
            self.next = (self.next + 1) % MAX_SAMPLES;
        }
    }

    fn counters(&self) -> [(&'static str, u64); 4] {
        let mut sorted = self.newest_us.clone();
        sorted.sort_unstable();
        let percentile = |percent: usize| {
            let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            sorted.get(index).copied().map_or(0, u64::from)
        };
        [
            ("count", self.count),
            ("sum_us", self.sum_us),
            ("p50_us", percentile(50)),
            ("p99_us", percentile(99)),
        ]
    }
}

const MAX_ARRIVALS: usize = 100_000;
const MAX_SAMPLES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn figure(times: &SetupTimes, name: &str) -> u64 {
        times.counters().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn only_the_first_decision_and_the_first_dialled_leg_count() {
        let mut times = SetupTimes::default();
        let start = clock::now();
        let after = |ms| start + Duration::from_millis(ms);
        times.arrived(1, start);
        times.decided(1, after(1));
        times.decided(1, after(5));
        times.dialled(1, after(7));
        times.dialled(1, after(9));
        assert_eq!(figure(&times, "decision_p50_us"), 1_000);
        assert_eq!(figure(&times, "decision_count"), 1);
        assert_eq!(figure(&times, "setup_sum_us"), 7_000);
        assert_eq!(figure(&times, "setup_count"), 1);
    }

    #[test]
    fn old_samples_make_room() {
        let mut times = SetupTimes::default();
        let start = clock::now();
        for leg in 0..2 * MAX_SAMPLES as u64 {
            times.arrived(leg, start);
            times.dialled(leg, start + Duration::from_micros(leg));
        }
        assert_eq!(figure(&times, "setup_count"), 2 * MAX_SAMPLES as u64);
        assert!(figure(&times, "setup_p50_us") >= MAX_SAMPLES as u64);
        assert!(times.arrivals.is_empty());
    }
}
