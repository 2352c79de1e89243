//! Connections over loopback, in time that is told to them.

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

fn flow(connection: Option<u64>, peer: SocketAddr) -> Flow {
    Flow { listener: 0, transport: Transport::Tcp, peer, connection }
}

impl House {
    fn new() -> Self {
        Self {
            poll: Poll::new().unwrap(),
            connections: Connections::new(1_000, None, Web::default()),
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
        if let Some(id) = self.connections.spare_to_accept(flow(None, peer), |_| true) {
            self.connections.close(clock::now(), self.poll.registry(), id);
        }
        self.connections.accept(clock::now(), self.poll.registry(), stream, flow(None, peer));
        guest
    }

    /// Makes room for a message to `peer`.
    fn make_room(&mut self, peer: SocketAddr, is_needed: impl Fn(u64) -> bool) {
        let is_needed = |id| is_needed(id - FIRST_TOKEN as u64);
        if let Some(id) = self.connections.spare_to_send(flow(None, peer), is_needed) {
            self.connections.close(clock::now(), self.poll.registry(), id);
        }
    }

    /// How many go of those whose time has come, where nobody needs any but these.
    fn overdue(&mut self, now: Instant, needed: &[u64]) -> Vec<u64> {
        let number = |id| id - FIRST_TOKEN as u64;
        let over = self.connections.overdue(now, |id| needed.contains(&number(id)));
        over.into_iter()
            .inspect(|&id| _ = self.connections.close(clock::now(), self.poll.registry(), id))
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
        refused = house.connections.send(clock::now(), registry, flow(None, peer), bytes).err();
        assert!(sent < 100 << 20);
    }
    assert!(house.connections.unsent_bytes() < 600_000);
    let Some(Unsent::Over(id)) = refused else { panic!("it names the connection") };
    let route = house.connections.close(clock::now(), house.poll.registry(), id);
    assert_eq!(
        (route, house.connections.unsent_bytes()),
        (Some(Lost { transport: Transport::Tcp, peer, why: String::new() }), 0)
    );
    assert_eq!((house.connections.len(), house.connections.dropped), (0, 1));
}

#[test]
fn what_is_for_a_closed_connection_takes_another_of_the_same_peer_or_none() {
    let mut house = House::new();
    let guest = house.guest();
    let (peer, now, bytes) = (guest.local_addr().unwrap(), clock::now(), Bytes::from(MESSAGE));
    let registry = house.poll.registry();
    let send = |connections: &mut Connections, peer| {
        connections.send(now, registry, flow(Some(FIRST_TOKEN as u64 - 1), peer), bytes.clone())
    };
    assert_eq!(send(&mut house.connections, peer), Ok(()));
    let elsewhere = house.listener.local_addr().unwrap();
    assert_eq!(
        send(&mut house.connections, elsewhere),
        Err(Unsent::NoWay(String::new())),
        "nobody is rung up for it"
    );
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
        house.connections.send(now, house.poll.registry(), flow(None, peer), bytes).unwrap();
    }
    assert!(house.overdue(now + Duration::from_secs(9), &[0]).is_empty());
    assert_eq!(house.overdue(now + Duration::from_secs(11), &[0]), [0]);
}

#[test]
fn where_all_are_known_one_goes_that_nobody_needs() {
    let mut house = House::new();
    house.connections = Connections::new(16, None, Web::default());
    let guests: Vec<StdStream> =
        (0..8).map(|i| house.guest_from(&format!("192.0.2.{}", 1 + i / 2))).collect();
    (0..8).for_each(|number| house.prove(number));
    let open = SocketAddr::new([192, 0, 2, 1].into(), guests[0].local_addr().unwrap().port());
    let new = SocketAddr::from(([192, 0, 2, 99], 5060));
    for (connection, peer) in [(Some(FIRST_TOKEN as u64), new), (None, open)] {
        let spare = house.connections.spare_to_send(flow(connection, peer), |_| false);
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
    house.connections = Connections::new(16, None, Web::default());
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
        house.connections.close(clock::now(), house.poll.registry(), FIRST_TOKEN as u64 + id);
    }
    assert!(house.connections.by_source.is_empty() && house.connections.strangers.is_empty());
}

