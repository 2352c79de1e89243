//! The bounded queue of events for Python, with a descriptor that is readable while events wait.
//!
//! Nothing that ends something is ever dropped: new calls are refused long before the queue is full, so what still comes
//! is bounded by the legs that live. Key presses are dropped when it is full, and counted.

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::Event;
use crate::lock;
use crate::sys::EventFd;

/// Events in their order.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<VecDeque<Event>>,
    wake: EventFd,
    capacity: usize,
    dropped: AtomicU64,
}

impl Outbox {
    /// An empty one for about `capacity` events.
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::default(),
            wake: EventFd::new()?,
            capacity,
            dropped: AtomicU64::new(0),
        })
    }

    /// Readable while events wait.
    pub(crate) fn fd(&self) -> RawFd {
        self.wake.fd()
    }

    /// How full it is, 0..=1; more where only events wait that are never dropped.
    pub(crate) fn fill(&self) -> f64 {
        lock(&self.queue).len() as f64 / self.capacity.max(1) as f64
    }

    /// Adds events; wakes the reader if there were none.
    pub(crate) fn push(&self, events: impl Iterator<Item = Event>) {
        let mut queue = lock(&self.queue);
        let was_empty = queue.is_empty();
        for event in events {
            if queue.len() >= self.capacity && event.may_be_dropped() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            } else {
                queue.push_back(event);
            }
        }
        let has_some = !queue.is_empty();
        drop(queue);
        if was_empty && has_some {
            self.wake.signal();
        }
    }

    /// Takes up to `limit` events; the descriptor stays readable if some stay behind.
    pub(crate) fn drain(&self, limit: usize) -> Vec<Event> {
        self.wake.clear();
        let mut queue = lock(&self.queue);
        let count = queue.len().min(limit);
        let taken = queue.drain(..count).collect();
        let has_more = !queue.is_empty();
        drop(queue);
        if has_more {
            self.wake.signal();
        }
        taken
    }

    /// Events waiting, events dropped since the start.
    pub(crate) fn levels(&self) -> (u64, u64) {
        (lock(&self.queue).len() as u64, self.dropped.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::What;

    fn key(leg: u64) -> Event {
        Event { at_ns: 0, what: What::KeyPressed { leg, key: '1' } }
    }

    fn ringing(leg: u64) -> Event {
        Event { at_ns: 0, what: What::LegRinging { leg } }
    }

    #[test]
    fn the_descriptor_is_readable_exactly_while_events_wait() {
        let outbox = Outbox::new(8).unwrap();
        assert!(!outbox.wake.is_readable());
        outbox.push([ringing(1), ringing(2)].into_iter());
        assert!(outbox.wake.is_readable());
        assert_eq!(outbox.drain(1).len(), 1);
        assert!(outbox.wake.is_readable());
        assert_eq!(outbox.drain(5).len(), 1);
        assert!(!outbox.wake.is_readable());
    }

    #[test]
    fn only_keys_are_dropped_when_it_is_full() {
        let outbox = Outbox::new(2).unwrap();
        outbox.push([ringing(1), ringing(2), key(1), ringing(3)].into_iter());
        assert!(outbox.fill() > 1.0);
        assert_eq!(outbox.levels(), (3, 1));
    }
}
