//! TCP connections: bounded in number, in what they may owe and in how long they may take.
//!
//! Nobody waits for anybody: a connection that can be read takes its place in a queue and has one chunk read when its
//! turn comes, and what a peer does not take waits in its own bounded queue.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use tandem_sip::defence::source_of;

use super::connection::{Connection, Progress, Review, Standing};

/// All connections. A token is `FIRST_TOKEN` and above, and names one connection for ever.
#[derive(Debug)]
pub(super) struct Connections {
    open: HashMap<u64, Connection>,
    by_peer: HashMap<SocketAddr, u64>,
    by_source: HashMap<IpAddr, Guests>,
    /// Those that have not shown who they are, the oldest first.
    strangers: BTreeSet<u64>,
    /// Those that have.
    known: BTreeSet<u64>,
    /// The last of these that was asked whether it can be spared.
    asked: u64,
    /// When each has to be reviewed. What makes it earlier counts at once, what makes it later when that time comes.
    by_deadline: BTreeSet<(Instant, u64)>,
    max: usize,
    /// Those that may have something to read, each once.
    readable: VecDeque<u64>,
    unsent_bytes: usize,
    next: u64,
    pub(super) refused: u64,
    /// Those that we had enough of.
    pub(super) dropped: u64,
}

/// How many connections a source has.
#[derive(Clone, Copy, Debug, Default)]
struct Guests {
    all: usize,
    strangers: usize,
}

/// What one chunk of a connection has brought.
pub(super) struct Chunk {
    pub(super) connection: u64,
    pub(super) listener: usize,
    pub(super) peer: SocketAddr,
    pub(super) messages: Vec<Bytes>,
    /// It is over: close it when the messages are handled.
    pub(super) is_last: bool,
}

impl Connections {
    /// The other half of the descriptors is for sound, files and everything else.
    pub(super) fn new(descriptors_max: u64) -> Self {
        let share = usize::try_from(descriptors_max / 2).unwrap_or(MAX_CONNECTIONS);
        Self {
            open: HashMap::new(),
            by_peer: HashMap::new(),
            by_source: HashMap::new(),
            strangers: BTreeSet::new(),
            known: BTreeSet::new(),
            asked: 0,
            by_deadline: BTreeSet::new(),
            max: share.min(MAX_CONNECTIONS),
            readable: VecDeque::new(),
            unsent_bytes: 0,
            next: FIRST_TOKEN as u64,
            refused: 0,
            dropped: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Bytes that peers have not taken yet.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    pub(super) fn has_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// Which one has to go before `peer` can be taken in, if there are too many and one can be spared.
    pub(super) fn spare_to_accept(
        &mut self,
        peer: SocketAddr,
        is_needed: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        if self.is_full() && self.has_share(peer) { self.spare(is_needed) } else { None }
    }

    /// Which one has to go before something can be sent, if that takes a new connection, there are too many and one can
    /// be spared.
    pub(super) fn spare_to_send(
        &mut self,
        connection: Option<u64>,
        peer: SocketAddr,
        is_needed: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let is_new = connection.is_none() && !self.by_peer.contains_key(&peer);
        if self.is_full() && is_new { self.spare(is_needed) } else { None }
    }

    fn is_full(&self) -> bool {
        self.open.len() >= self.max
    }

    /// Whether the source of a peer may have one more.
    fn has_share(&self, peer: SocketAddr) -> bool {
        let guests = self.by_source.get(&source_of(peer.ip())).copied().unwrap_or_default();
        guests.all < MAX_PER_SOURCE.min(self.max / 4) && guests.strangers < MAX_STRANGERS
    }

    /// The oldest of those that have not shown who they are, else one by which nobody is registered and no call goes on,
    /// of as many as there is time to ask.
    fn spare(&mut self, is_needed: impl Fn(u64) -> bool) -> Option<u64> {
        if let Some(&oldest) = self.strangers.first() {
            return Some(oldest);
        }
        let others = self.known.range(self.asked + 1..).chain(&self.known).take(MAX_ASKED);
        for &id in others {
            self.asked = id;
            if !is_needed(id) {
                return Some(id);
            }
        }
        None
    }

    /// Takes a connection in, unless there are too many or its source has too many.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        registry: &Registry,
        stream: TcpStream,
        peer: SocketAddr,
        listener: usize,
    ) {
        if !self.has_share(peer) || self.is_full() {
            self.refused += 1;
            return;
        }
        self.add(now, registry, stream, peer, listener, Standing::Stranger(now));
    }

    /// Whoever is at the other end has shown who that is.
    pub(super) fn prove(&mut self, id: u64) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        if connection.prove() {
            self.strangers.remove(&id);
            self.known.insert(id);
            if let Some(guests) = self.by_source.get_mut(&source_of(connection.peer.ip())) {
                guests.strangers -= 1;
            }
        }
    }

    /// Queues a message for a connection, or, where it is closed, for any to that peer; without one for a new one. The
    /// error names the connection to close, if there is one.
    pub(super) fn send(
        &mut self,
        now: Instant,
        registry: &Registry,
        connection: Option<u64>,
        peer: SocketAddr,
        listener: usize,
        bytes: Bytes,
    ) -> Result<(), Option<u64>> {
        let open = connection.filter(|id| self.open.contains_key(id));
        let is_route = open.is_none();
        let id = match open.or_else(|| self.by_peer.get(&peer).copied()) {
            Some(id) => id,
            // Who had a connection and has none has to come back: its end of the old one is no place to listen.
            None if connection.is_some() => return Err(None),
            None if self.is_full() => return Err(None),
            None => {
                let stream = TcpStream::connect(peer).map_err(|_| None)?;
                self.add(now, registry, stream, peer, listener, Standing::Ours).ok_or(None)?
            }
        };
        let owed = self.unsent_bytes;
        let connection = self.open.get_mut(&id).ok_or(None)?;
        connection.is_route |= is_route;
        let before = connection.unsent_bytes();
        let is_sent = connection.send(now, bytes);
        self.unsent_bytes = owed - before + connection.unsent_bytes();
        hurry(&mut self.by_deadline, id, connection);
        // Above what all may owe together, whoever does not take what is sent has to go.
        let is_too_much = self.unsent_bytes > MAX_UNSENT_IN_ALL && connection.is_stuck();
        if is_sent && !is_too_much {
            return Ok(());
        }
        self.dropped += 1;
        Err(Some(id))
    }