#[test]
fn a_source_has_few_strangers_and_a_network_is_one_source() {
    let mut house = House::new();
    house.connections = Connections::new(4_096, None, Web::default());
    let guests: Vec<StdStream> =
        (0..300).map(|i| house.guest_from(&format!("2001:db8::{i:x}"))).collect();
    assert_eq!((house.open().len(), house.connections.refused), (256, 44));
    house.prove(0);
    let _one = house.guest_from("2001:db8::ffff");
    let _other = house.guest_from("2001:db8:0:1::1");
    assert_eq!(house.open().len(), 258);
    for number in 10..20 {
        house.connections.close(clock::now(), house.poll.registry(), FIRST_TOKEN as u64 + number);
    }
    let _others: Vec<StdStream> = (0..10).map(|_| house.guest_from("2001:db8::1")).collect();
    assert_eq!((house.open().len(), house.connections.refused), (258, 44));
    drop(guests);
}

/// A house that speaks TLS.
fn secure_house(name: &str) -> House {
    let tls = crate::sip::tls::tests::tls(name);
    House { connections: Connections::new(8_192, Some(tls), Web::default()), ..House::new() }
}

impl House {
    /// Somebody who seems to come from there and has said nothing yet.
    fn secure_guest_from(&mut self, source: &str) -> StdStream {
        let guest = StdStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = self.listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let peer = SocketAddr::new(source.parse().unwrap(), peer.port());
        let flow = Flow { transport: Transport::Tls, ..flow(None, peer) };
        if let Some(id) = self.connections.spare_to_accept(flow, |_| true) {
            self.connections.close(clock::now(), self.poll.registry(), id);
        }
        let stream = TcpStream::from_std(stream);
        self.connections.accept(clock::now(), self.poll.registry(), stream, flow);
        guest
    }
}

#[test]
fn of_too_many_handshakes_the_oldest_goes_and_no_source_has_more_than_a_quarter() {
    let mut house = secure_house("crowd");
    let mut guests = Vec::new();
    for i in 0..1_300 {
        guests.push(house.secure_guest_from(&format!("192.0.2.{}", i % 5)));
    }
    assert_eq!(house.connections.handshaking(), MAX_HANDSHAKES);
    let open = house.open();
    assert_eq!((open.len(), open[0]), (MAX_HANDSHAKES, 276), "the oldest have gone");
    let full = house.connections.refused;
    (0..300).for_each(|_| guests.push(house.secure_guest_from("198.51.100.1")));
    assert_eq!(house.connections.refused - full, 44);
    assert_eq!(house.connections.handshaking(), MAX_HANDSHAKES);
}

#[test]
fn handshakes_rest_as_long_as_they_take_and_stand_behind_everybody_else() {
    let mut house = secure_house("rest");
    let mut guests: Vec<StdStream> =
        (0..40).map(|i| house.secure_guest_from(&format!("192.0.2.{i}"))).collect();
    let mut plain = house.guest();
    for guest in &mut guests {
        guest.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    }
    plain.write_all(MESSAGE).unwrap();
    house.listen();
    let now = clock::now();
    assert_eq!(house.connections.read_next(now).unwrap().messages.len(), 1);
    house.connections.shook = SHAKING - Duration::from_nanos(1);
    assert!(house.connections.read_handshake(now).is_some());
    assert_eq!(house.connections.shook, Duration::ZERO);
    let rest_until = house.connections.handshake_at().expect("others wait");
    assert!(rest_until >= now + SHAKING);
    assert!(house.connections.read_handshake(rest_until - Duration::from_nanos(1)).is_none());
    assert!(house.connections.read_handshake(rest_until).is_some());
}

#[test]
fn a_handshake_has_five_seconds_whatever_comes_meanwhile() {
    let mut house = secure_house("late");
    let mut guest = house.secure_guest_from("192.0.2.1");
    let now = clock::now();
    guest.write_all(b"\x16").unwrap();
    house.listen();
    assert!(house.connections.read_handshake(now + Duration::from_secs(4)).is_some());
    assert!(house.overdue(now + Duration::from_secs(4), &[]).is_empty());
    assert_eq!(house.overdue(now + Duration::from_secs(6), &[]), [0]);
    assert_eq!((house.connections.handshaking(), house.connections.tls.unwrap().failed), (0, 1));
}

