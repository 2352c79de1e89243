//! Connections, plain and inside TLS, of SIP alone or in WebSocket: bounded in number, in what they may owe and in how long they may take.
//!
//! Nobody waits for anybody: a connection that can be read takes its place in a queue and has one chunk read when its
//! turn comes, and what a peer does not take waits in its own bounded queue. Handshakes have a queue of their own, come
//! after everybody else, and get no more than half of the time.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Registry, Token};

use tandem_sip::defence::source_of;
use tandem_sip::endpoint::{Flow, Transport};
use tandem_sip::websocket::{Origins, WebSocket};
use tandem_sip::wire::Framer;

use super::connection::{Connection, Framing, Progress, Review, Standing};
use super::tls::{Session, Tls};
use crate::clock;

/// All connections. A token is `FIRST_TOKEN` and above, and names one connection for ever.
#[derive(Debug)]
pub(super) struct Connections {
    open: HashMap<u64, Connection>,
    by_peer: HashMap<(Transport, SocketAddr), u64>,
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
    /// Those of them that have yet to agree on keys.
    shaking: VecDeque<u64>,
    /// Time that they have taken since they last rested, and until when they rest.
    shook: Duration,
    rest_until: Instant,
    /// Strangers that have yet to agree on keys, the oldest first.
    keyless: BTreeSet<u64>,
    pub(super) tls: Option<Tls>,
    pub(super) web: Web,
    unsent_bytes: usize,
    next: u64,
    pub(super) refused: u64,
    /// Those that we had enough of.
    pub(super) dropped: u64,
}

/// What all connections by WebSocket share.
#[derive(Debug, Default)]
pub(super) struct Web {
    origins: Arc<Origins>,
    open: u64,
    upgrades: u64,
    upgrades_failed: u64,
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
    pub(super) flow: Flow,
    pub(super) messages: Vec<Bytes>,
    /// What came next is no SIP.
    pub(super) is_garbage: bool,
    /// It is over: close it when the messages are handled.
    pub(super) is_last: bool,
}

/// A connection was opened, or taken, because it led to this peer, and has been closed.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Lost {
    pub(super) transport: Transport,
    pub(super) peer: SocketAddr,
    /// For people; empty where there is nothing to say.
    pub(super) why: String,
}

/// What could not be sent.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Unsent {
    /// This connection is to be closed.
    Over(u64),
    /// There is none, for this reason (for people; may be empty).
    NoWay(String),
}

impl Connections {
    /// The other half of the descriptors is for sound, files and everything else.
    pub(super) fn new(descriptors_max: u64, tls: Option<Tls>, web: Web) -> Self {
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
            shaking: VecDeque::new(),
            shook: Duration::ZERO,
            rest_until: clock::now(),
            keyless: BTreeSet::new(),
            tls,
            web,
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

    /// When the next handshake may go on, if one waits.
    pub(super) fn handshake_at(&self) -> Option<Instant> {
        (!self.shaking.is_empty()).then_some(self.rest_until)
    }

    /// Strangers that have yet to agree on keys.
    pub(super) fn handshaking(&self) -> usize {
        self.keyless.len()
    }

    /// Which one has to go before who comes by `flow` can be taken in, if there are too many and one can be spared.
    pub(super) fn spare_to_accept(
        &mut self,
        flow: Flow,
        is_needed: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        if !self.has_share(flow.peer) {
            return None;
        }
        if flow.transport.is_secure() && self.keyless.len() >= MAX_HANDSHAKES {
            return self.keyless.first().copied();
        }
        if self.is_full() { self.spare(is_needed) } else { None }
    }

    /// Which one has to go before something can be sent, if that takes a new connection, there are too many and one can
    /// be spared.
    pub(super) fn spare_to_send(
        &mut self,
        flow: Flow,
        is_needed: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let is_new = flow.connection.is_none()
            && !flow.transport.is_web_socket()
            && self.leading_to(flow).is_none();
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
        flow: Flow,
    ) {
        if !self.has_share(flow.peer) || self.is_full() {
            self.refused += 1;
            return;
        }
        let session = match flow.transport.is_secure() {
            true => match self.tls.as_ref().and_then(Tls::accept) {
                None => return self.refused += 1,
                session => session,
            },
            false => None,
        };
        let framing = match flow.transport.is_web_socket() {
            true => Framing::WebSocket(WebSocket::new(self.web.origins.clone()).into()),
            false => Framing::Stream(Framer::default()),
        };
        let standing = Standing::Stranger(now);
        let connection = Connection::new(now, stream, session, framing, flow, standing);
        self.add(registry, connection);
    }

    /// Whoever is at the other end has shown who that is.
    pub(super) fn prove(&mut self, id: u64) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        if connection.prove() {
            self.strangers.remove(&id);
            self.known.insert(id);
            if let Some(guests) = self.by_source.get_mut(&source_of(connection.flow.peer.ip())) {
                guests.strangers -= 1;
            }
        }
    }

