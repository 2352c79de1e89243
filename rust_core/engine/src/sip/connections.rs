//! TCP connections: bounded in number, in what they may owe and in how long they may take.
//!
//! Nobody waits for anybody: a connection that can be read takes its place in a queue and has one chunk read when its
//! turn comes, and what a peer does not take waits in its own bounded queue.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::connection::{Connection, Progress};

/// All connections. A token is `FIRST_TOKEN` and above, and names one connection for ever.
#[derive(Debug)]
pub(super) struct Connections {
    open: HashMap<u64, Connection>,
    by_peer: HashMap<SocketAddr, u64>,
    by_source: HashMap<IpAddr, usize>,
    /// Those that may have something to read, each once.
    readable: VecDeque<u64>,
    unsent_bytes: usize,
    next: u64,
    pub(super) refused: u64,
    /// Those that we had enough of.
    pub(super) dropped: u64,
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
    pub(super) fn new() -> Self {
        Self {
            open: HashMap::new(),
            by_peer: HashMap::new(),
            by_source: HashMap::new(),
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

    /// Takes a connection in, unless there are too many.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        registry: &Registry,
        stream: TcpStream,
        peer: SocketAddr,
        listener: usize,
    ) {
        let from_source = self.by_source.get(&peer.ip()).copied().unwrap_or(0);
        if self.open.len() >= MAX_CONNECTIONS || from_source >= MAX_PER_SOURCE {
            self.refused += 1;
            return;
        }
        self.add(now, registry, stream, peer, listener, true);
    }

    /// Queues a message for a connection, or for any to that peer, or for a new one. The error names the
    /// connection to close, if there is one.
    pub(super) fn send(
        &mut self,
        now: Instant,
        registry: &Registry,
        connection: Option<u64>,
        peer: SocketAddr,
        listener: usize,
        bytes: Bytes,
    ) -> Result<(), Option<u64>> {
        let is_route = connection.is_none();
        let id = match connection.or_else(|| self.by_peer.get(&peer).copied()) {
            Some(id) => id,
            None if self.open.len() >= MAX_CONNECTIONS => return Err(None),
            None => {
                let stream = TcpStream::connect(peer).map_err(|_| None)?;
                self.add(now, registry, stream, peer, listener, false).ok_or(None)?
            }
        };
        let owed = self.unsent_bytes;
        let connection = self.open.get_mut(&id).ok_or(None)?;
        connection.is_route |= is_route;
        let before = connection.unsent_bytes();
        let is_sent = connection.send(now, bytes);
        self.unsent_bytes = owed - before + connection.unsent_bytes();
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

    /// Those that take too long to read, to write or to say anything.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<u64> {
        let overdue = self.open.iter().filter(|(_, connection)| connection.is_overdue(now));
        let overdue: Vec<u64> = overdue.map(|(id, _)| *id).collect();
        self.dropped += overdue.len() as u64;
        overdue
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
        if let Some(count) = self.by_source.get_mut(&peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&peer.ip());
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
        is_connected: bool,
    ) -> Option<u64> {
        let id = self.next;
        self.next += 1;
        let token = Token(usize::try_from(id).ok()?);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).ok()?;
        let _ = stream.set_nodelay(true);
        self.by_peer.insert(peer, id);
        *self.by_source.entry(peer.ip()).or_default() += 1;
        self.open.insert(id, Connection::new(now, stream, peer, listener, is_connected));
        Some(id)
    }
}

/// Tokens below are sockets and listeners.
pub(super) const FIRST_TOKEN: usize = 1 << 16;
const MAX_CONNECTIONS: usize = 20_000;
/// An office behind one address.
const MAX_PER_SOURCE: usize = 2_048;
const MAX_UNSENT_IN_ALL: usize = 64 << 20;

/// Longer than any registration; phones keep their connection alive meanwhile.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(3_700);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use mio::{Events, Poll};
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream as StdStream};

    struct House {
        poll: Poll,
        connections: Connections,
        listener: TcpListener,
    }

    impl House {
        fn new() -> Self {
            Self {
                poll: Poll::new().unwrap(),
                connections: Connections::new(),
                listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            }
        }

        fn guest(&mut self) -> StdStream {
            let guest = StdStream::connect(self.listener.local_addr().unwrap()).unwrap();
            let (stream, peer) = self.listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = TcpStream::from_std(stream);
            self.connections.accept(clock::now(), self.poll.registry(), stream, peer, 0);
            guest
        }

        /// Lets the poll name those that have something to say.
        fn listen(&mut self) {
            let mut events = Events::with_capacity(64);
            self.poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
            for event in &events {
                assert!(self.connections.handle_ready(clock::now(), event.token()));
            }
        }
    }

    const MESSAGE: &[u8] = b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn who_talks_without_end_is_heard_in_turn_with_the_others() {
        let mut house = House::new();
        let mut loud = house.guest();
        let mut quiet = house.guest();
        loud.write_all(&MESSAGE.repeat(2_000)).unwrap();
        quiet.write_all(MESSAGE).unwrap();
        house.listen();
        let turns: Vec<Chunk> =
            std::iter::from_fn(|| house.connections.read_next(clock::now())).take(3).collect();
        let quiet_turn = turns.iter().position(|turn| turn.messages.len() == 1);
        assert!(quiet_turn.is_some_and(|turn| turn < 2), "one chunk each, then the next");
        assert!(turns.iter().all(|turn| turn.messages.len() <= 16_384 / MESSAGE.len()));
        assert!(house.connections.has_readable());
    }

    #[test]
    fn who_takes_nothing_is_let_go_before_it_owes_too_much() {
        let mut house = House::new();
        let deaf = house.guest();
        let peer = deaf.local_addr().unwrap();
        let (mut sent, mut refused) = (0, None);
        while refused.is_none() {
            let bytes = Bytes::from(vec![b'x'; 10_000]);
            sent += bytes.len();
            let registry = house.poll.registry();
            refused = house.connections.send(clock::now(), registry, None, peer, 0, bytes).err();
            assert!(sent < 100 << 20);
        }
        assert!(house.connections.unsent_bytes() < 600_000);
        let Some(Some(id)) = refused else { panic!("it names the connection") };
        let route = house.connections.close(house.poll.registry(), id);
        assert_eq!((route, house.connections.unsent_bytes()), (Some(peer), 0));
        assert_eq!((house.connections.len(), house.connections.dropped), (0, 1));
    }

    #[test]
    fn half_a_message_has_its_time_and_silence_has_more() {
        let mut house = House::new();
        let mut slow = house.guest();
        let _silent = house.guest();
        slow.write_all(&MESSAGE[..9]).unwrap();
        house.listen();
        let now = clock::now();
        while house.connections.read_next(now).is_some() {}
        let after = |s| now + Duration::from_secs(s);
        assert!(house.connections.overdue(after(9)).is_empty());
        assert_eq!(house.connections.overdue(after(11)).len(), 1);
        assert_eq!(house.connections.overdue(after(4_000)).len(), 2);
    }
}
