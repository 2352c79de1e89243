//! An engine: started, commanded, drained, closed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tandem_sip::endpoint::{Accounts, Transport};

use crate::command::Command;
use crate::event::Event;
use crate::options::Options;
use crate::sip::{Input, Shared, SipThread, TracedMessage};
use crate::{clock, lock};

/// The SIP thread, the media shards and their queues. Dropping it closes it.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    listening: Vec<(Transport, SocketAddr)>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The table of accounts in use, and the one before: a large one takes long to free, and is freed by whoever brings
    /// the next, never by the SIP thread.
    accounts: Mutex<[Arc<Accounts>; 2]>,
}

impl Engine {
    /// Opens all sockets and starts the threads. The error names the address that cannot be had.
    pub fn start(options: Options) -> io::Result<Self> {
        let (sip, shared, listening) = SipThread::new(options)?;
        let thread = std::thread::Builder::new().name("sip".into()).spawn(move || sip.run())?;
        Ok(Self { shared, listening, thread: Mutex::new(Some(thread)), accounts: Mutex::default() })
    }

    /// The addresses really bound.
    pub fn listening(&self) -> &[(Transport, SocketAddr)] {
        &self.listening
    }

    /// Does something soon. Never waits for anybody.
    pub fn command(&self, command: Command) {
        if let Command::SetAccounts(table) = &command {
            let mut kept = lock(&self.accounts);
            kept.swap(0, 1);
            let oldest = std::mem::replace(&mut kept[0], table.clone());
            drop(kept);
            drop(oldest);
        }
        if !self.shared.is_over() {
            self.shared.post(Input::Command(command));
        }
    }

    /// A descriptor that is readable while events wait.
    pub fn event_fd(&self) -> std::os::fd::RawFd {
        self.shared.outbox.fd()
    }

    /// Takes up to `limit` events, oldest first.
    pub fn drain(&self, limit: usize) -> Vec<Event> {
        self.shared.outbox.drain(limit)
    }

    /// Totals and levels, at most a second old; older where the SIP thread does not come round, which they say.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let (at, mut counters) = lock(&self.shared.counters).clone();
        let silent = clock::now().saturating_duration_since(at);
        counters.push(("sip_thread_silent_ms".to_owned(), silent.as_millis() as u64));
        counters
    }

    /// The SIP messages of these legs, without secrets, oldest first; and how many of theirs were left out. Of legs that
    /// have long ended nothing.
    pub fn sip_messages(&self, legs: &[u64]) -> (Vec<TracedMessage>, u64) {
        self.shared.trace.messages_of(legs)
    }

    /// Ends all legs and registrations at trunks, then the threads. Blocks at most two seconds.
    pub fn close(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            self.shared.post(Input::Close);
            // It cannot have panicked: every step of it is guarded.
            let _ = thread.join();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}
