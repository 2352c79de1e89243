//! Token buckets of many senders, bounded.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Instant;

use super::bucket::{Bucket, Rate};

/// A bucket for each key that has taken from its own of late; those of all others are full.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    buckets: HashMap<K, Bucket>,
    /// The keys in the order in which they came.
    by_age: VecDeque<K>,
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: HashMap::new(), by_age: VecDeque::new() }
    }

    /// Whether there is one to take.
    pub(crate) fn has_one(&self, now: Instant, key: &K) -> bool {
        self.buckets.get(key).is_none_or(|bucket| bucket.tokens(now, self.rate) >= 1.0)
    }

    /// Takes one, if there is one. Above `MAX_BUCKETS` the oldest is forgotten, which fills it.
    pub(crate) fn take(&mut self, now: Instant, key: K) -> bool {
        if !self.buckets.contains_key(&key) {
            while self.buckets.len() >= MAX_BUCKETS {
                let Some(oldest) = self.by_age.pop_front() else { break };
                self.buckets.remove(&oldest);
            }
            self.by_age.push_back(key);
        }
        let rate = self.rate;
        self.buckets.entry(key).or_insert_with(|| Bucket::full(rate, now)).take(now, rate)
    }

    /// Forgets those that are full again.
    pub(crate) fn prune(&mut self, now: Instant) {
        let rate = self.rate;
        self.buckets.retain(|_, bucket| bucket.tokens(now, rate) < rate.burst);
        self.by_age.retain(|key| self.buckets.contains_key(key));
    }

    /// Fills the buckets of these.
    pub(crate) fn forget(&mut self, is_meant: impl Fn(&K) -> bool) {
        self.buckets.retain(|key, _| !is_meant(key));
        self.by_age.retain(|key| !is_meant(key));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

/// About 5 MB.
const MAX_BUCKETS: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate { burst: 2.0, per_s: 1.0 };

    #[test]
    fn each_key_has_its_own_and_full_ones_are_forgotten() {
        let (mut buckets, now) = (Buckets::new(RATE), crate::timers::tests::epoch());
        assert_eq!([1, 1, 1, 2].map(|key| buckets.take(now, key)), [true, true, false, true]);
        assert!(!buckets.has_one(now, &1) && buckets.has_one(now, &2) && buckets.has_one(now, &3));
        buckets.prune(now + Duration::from_secs(1));
        assert_eq!(buckets.by_age, [1]);
        buckets.forget(|key| *key == 1);
        assert!(buckets.is_empty() && buckets.has_one(now, &1));
    }

    #[test]
    fn there_are_never_too_many_and_the_oldest_gives_way() {
        let (mut buckets, now) = (Buckets::new(RATE), crate::timers::tests::epoch());
        for key in 0..MAX_BUCKETS + 10 {
            buckets.take(now, key);
        }
        assert_eq!((buckets.buckets.len(), buckets.by_age.len()), (MAX_BUCKETS, MAX_BUCKETS));
        assert!(!buckets.buckets.contains_key(&9) && buckets.buckets.contains_key(&10));
    }
}