const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
const PING: &[u8] = b"\x89\xfd\0\0\0\0";

impl House {
    /// Somebody who came by WebSocket, and the number of that connection.
    fn web_guest(&mut self) -> (StdStream, u64) {
        let guest = StdStream::connect(self.listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = self.listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let flow = Flow { transport: Transport::Ws, ..flow(None, peer) };
        let stream = TcpStream::from_std(stream);
        self.connections.accept(clock::now(), self.poll.registry(), stream, flow);
        (guest, self.connections.next - 1)
    }

    fn web_figures(&self) -> [u64; 3] {
        self.connections.web.counters().map(|(_, value)| value)
    }
}

fn heard_from(mut guest: &StdStream) -> Vec<u8> {
    use std::io::Read as _;
    guest.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut buffer = vec![0; 4_096];
    let count = guest.read(&mut buffer).unwrap();
    buffer.truncate(count);
    buffer
}

#[test]
fn who_comes_by_web_socket_is_heard_answered_and_never_sought() {
    let mut house = House::new();
    let (mut guest, id) = house.web_guest();
    guest.write_all(REQUEST.as_bytes()).unwrap();
    guest.write_all(b"\x81\x83\0\0\0\0abc").unwrap();
    let mut messages = Vec::new();
    while messages.is_empty() {
        house.listen();
        while let Some(chunk) = house.connections.read_next(clock::now()) {
            assert!(!chunk.is_last);
            messages.extend(chunk.messages);
        }
    }
    assert_eq!(messages, [&b"abc"[..]]);
    assert!(heard_from(&guest).starts_with(b"HTTP/1.1 101 "));
    let way = Flow {
        connection: Some(id),
        transport: Transport::Ws,
        ..flow(None, guest.local_addr().unwrap())
    };
    let send = |house: &mut House, way| {
        house.connections.send(
            clock::now(),
            house.poll.registry(),
            way,
            Bytes::from_static(b"hello"),
        )
    };
    assert_eq!(send(&mut house, way), Ok(()));
    assert_eq!(heard_from(&guest), b"\x81\x05hello");
    assert_eq!(house.web_figures(), [1, 1, 0]);
    house.connections.close(clock::now(), house.poll.registry(), id);
    assert_eq!(heard_from(&guest), b"\x88\x02\x03\xe9", "it is told that we go");
    assert_eq!(house.web_figures(), [0, 1, 0]);
    let (_other, _) = house.web_guest();
    house.connections.max = 1;
    for connection in [Some(id), None] {
        let gone = Flow { connection, ..way };
        assert_eq!(house.connections.spare_to_send(gone, |_| false), None, "nobody goes for it");
        assert_eq!(send(&mut house, gone), Err(Unsent::NoWay(String::new())));
    }
    assert_eq!(house.open(), [1]);
}

#[test]
fn who_does_not_ask_for_web_socket_in_time_is_told_and_let_go() {
    let mut house = House::new();
    let (slow, _) = house.web_guest();
    let start = clock::now();
    assert_eq!(house.overdue(start + Duration::from_secs(9), &[]), [] as [u64; 0]);
    assert_eq!(house.overdue(start + Duration::from_secs(11), &[]), [0]);
    assert!(heard_from(&slow).starts_with(b"HTTP/1.1 408 "));
    assert_eq!(house.web_figures(), [0, 0, 1]);
}

#[test]
fn who_asks_for_pongs_and_takes_none_is_let_go_before_it_owes_too_much() {
    let mut house = House::new();
    let (mut deaf, _) = house.web_guest();
    deaf.write_all(REQUEST.as_bytes()).unwrap();
    deaf.set_nonblocking(true).unwrap();
    let ping = [PING, &[0; 125]].concat().repeat(100);
    let mut is_over = false;
    while !is_over {
        let _ = deaf.write(&ping);
        house.listen();
        while let Some(chunk) = house.connections.read_next(clock::now()) {
            is_over |= chunk.is_last;
            assert!(house.connections.unsent_bytes() < 600_000);
        }
    }
}