    /// The poll names this connection: writes what it takes, and queues it for reading. False if it is over.
    pub(super) fn handle_ready(&mut self, now: Instant, token: Token) -> bool {
        let id = token.0 as u64;
        let Some(connection) = self.open.get_mut(&id) else { return true };
        let before = connection.unsent_bytes();
        let is_alive = connection.write(now).is_ok();
        self.unsent_bytes = self.unsent_bytes - before + connection.unsent_bytes();
        hurry(&mut self.by_deadline, id, connection);
        if is_alive && connection.claim_turn() {
            self.readable.push_back(id);
        }
        is_alive
    }

    /// Reads one chunk of the connection whose turn it is.
    pub(super) fn read_next(&mut self, now: Instant) -> Option<Chunk> {
        while let Some(id) = self.readable.pop_front() {
            let Some(connection) = self.open.get_mut(&id) else { continue };
            let before = connection.unsent_bytes();
            let mut messages = Vec::new();
            let progress = connection.read(now, &mut messages);
            self.unsent_bytes = self.unsent_bytes - before + connection.unsent_bytes();
            hurry(&mut self.by_deadline, id, connection);
            match progress {
                Progress::More => self.readable.push_back(id),
                Progress::Empty => connection.yield_turn(),
                Progress::Over => {}
            }
            return Some(Chunk {
                connection: id,
                listener: connection.listener,
                peer: connection.peer,
                messages,
                is_last: progress == Progress::Over,
            });
        }
        None
    }

    /// Those whose time has come and that may not stay, each once; of a quiet one `is_needed` decides.
    pub(super) fn overdue(&mut self, now: Instant, is_needed: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut over = Vec::new();
        while let Some(&(at, id)) = self.by_deadline.first().filter(|(at, _)| *at < now) {
            self.by_deadline.remove(&(at, id));
            let Some(connection) = self.open.get_mut(&id) else { continue };
            match connection.review(now) {
                Review::Over => over.push(id),
                Review::Quiet if !is_needed(id) => over.push(id),
                Review::Quiet | Review::Fine => {
                    connection.due = connection.deadline();
                    self.by_deadline.insert((connection.due, id));
                }
            }
        }
        over
    }

    /// Closes a connection. Gives its peer if something was sent that way because it led to that peer.
    pub(super) fn close(&mut self, registry: &Registry, id: u64) -> Option<SocketAddr> {
        let mut connection = self.open.remove(&id)?;
        let peer = connection.peer;
        self.unsent_bytes -= connection.unsent_bytes();
        connection.deregister(registry);
        if self.by_peer.get(&peer) == Some(&id) {
            self.by_peer.remove(&peer);
        }
        let is_stranger = self.strangers.remove(&id);
        self.known.remove(&id);
        self.by_deadline.remove(&(connection.due, id));
        let source = source_of(peer.ip());
        if let Some(guests) = self.by_source.get_mut(&source) {
            guests.all -= 1;
            guests.strangers -= usize::from(is_stranger);
            if guests.all == 0 {
                self.by_source.remove(&source);
            }
        }
        connection.is_route.then_some(peer)
    }

    fn add(
        &mut self,
        now: Instant,
        registry: &Registry,
        mut stream: TcpStream,
        peer: SocketAddr,
        listener: usize,
        standing: Standing,
    ) -> Option<u64> {
        let id = self.next;
        self.next += 1;
        let token = Token(usize::try_from(id).ok()?);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).ok()?;
        let _ = stream.set_nodelay(true);
        self.by_peer.insert(peer, id);
        let connection = Connection::new(now, stream, peer, listener, standing);
        let guests = self.by_source.entry(source_of(peer.ip())).or_default();
        guests.all += 1;
        if connection.is_stranger() {
            guests.strangers += 1;
            self.strangers.insert(id);
        }
        self.by_deadline.insert((connection.due, id));
        self.open.insert(id, connection);
        Some(id)
    }
}

/// Lists a connection with its deadline if that has become earlier.
fn hurry(by_deadline: &mut BTreeSet<(Instant, u64)>, id: u64, connection: &mut Connection) {
    let deadline = connection.deadline();
    if deadline < connection.due {
        by_deadline.remove(&(connection.due, id));
        by_deadline.insert((deadline, id));
        connection.due = deadline;
    }
}

/// Tokens below are sockets and listeners.
pub(super) const FIRST_TOKEN: usize = 1 << 16;
const MAX_CONNECTIONS: usize = 20_000;
/// An office behind one address.
const MAX_PER_SOURCE: usize = 2_048;
/// Of one source that have not shown who they are: a whole office that comes back at once does so within a second.
const MAX_STRANGERS: usize = 256;
/// Known ones asked at once whether they can be spared.
const MAX_ASKED: usize = 64;
const MAX_UNSENT_IN_ALL: usize = 64 << 20;

#[cfg(test)]
mod tests;
