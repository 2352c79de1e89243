//! The way into a shard: a bounded queue and an eventfd that wakes the thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::command::Command;
use crate::sys::EventFd;

/// Filled by any thread, emptied by one.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: Mutex<Vec<Command>>,
    wake: EventFd,
    dropped: AtomicUsize,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        let dropped = AtomicUsize::new(0);
        Ok(Self { queue: Mutex::new(Vec::new()), wake: EventFd::new()?, dropped })
    }

    /// Puts a command in. A full inbox drops it and counts, unless it ends something.
    pub(super) fn post(&self, command: Command) {
        let mut queue = self.lock();
        if queue.len() >= MAX_WAITING && !command.ends_something() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = queue.is_empty();
        queue.push(command);
        drop(queue);
        if was_empty {
            self.wake.signal();
        }
    }

    /// Takes everything, in order, and waits for the next wake-up.
    pub(super) fn take(&self) -> Vec<Command> {
        self.wake.clear();
        std::mem::take(&mut *self.lock())
    }

    /// Commands that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed) as u64
    }

    pub(super) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Command>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Several for each of as many legs as a shard can serve.
const MAX_WAITING: usize = 262_144;
