//! Copies of all SIP messages for a collector such as Homer, by HEPv3 over UDP.
//!
//! The SIP thread leaves them in a bounded queue and never waits; another thread masks, packs and sends them. They leave
//! masked like those of `Trace`: the collector keeps them for long, and they cross a network in clear.

mod packet;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tandem_sip::endpoint::Flow;
use tandem_sip::wire::{call_id_of, masked};

use crate::clock;
use crate::options::Hep;
use packet::{Agent, Captured};

/// The SIP thread's end of the queue. Dropping it sends what waits.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: Option<SyncSender<Message>>,
    counts: Arc<Counts>,
    origins: Origins,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Message {
    at: Instant,
    is_received: bool,
    flow: Flow,
    bytes: Bytes,
    /// `None`: its own Call-ID.
    origin: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting_bytes: AtomicUsize,
    sent: AtomicU64,
    dropped: AtomicU64,
}

/// The Call-ID of the first leg of its call, for each dialled one that was told of lately.
#[derive(Debug, Default)]
struct Origins {
    first: HashMap<Box<[u8]>, Arc<str>>,
    oldest: VecDeque<Box<[u8]>>,
}

impl Exporter {
    /// Starts the thread. `locals` are our listeners' addresses; the error names the collector.
    pub(super) fn start(options: &Hep, locals: Vec<SocketAddr>) -> io::Result<Self> {
        let socket = connected(options.collector).map_err(|error| {
            let text = format!("cannot send HEP to udp {}: {error}", options.collector);
            io::Error::new(error.kind(), text)
        })?;
        let agent = Agent { id: options.id, password: options.password.clone() };
        let (queue, messages) = sync_channel(MAX_WAITING);
        let counts = Arc::new(Counts::default());
        let sender = Sender { socket, agent, locals, counts: counts.clone() };
        let thread = std::thread::Builder::new().name("hep".into());
        let thread = thread.spawn(move || sender.run(&messages))?;
        let origins = Origins::default();
        Ok(Self { queue: Some(queue), counts, origins, thread: Some(thread) })
    }

    /// Leaves a message for the thread, or counts that there is no room for it.
    pub(super) fn note(&self, at: Instant, is_received: bool, flow: Flow, bytes: &Bytes) {
        let waiting = self.counts.waiting_bytes.load(Ordering::Relaxed);
        let origin = call_id_of(bytes).and_then(|call_id| self.origins.first.get(call_id)).cloned();
        let message = Message { at, is_received, flow, bytes: bytes.clone(), origin };
        let has_room = waiting + bytes.len() <= MAX_WAITING_BYTES;
        match &self.queue {
            // Counted first: the thread may be done with it at once.
            Some(queue) if has_room => {
                self.counts.waiting_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
                if queue.try_send(message).is_err() {
                    self.counts.waiting_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
                    self.counts.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {
                self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A leg was dialled for another one: both are told as one call.
    pub(super) fn relate(&mut self, call_id: &str, dialled_for: &str) {
        self.origins.relate(call_id, dialled_for);
    }

    pub(super) fn counters(&self) -> [(&'static str, u64); 2] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("hep_sent", read(&self.counts.sent)), ("hep_dropped", read(&self.counts.dropped))]
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // It waits for nobody. If it has panicked, it was told.
            let _ = thread.join();
        }
    }
}

impl Origins {
    fn relate(&mut self, call_id: &str, dialled_for: &str) {
        let first = self.first.get(dialled_for.as_bytes()).cloned();
        let first = first.unwrap_or_else(|| dialled_for.into());
        if self.first.insert(call_id.as_bytes().into(), first).is_none() {
            self.oldest.push_back(call_id.as_bytes().into());
        }
        while self.oldest.len() > MAX_ORIGINS {
            if let Some(gone) = self.oldest.pop_front() {
                self.first.remove(&gone);
            }
        }
    }
}

/// What the thread owns.
#[derive(Debug)]
struct Sender {
    socket: UdpSocket,
    agent: Agent,
    locals: Vec<SocketAddr>,
    counts: Arc<Counts>,
}

impl Sender {
    fn run(&self, messages: &Receiver<Message>) {
        let mut packet = Vec::new();
        while let Ok(first) = messages.recv() {
            for message in std::iter::once(first).chain(messages.try_iter()) {
                self.counts.waiting_bytes.fetch_sub(message.bytes.len(), Ordering::Relaxed);
                // A fault of ours costs one message.
                let sent = catch_unwind(AssertUnwindSafe(|| self.send(&message, &mut packet)));
                let is_sent = sent.unwrap_or(false);
                let count = if is_sent { &self.counts.sent } else { &self.counts.dropped };
                count.fetch_add(1, Ordering::Relaxed);
            }
            // A busy exchange wakes this thread a hundred times a second, not for each message.
            std::thread::sleep(GATHERING);
        }
    }

    fn send(&self, message: &Message, packet: &mut Vec<u8>) -> bool {
        let Some(&local) = self.locals.get(message.flow.listener) else { return false };
        let peer = message.flow.peer;
        let (source, target) = if message.is_received { (peer, local) } else { (local, peer) };
        let payload = masked(&message.bytes);
        let own = || call_id_of(&message.bytes);
        let captured = Captured {
            at: clock::wall(message.at),
            source,
            target,
            is_stream: message.flow.transport.is_reliable(),
            correlation: message.origin.as_deref().map(str::as_bytes).or_else(own),
            payload: &payload,
        };
        if !packet::write(packet, &self.agent, &captured) {
            return false;
        }
        match self.socket.send(packet) {
            // What ICMP says about an earlier one.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.socket.send(packet).is_ok()
            }
            sent => sent.is_ok(),
        }
    }
}

fn connected(collector: SocketAddr) -> io::Result<UdpSocket> {
    let any = if collector.is_ipv4() {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(collector)?;
    // A full buffer of the kernel costs messages, not time.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

const MAX_WAITING: usize = 16_384;
const MAX_WAITING_BYTES: usize = 16 << 20;
const MAX_ORIGINS: usize = 65_536;
const GATHERING: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_legs_of_a_call_lead_to_the_first() {
        let mut origins = Origins::default();
        origins.relate("second", "first");
        origins.relate("third", "second");
        let first = |id: &str| origins.first.get(id.as_bytes()).map(|first| first.to_string());
        assert_eq!(first("second").as_deref(), Some("first"));
        assert_eq!(first("third").as_deref(), Some("first"));
        assert_eq!(first("first"), None);
    }

    #[test]
    fn old_relations_make_room() {
        let mut origins = Origins::default();
        for i in 0..MAX_ORIGINS + 10 {
            origins.relate(&format!("{i}"), "first");
            origins.relate(&format!("{i}"), "first");
        }
        assert_eq!((origins.first.len(), origins.oldest.len()), (MAX_ORIGINS, MAX_ORIGINS));
        assert!(!origins.first.contains_key(&b"9"[..]));
    }
}
