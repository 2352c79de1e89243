//! The way into a shard: a bounded queue and an eventfd that wakes the thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::command::Command;

/// Filled by any thread, emptied by one.
#[derive(Debug)]
pub(super) struct Inbox {
    queue: Mutex<Vec<Command>>,
    wake: OwnedFd,
    dropped: AtomicUsize,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { queue: Mutex::new(Vec::new()), wake, dropped: AtomicUsize::new(0) })
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
            // It fails only when the counter is full, and then the thread is awake.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    /// Takes everything, in order, and waits for the next wake-up.
    pub(super) fn take(&self) -> Vec<Command> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
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
