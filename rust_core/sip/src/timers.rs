//! A heap of deadlines. Nothing is ever taken out early: whoever set a timer ignores it when it no longer matters.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines with what is due then. Equal deadlines come in the order in which they were set.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    serial: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    serial: u64,
    what: T,
}

impl<T> Timers<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), serial: 0 }
    }

    pub(crate) fn set(&mut self, at: Instant, what: T) {
        self.serial += 1;
        self.heap.push(Reverse(Entry { at, serial: self.serial, what }));
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// The next thing that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.next_deadline()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry.what)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.serial) == (other.at, other.serial)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any origin will do: tests only add to it")]
    pub(crate) fn epoch() -> Instant {
        Instant::now()
    }

    #[test]
    fn what_is_due_comes_in_order_and_not_before() {
        let (mut timers, start) = (Timers::new(), epoch());
        for (ms, what) in [(20, 'c'), (10, 'a'), (10, 'b'), (30, 'd')] {
            timers.set(start + Duration::from_millis(ms), what);
        }
        assert_eq!(timers.pop_due(start), None);
        let due: String =
            std::iter::from_fn(|| timers.pop_due(start + Duration::from_millis(20))).collect();
        assert_eq!((due.as_str(), timers.len()), ("abc", 1));
    }
}
