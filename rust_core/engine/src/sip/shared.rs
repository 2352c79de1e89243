//! What the SIP thread shares with the rest of the engine, and what it is told by others.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use mio::{Poll, Token, Waker};
use tandem_sip::endpoint::{Host, Server};

use super::tls::Identity;
use super::trace::Trace;
use crate::command::Command;
use crate::media::{MediaEvent, MediaEventKind};
use crate::outbox::Outbox;
use crate::{clock, lock};

/// What the SIP thread is told by others.
#[derive(Debug)]
pub(crate) enum Input {
    /// Python wants something.
    Command(Command),
    /// The media side tells something.
    Media(MediaEvent),
    /// A host has these servers now, or none.
    Resolved(Host, Vec<Server>),
    /// The files of the certificate have changed; what they hold now.
    Certificate(Box<io::Result<Identity>>),
    /// It is time to end.
    Close,
}

/// What the SIP thread shares with the rest of the engine.
#[derive(Debug)]
pub(crate) struct Shared {
    inbox: Mutex<Vec<Input>>,
    dropped: AtomicU64,
    waker: Waker,
    pub(crate) outbox: Outbox,
    /// When the thread last came round to publish them, and what it counted.
    pub(crate) counters: Mutex<(Instant, Vec<(String, u64)>)>,
    pub(crate) trace: Trace,
    is_over: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        poll: &Poll,
        token: Token,
        event_queue: usize,
        trace: Trace,
    ) -> io::Result<Self> {
        Ok(Self {
            inbox: Mutex::default(),
            dropped: AtomicU64::new(0),
            waker: Waker::new(poll.registry(), token)?,
            outbox: Outbox::new(event_queue)?,
            counters: Mutex::new((clock::now(), Vec::new())),
            trace,
            is_over: AtomicBool::new(false),
        })
    }

    /// Leaves something for the SIP thread. What the world can do without is dropped when too much waits; the rest is
    /// bounded by the legs that live.
    pub(crate) fn post(&self, input: Input) {
        let mut inbox = lock(&self.inbox);
        if inbox.len() >= MAX_WAITING && input.may_be_dropped() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = inbox.is_empty();
        inbox.push(input);
        drop(inbox);
        if was_empty {
            let _ = self.waker.wake();
        }
    }

    /// Takes all that waits, in order.
    pub(super) fn take(&self) -> Vec<Input> {
        std::mem::take(&mut *lock(&self.inbox))
    }

    /// Inputs dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether the thread has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn set_over(&self) {
        self.is_over.store(true, Ordering::Release);
    }
}

impl Input {
    fn may_be_dropped(&self) -> bool {
        match self {
            Self::Command(command) => {
                matches!(command, Command::Ring(_) | Command::SendKeys { .. })
            }
            Self::Media(event) => matches!(event.kind, MediaEventKind::KeyPressed { .. }),
            Self::Resolved(..) | Self::Certificate(_) | Self::Close => false,
        }
    }
}

/// Several for each leg that can live.
const MAX_WAITING: usize = 262_144;