    /// Queues a message for a connection, or, where it is closed, for any to that peer; without one for a new one.
    pub(super) fn send(
        &mut self,
        now: Instant,
        registry: &Registry,
        flow: Flow,
        bytes: Bytes,
    ) -> Result<(), Unsent> {
        let no_way = || Unsent::NoWay(String::new());
        let open = flow.connection.filter(|id| self.open.contains_key(id));
        let is_route = open.is_none();
        let id = match open.or_else(|| self.leading_to(flow)) {
            Some(id) => id,
            // Who had a connection and has none has to come back: its end of the old one is no place to listen.
            None if flow.connection.is_some() || flow.transport.is_web_socket() => {
                return Err(no_way());
            }
            None if self.open.len() >= self.max => return Err(no_way()),
            None => {
                let session = self.session_with(flow).map_err(Unsent::NoWay)?;
                let stream = TcpStream::connect(flow.peer)
                    .map_err(|error| Unsent::NoWay(error.to_string()))?;
                let framing = Framing::Stream(Framer::default());
                let connection =
                    Connection::new(now, stream, session, framing, flow, Standing::Ours);
                self.add(registry, connection).ok_or_else(no_way)?
            }
        };
        let owed = self.unsent_bytes;
        let connection = self.open.get_mut(&id).ok_or_else(no_way)?;
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
        Err(Unsent::Over(id))
    }

    /// An open connection to the peer. One inside TLS leads to a trunk only if the other end has shown that it is that.
    fn leading_to(&self, flow: Flow) -> Option<u64> {
        let id = *self.by_peer.get(&(flow.transport, flow.peer))?;
        let session = self.open.get(&id)?.session();
        let names = self.tls.as_ref().map(|tls| tls.names_at(flow.peer.ip()));
        session.zip(names).is_none_or(|(session, names)| session.vouches_for(&names)).then_some(id)
    }

