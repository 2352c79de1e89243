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
mod tests {
    use super::*;
    use crate::clock;
    use mio::{Events, Poll};
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream as StdStream};
    use std::time::Duration;

    struct House {
        poll: Poll,
        connections: Connections,
        listener: TcpListener,
    }

    impl House {
        fn new() -> Self {
            Self {
                poll: Poll::new().unwrap(),
                connections: Connections::new(1_000),
                listener: TcpListener::bind("127.0.0.1:0").unwrap(),
            }
        }

        fn guest(&mut self) -> StdStream {
            self.guest_from("127.0.0.1")
        }

        /// Somebody who seems to come from there.
        fn guest_from(&mut self, source: &str) -> StdStream {
            let guest = StdStream::connect(self.listener.local_addr().unwrap()).unwrap();
            let (stream, peer) = self.listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let stream = TcpStream::from_std(stream);
            let peer = SocketAddr::new(source.parse().unwrap(), peer.port());
            if let Some(id) = self.connections.spare_to_accept(peer, |_| true) {
                self.connections.close(self.poll.registry(), id);
            }
            self.connections.accept(clock::now(), self.poll.registry(), stream, peer, 0);
            guest
        }

        /// Makes room for a message to `peer`.
        fn make_room(&mut self, peer: SocketAddr, is_needed: impl Fn(u64) -> bool) {
            let is_needed = |id| is_needed(id - FIRST_TOKEN as u64);
            if let Some(id) = self.connections.spare_to_send(None, peer, is_needed) {
                self.connections.close(self.poll.registry(), id);
            }
        }

        /// How many go of those whose time has come, where nobody needs any but these.
        fn overdue(&mut self, now: Instant, needed: &[u64]) -> Vec<u64> {
            let number = |id| id - FIRST_TOKEN as u64;
            let over = self.connections.overdue(now, |id| needed.contains(&number(id)));
            over.into_iter()
                .inspect(|&id| _ = self.connections.close(self.poll.registry(), id))
                .map(number)
                .collect()
        }

        /// Numbers of those that are open, the oldest first.
        fn open(&self) -> Vec<u64> {
            let mut open: Vec<u64> =
                self.connections.open.keys().map(|id| id - FIRST_TOKEN as u64).collect();
            open.sort_unstable();
            open
        }

        fn prove(&mut self, number: u64) {
            self.connections.prove(FIRST_TOKEN as u64 + number);
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
    fn what_is_for_a_closed_connection_takes_another_of_the_same_peer_or_none() {
        let mut house = House::new();
        let guest = house.guest();
        let (peer, now, bytes) = (guest.local_addr().unwrap(), clock::now(), Bytes::from(MESSAGE));
        let registry = house.poll.registry();
        let send = |connections: &mut Connections, peer| {
            connections.send(now, registry, Some(FIRST_TOKEN as u64 - 1), peer, 0, bytes.clone())
        };
        assert_eq!(send(&mut house.connections, peer), Ok(()));
        let elsewhere = house.listener.local_addr().unwrap();
        assert_eq!(send(&mut house.connections, elsewhere), Err(None), "nobody is rung up for it");
        assert_eq!(house.connections.len(), 1);
    }

    #[test]
    fn half_a_message_has_its_time_and_a_stranger_a_little_more() {
        let mut house = House::new();
        let mut slow = house.guest();
        let _silent = house.guest();
        let _known = house.guest();
        slow.write_all(&MESSAGE[..9]).unwrap();
        house.listen();
        house.prove(2);
        let now = clock::now();
        while house.connections.read_next(now).is_some() {}
        let after = |s| now + Duration::from_secs(s);
        assert!(house.overdue(after(9), &[]).is_empty());
        assert_eq!(house.overdue(after(11), &[]), [0]);
        assert_eq!(house.overdue(after(31), &[]), [1]);
        assert!(house.overdue(after(299), &[]).is_empty());
        assert!(house.overdue(after(301), &[2]).is_empty(), "somebody needs it");
        assert!(house.overdue(after(599), &[]).is_empty(), "that is not asked all the time");
        assert_eq!(house.overdue(after(602), &[]), [2]);
        assert!(house.connections.by_deadline.is_empty() && house.connections.known.is_empty());
    }

    #[test]
    fn a_message_shows_that_somebody_is_needed_and_a_ping_does_not() {
        let mut house = House::new();
        let (mut pings, mut speaks) = (house.guest(), house.guest());
        let now = clock::now();
        house.prove(0);
        house.prove(1);
        let later = now + Duration::from_secs(200);
        pings.write_all(b"\r\n\r\n").unwrap();
        speaks.write_all(MESSAGE).unwrap();
        house.listen();
        while house.connections.read_next(later).is_some() {}
        assert_eq!(house.overdue(now + Duration::from_secs(310), &[]), [0]);
        assert_eq!(house.overdue(now + Duration::from_secs(510), &[]), [1]);
    }

    #[test]
    fn who_takes_nothing_goes_after_ten_seconds() {
        let mut house = House::new();
        let deaf = house.guest();
        house.prove(0);
        let (peer, now) = (deaf.local_addr().unwrap(), clock::now());
        while house.connections.unsent_bytes() == 0 {
            let bytes = Bytes::from(vec![b'x'; 100_000]);
            house.connections.send(now, house.poll.registry(), None, peer, 0, bytes).unwrap();
        }
        assert!(house.overdue(now + Duration::from_secs(9), &[0]).is_empty());
        assert_eq!(house.overdue(now + Duration::from_secs(11), &[0]), [0]);
    }

    #[test]
    fn where_all_are_known_one_goes_that_nobody_needs() {
        let mut house = House::new();
        house.connections = Connections::new(16);
        let guests: Vec<StdStream> =
            (0..8).map(|i| house.guest_from(&format!("192.0.2.{}", 1 + i / 2))).collect();
        (0..8).for_each(|number| house.prove(number));
        let open = SocketAddr::new([192, 0, 2, 1].into(), guests[0].local_addr().unwrap().port());
        let new = SocketAddr::from(([192, 0, 2, 99], 5060));
        for (connection, peer) in [(Some(FIRST_TOKEN as u64), new), (None, open)] {
            let spare = house.connections.spare_to_send(connection, peer, |_| false);
            assert_eq!(spare, None, "there is a connection already");
        }
        house.make_room(new, |number| number < 6);
        assert_eq!(house.open(), [0, 1, 2, 3, 4, 5, 7]);
        let _new = house.guest_from("192.0.2.9");
        house.prove(8);
        house.make_room(new, |number| number != 0);
        assert_eq!(house.open(), [1, 2, 3, 4, 5, 7, 8], "all are asked in turn");
    }

    #[test]
    fn where_there_are_too_many_the_oldest_stranger_goes_and_nobody_who_is_needed() {
        let mut house = House::new();
        house.connections = Connections::new(16);
        let sources = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"];
        let mut guests: Vec<StdStream> = sources[..4]
            .iter()
            .flat_map(|source| [house.guest_from(source), house.guest_from(source)])
            .collect();
        house.prove(0);
        guests.push(house.guest_from(sources[4]));
        assert_eq!(house.open(), [0, 2, 3, 4, 5, 6, 7, 8]);
        guests.push(house.guest_from(sources[4]));
        assert_eq!(house.open(), [0, 3, 4, 5, 6, 7, 8, 9]);
        guests.push(house.guest_from(sources[4]));
        assert_eq!(
            (house.open(), house.connections.refused),
            (vec![0, 3, 4, 5, 6, 7, 8, 9], 1),
            "a quarter for each source, and nobody goes for one that has it"
        );
        guests.push(house.guest_from("192.0.2.6"));
        (0..12).for_each(|number| house.prove(number));
        guests.push(house.guest_from("192.0.2.7"));
        assert_eq!((house.open(), house.connections.refused), (vec![0, 4, 5, 6, 7, 8, 9, 10], 2));
        for id in house.open() {
            house.connections.close(house.poll.registry(), FIRST_TOKEN as u64 + id);
        }
        assert!(house.connections.by_source.is_empty() && house.connections.strangers.is_empty());
    }

    #[test]
    fn a_source_has_few_strangers_and_a_network_is_one_source() {
        let mut house = House::new();
        house.connections = Connections::new(4_096);
        let guests: Vec<StdStream> =
            (0..300).map(|i| house.guest_from(&format!("2001:db8::{i:x}"))).collect();
        assert_eq!((house.open().len(), house.connections.refused), (256, 44));
        house.prove(0);
        let _one = house.guest_from("2001:db8::ffff");
        let _other = house.guest_from("2001:db8:0:1::1");
        assert_eq!(house.open().len(), 258);
        for number in 10..20 {
            house.connections.close(house.poll.registry(), FIRST_TOKEN as u64 + number);
        }
        let _others: Vec<StdStream> = (0..10).map(|_| house.guest_from("2001:db8::1")).collect();
        assert_eq!((house.open().len(), house.connections.refused), (258, 44));
        drop(guests);
    }
}
