//! TCP connections: bounded in number, in what they may owe and in how long they may take.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tandem_sip::wire::{Framed, Framer, Limits};

/// All connections. A token is `FIRST_TOKEN` and above, and names one connection for ever.
#[derive(Debug)]
pub(super) struct Connections {
    open: HashMap<u64, Connection>,
    by_peer: HashMap<SocketAddr, u64>,
    by_source: HashMap<IpAddr, usize>,
    next: u64,
    pub(super) refused: u64,
    pub(super) broken: u64,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    listener: usize,
    framer: Framer,
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// Bytes of the first unsent one that are gone already.
    sent_of_first: usize,
    is_connected: bool,
    /// Since when it has waited to be written to.
    stuck_since: Option<Instant>,
    /// Since when a message has been incomplete.
    incomplete_since: Option<Instant>,
    last_heard: Instant,
}

/// A message, and the connection and listener that it came by.
pub(super) type Arrived = (u64, usize, SocketAddr, Bytes);

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            open: HashMap::new(),
            by_peer: HashMap::new(),
            by_source: HashMap::new(),
            next: FIRST_TOKEN as u64,
            refused: 0,
            broken: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
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
        let id = match connection.or_else(|| self.by_peer.get(&peer).copied()) {
            Some(id) => id,
            None => {
                let stream = TcpStream::connect(peer).map_err(|_| None)?;
                self.add(now, registry, stream, peer, listener, false).ok_or(None)?
            }
        };
        let connection = self.open.get_mut(&id).ok_or(None)?;
        connection.unsent_bytes += bytes.len();
        connection.unsent.push_back(bytes);
        if connection.unsent_bytes > MAX_UNSENT_BYTES || connection.write(now).is_err() {
            return Err(Some(id));
        }
        Ok(())
    }

    /// Reads and writes what can be. Gives messages and, if the connection is over, false.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        token: Token,
        arrived: &mut Vec<Arrived>,
    ) -> bool {
        let id = token.0 as u64;
        let Some(connection) = self.open.get_mut(&id) else { return true };
        let is_alive = connection.write(now).is_ok() && connection.read(now, id, arrived);
        if !is_alive {
            self.broken += 1;
        }
        is_alive
    }

    /// Those that take too long to read, to write or to say anything.
    pub(super) fn overdue(&self, now: Instant) -> Vec<u64> {
        let is_late = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|s| now.duration_since(s) > limit)
        };
        let is_over = |c: &Connection| {
            is_late(c.stuck_since, WRITE_LIMIT)
                || is_late(c.incomplete_since, MESSAGE_LIMIT)
                || is_late(Some(c.last_heard), IDLE_LIMIT)
        };
        self.open.iter().filter(|(_, connection)| is_over(connection)).map(|(id, _)| *id).collect()
    }

    /// Closes a connection; to whom it was.
    pub(super) fn close(&mut self, registry: &Registry, id: u64) -> Option<SocketAddr> {
        let mut connection = self.open.remove(&id)?;
        let _ = registry.deregister(&mut connection.stream);
        if self.by_peer.get(&connection.peer) == Some(&id) {
            self.by_peer.remove(&connection.peer);
        }
        if let Some(count) = self.by_source.get_mut(&connection.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&connection.peer.ip());
            }
        }
        Some(connection.peer)
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
        self.open.insert(
            id,
            Connection {
                stream,
                peer,
                listener,
                framer: Framer::default(),
                unsent: VecDeque::new(),
                unsent_bytes: 0,
                sent_of_first: 0,
                is_connected,
                stuck_since: (!is_connected).then_some(now),
                incomplete_since: None,
                last_heard: now,
            },
        );
        Some(id)
    }
}

impl Connection {
    /// Sends what the peer takes.
    fn write(&mut self, now: Instant) -> io::Result<()> {
        if !self.is_connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            self.is_connected = true;
        }
        while let Some(first) = self.unsent.front() {
            match self.stream.write(&first[self.sent_of_first..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.sent_of_first += count;
                    self.stuck_since = None;
                    if self.sent_of_first == first.len() {
                        self.unsent_bytes -= first.len();
                        self.unsent.pop_front();
                        self.sent_of_first = 0;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stuck_since.get_or_insert(now);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.stuck_since = None;
        Ok(())
    }

    /// Reads until nothing is left. False when the peer is gone or speaks no SIP.
    fn read(&mut self, now: Instant, id: u64, arrived: &mut Vec<Arrived>) -> bool {
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => {
                    self.last_heard = now;
                    self.framer.push(&buffer[..count]);
                    loop {
                        match self.framer.next_frame(&Limits::STREAM) {
                            Ok(Some(Framed::Message(bytes))) => {
                                arrived.push((id, self.listener, self.peer, bytes))
                            }
                            Ok(Some(Framed::Ping)) => {
                                self.unsent_bytes += PONG.len();
                                self.unsent.push_back(Bytes::from_static(PONG));
                                if self.unsent_bytes > MAX_UNSENT_BYTES || self.write(now).is_err()
                                {
                                    return false;
                                }
                            }
                            Ok(None) => break,
                            Err(_) => return false,
                        }
                    }
                    self.incomplete_since = match self.framer.is_inside_message() {
                        true => self.incomplete_since.or(Some(now)),
                        false => None,
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::NotConnected && !self.is_connected => {
                    return true;
                }
                Err(_) => return false,
            }
        }
    }
}

/// RFC 5626 §4.4.1.
const PONG: &[u8] = b"\r\n";

/// Tokens below are sockets and listeners.
pub(super) const FIRST_TOKEN: usize = 1 << 16;
const MAX_CONNECTIONS: usize = 20_000;
const MAX_PER_SOURCE: usize = 4_096;
const MAX_UNSENT_BYTES: usize = 512 * 1024;
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// A message that trickles in for longer is an attack.
const MESSAGE_LIMIT: Duration = Duration::from_secs(10);
/// Longer than any registration; phones keep their connection alive meanwhile.
const IDLE_LIMIT: Duration = Duration::from_secs(3_700);