    /// The layer of TLS for a connection that we open.
    fn session_with(&self, flow: Flow) -> Result<Option<Session>, String> {
        match (flow.transport, &self.tls) {
            (Transport::Tls, None) => Err("no certificate for TLS".to_owned()),
            (Transport::Tls, Some(tls)) => tls.connect(flow.peer.ip()).map(Some),
            _ => Ok(None),
        }
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
            let queue =
                if connection.is_handshaking() { &mut self.shaking } else { &mut self.readable };
            queue.push_back(id);
        }
        is_alive
    }

    /// Reads one chunk of the connection whose turn it is.
    pub(super) fn read_next(&mut self, now: Instant) -> Option<Chunk> {
        loop {
            let id = self.readable.pop_front()?;
            if let Some(chunk) = self.read(now, id) {
                return Some(chunk);
            }
        }
    }

    /// The same of one that has yet to agree on keys. After `SHAKING` of such work, it rests for as long.
    pub(super) fn read_handshake(&mut self, now: Instant) -> Option<Chunk> {
        if now < self.rest_until {
            return None;
        }
        let id = self.shaking.pop_front()?;
        let before = clock::now();
        let chunk = self.read(now, id);
        let after = clock::now();
        self.shook += after.saturating_duration_since(before);
        if self.shook >= SHAKING {
            self.rest_until = after + std::mem::take(&mut self.shook).min(MAX_REST);
        }
        chunk
    }

    fn read(&mut self, now: Instant, id: u64) -> Option<Chunk> {
        let connection = self.open.get_mut(&id)?;
        let before = connection.unsent_bytes();
        let was_handshaking = connection.is_handshaking();
        let was_upgrading = connection.is_upgrading();
        let mut messages = Vec::new();
        let progress = connection.read(now, &mut messages);
        self.unsent_bytes = self.unsent_bytes - before + connection.unsent_bytes();
        hurry(&mut self.by_deadline, id, connection);
        let is_handshaking = connection.is_handshaking();
        if was_handshaking && !is_handshaking {
            self.keyless.remove(&id);
            if let Some(tls) = &mut self.tls {
                tls.handshakes += 1;
            }
        }
        if was_upgrading && !connection.is_upgrading() {
            self.web.upgrades += 1;
        }
        match progress {
            Progress::More if is_handshaking => self.shaking.push_back(id),
            Progress::More => self.readable.push_back(id),
            Progress::Empty => connection.yield_turn(),
            Progress::Over => {}
        }
        let flow = Flow { connection: Some(id), ..connection.flow };
        let (is_garbage, is_last) = (connection.is_garbage, progress == Progress::Over);
        Some(Chunk { connection: id, flow, messages, is_garbage, is_last })
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

    /// Closes a connection. Says so if something was sent that way because it led to its peer.
    pub(super) fn close(&mut self, now: Instant, registry: &Registry, id: u64) -> Option<Lost> {
        let mut connection = self.open.remove(&id)?;
        let Flow { transport, peer, .. } = connection.flow;
        self.unsent_bytes -= connection.unsent_bytes();
        let is_upgrading = connection.is_upgrading();
        connection.part(now);
        connection.deregister(registry);
        if self.by_peer.get(&(transport, peer)) == Some(&id) {
            self.by_peer.remove(&(transport, peer));
        }
        self.keyless.remove(&id);
        self.web.open -= u64::from(transport.is_web_socket());
        if connection.is_handshaking() {
            if let Some(tls) = &mut self.tls {
                tls.failed += 1;
            }
        } else if is_upgrading {
            self.web.upgrades_failed += 1;
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
        let why = connection.fault;
        connection.is_route.then_some(Lost { transport, peer, why })
    }

    fn add(&mut self, registry: &Registry, mut connection: Connection) -> Option<u64> {
        let id = self.next;
        self.next += 1;
        let token = Token(usize::try_from(id).ok()?);
        connection.register(registry, token).ok()?;
        let Flow { transport, peer, .. } = connection.flow;
        self.by_peer.insert((transport, peer), id);
        self.web.open += u64::from(transport.is_web_socket());
        self.unsent_bytes += connection.unsent_bytes();
        let guests = self.by_source.entry(source_of(peer.ip())).or_default();
        guests.all += 1;
        if connection.is_stranger() {
            guests.strangers += 1;
            self.strangers.insert(id);
            if connection.is_handshaking() {
                self.keyless.insert(id);
            }
        }
        self.by_deadline.insert((connection.due, id));
        self.open.insert(id, connection);
        Some(id)
    }
}

impl Web {
    /// Pages of these origins may connect.
    pub(super) fn new(origins: Origins) -> Self {
        Self { origins: origins.into(), ..Self::default() }
    }

    pub(super) fn counters(&self) -> [(&'static str, u64); 3] {
        [
            ("ws_connections", self.open),
            ("ws_upgrades", self.upgrades),
            ("ws_upgrades_failed", self.upgrades_failed),
        ]
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
/// Strangers that have yet to agree on keys. One source has a quarter of them at most; the newest is worth more than the
/// oldest, as an honest handshake takes a moment.
const MAX_HANDSHAKES: usize = 1_024;
/// What a message may have to wait for handshakes. One costs a tenth of it, with a long RSA key some times as much.
const SHAKING: Duration = Duration::from_millis(1);
/// A thread that was not given the processor for a while has not worked so long.
const MAX_REST: Duration = Duration::from_millis(20);
/// Known ones asked at once whether they can be spared.
const MAX_ASKED: usize = 64;
const MAX_UNSENT_IN_ALL: usize = 64 << 20;

#[cfg(test)]
mod tests;
