//! The loop of the SIP thread: sockets, commands, timers, and what comes of them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};
use tandem_sip::endpoint::{
    Command as SipCommand, Config, Endpoint, Flow, Listener, Transmit, Transport,
};

use super::connections::{Arrived, Connections, FIRST_TOKEN};
use super::joints::Joints;
use super::resolver::Resolver;
use crate::command::Command;
use crate::event::Event;
use crate::media::{MediaEvent, MediaOptions, MediaShards, PortPool};
use crate::options::Options;
use crate::outbox::Outbox;
use crate::sip::setup::SetupTimes;
use crate::{clock, lock, sys};

/// A thread to run, what it shares, and what it listens on.
pub(crate) type Opened = (SipThread, Arc<Shared>, Vec<(Transport, SocketAddr)>);

/// What the SIP thread is told by others.
#[derive(Debug)]
pub(crate) enum Input {
    /// Python wants something.
    Command(Command),
    /// The media side tells something.
    Media(MediaEvent),
    /// A host name has an address.
    Resolved(String, u16, SocketAddr),
    /// It is time to end.
    Close,
}

/// What the SIP thread shares with the rest of the engine.
#[derive(Debug)]
pub(crate) struct Shared {
    inbox: Mutex<Vec<Input>>,
    waker: Waker,
    pub(crate) outbox: Outbox,
    pub(crate) counters: Mutex<Vec<(String, u64)>>,
    is_over: AtomicBool,
}

impl Shared {
    /// Leaves something for the SIP thread.
    pub(crate) fn post(&self, input: Input) {
        let mut inbox = lock(&self.inbox);
        let was_empty = inbox.is_empty();
        inbox.push(input);
        drop(inbox);
        if was_empty {
            let _ = self.waker.wake();
        }
    }

    /// Whether the thread has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
enum Socket {
    Udp { socket: UdpSocket, is_readable: bool },
    Tcp { listener: TcpListener },
}

/// The thread and all that it owns.
pub(crate) struct SipThread {
    poll: Poll,
    sockets: Vec<Socket>,
    connections: Connections,
    pub(super) endpoint: Endpoint,
    pub(super) joints: Joints,
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    pub(super) resolver: Resolver,
    pub(super) told: Vec<Event>,
    pub(super) setup: SetupTimes,
    deferred: VecDeque<Arrived>,
    panics: u64,
    send_errors: u64,
    next_housekeeping: Instant,
    close_by: Option<Instant>,
}

impl SipThread {
    /// Opens all sockets; the error names the address.
    pub(crate) fn new(mut options: Options) -> io::Result<Opened> {
        let poll = Poll::new()?;
        let mut sockets = Vec::new();
        let mut listening = Vec::new();
        for (i, &(transport, address)) in options.sip_listen.iter().enumerate() {
            let named = |e: io::Error| {
                io::Error::new(
                    e.kind(),
                    format!(
                        "cannot listen on {} {address}: {e}",
                        transport.as_str().to_lowercase()
                    ),
                )
            };
            let (socket, bound) = open(&poll, Token(i), transport, address).map_err(named)?;
            sockets.push(socket);
            listening.push((transport, bound));
        }
        let seed = options.seed_bytes()?;
        let told = |&(transport, bound): &(Transport, SocketAddr)| Listener {
            transport,
            advertised: options.advertised(bound),
        };
        let listeners = listening.iter().map(told).collect();
        let media_told = options.advertised(SocketAddr::new(options.media_address, 0)).ip();
        options.advertised_address = Some(media_told);
        let config = Config {
            listeners,
            default_realm: options.default_realm.clone(),
            max_legs: options.max_calls,
            max_undecided_age: options.max_undecided_age,
            decision_timeout: options.decision_timeout,
            decision_default_status: options.decision_default_status,
            min_expires: options.registration_expires.0,
            max_expires: options.registration_expires.1,
            user_agent: options.user_agent.clone(),
        };
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            waker: Waker::new(poll.registry(), WAKER)?,
            outbox: Outbox::new(options.event_queue)?,
            counters: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let for_media = shared.clone();
        let media_options = MediaOptions {
            shards: options.media_threads,
            media_timeout: options.media_timeout,
            seed: u64::from_le_bytes(std::array::from_fn(|i| seed[16 + i])),
        };
        let sink = move |event| for_media.post(Input::Media(event));
        let media = MediaShards::start(media_options, Arc::new(sink))?;
        let for_resolver = shared.clone();
        let resolver = Resolver::start(move |host, port, address| {
            for_resolver.post(Input::Resolved(host, port, address))
        })?;
        let port_seed = u64::from_le_bytes(std::array::from_fn(|i| seed[24 + i]));
        let pool = PortPool::new(options.media_address, options.media_ports, port_seed);
        let now = clock::now();
        let thread = Self {
            poll,
            sockets,
            connections: Connections::new(),
            endpoint: Endpoint::new(config, seed, now),
            joints: Joints::new(pool, media),
            shared: shared.clone(),
            options,
            resolver,
            told: Vec::new(),
            setup: SetupTimes::default(),
            deferred: VecDeque::new(),
            panics: 0,
            send_errors: 0,
            next_housekeeping: now,
            close_by: None,
        };
        Ok((thread, shared, listening))
    }

    /// Runs until `Close`, and then until everybody has been told or a second has passed.
    pub(crate) fn run(mut self) {
        let mut ready = Events::with_capacity(256);
        let mut buffer = vec![0; 65_536];
        while self.is_wanted() {
            let wait = self.wait();
            match self.poll.poll(&mut ready, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                _ => {}
            }
            self.note_ready(&ready);
            self.shed();
            let inputs = std::mem::take(&mut *lock(&self.shared.inbox));
            for input in inputs {
                self.guarded(|thread| thread.handle_input(input));
            }
            self.read_datagrams(&mut buffer);
            self.read_streams();
            self.guarded(|thread| thread.endpoint.handle_timeout(clock::now()));
            self.flush();
            self.keep_house();
        }
        self.joints.media.stop();
        self.flush();
        self.shared.is_over.store(true, Ordering::Release);
    }

    fn is_wanted(&self) -> bool {
        match self.close_by {
            None => true,
            Some(by) => clock::now() < by && !(self.endpoint.is_idle() && self.joints.len() == 0),
        }
    }

    fn wait(&self) -> Duration {
        let is_busy = !self.deferred.is_empty()
            || self
                .sockets
                .iter()
                .any(|socket| matches!(socket, Socket::Udp { is_readable: true, .. }));
        if is_busy {
            return Duration::ZERO;
        }
        let until = self
            .endpoint
            .poll_timeout()
            .map_or(self.next_housekeeping, |at| at.min(self.next_housekeeping));
        until.saturating_duration_since(clock::now())
    }

    fn note_ready(&mut self, ready: &Events) {
        let now = clock::now();
        let mut arrived = Vec::new();
        for event in ready {
            let token = event.token();
            match self.sockets.get_mut(token.0) {
                Some(Socket::Udp { is_readable, .. }) => *is_readable = true,
                Some(Socket::Tcp { listener }) => {
                    while let Ok((stream, peer)) = listener.accept() {
                        self.connections.accept(now, self.poll.registry(), stream, peer, token.0);
                    }
                }
                None if token.0 >= FIRST_TOKEN
                    && !self.connections.handle(now, token, &mut arrived) =>
                {
                    self.close_connection(now, token.0 as u64);
                }
                None => {}
            }
        }
        self.deferred.extend(arrived);
    }

    fn close_connection(&mut self, now: Instant, id: u64) {
        let peer = self.connections.close(self.poll.registry(), id);
        self.guarded(|thread| {
            thread.endpoint.handle_connection_closed(now, id);
            if let Some(peer) = peer {
                thread.endpoint.handle_unreachable(now, Transport::Tcp, peer);
            }
        });
    }

    /// Tells the endpoint how far behind we are.
    fn shed(&mut self) {
        let fill = |socket: &Socket| match socket {
            Socket::Udp { socket, is_readable: true } => {
                sys::receive_buffer_fill(socket.as_raw_fd())
            }
            _ => 0.0,
        };
        let fullest = self.sockets.iter().map(fill).fold(0.0, f64::max);
        let level = match fullest {
            _ if self.shared.outbox.is_high() => 3,
            fill if fill > 0.5 => 3,
            fill if fill > 0.35 => 2,
            fill if fill > 0.2 => 1,
            _ => 0,
        };
        self.endpoint.set_overload(level);
    }

    fn read_datagrams(&mut self, buffer: &mut [u8]) {
        for i in 0..self.sockets.len() {
            for _ in 0..DATAGRAMS_A_TURN {
                let Some(Socket::Udp { socket, is_readable }) = self.sockets.get_mut(i) else {
                    break;
                };
                if !*is_readable {
                    break;
                }
                match socket.recv_from(buffer) {
                    Ok((length, peer)) => {
                        let bytes = Bytes::copy_from_slice(&buffer[..length]);
                        let flow =
                            Flow { listener: i, transport: Transport::Udp, peer, connection: None };
                        self.guarded(|thread| {
                            thread.endpoint.handle_message(clock::now(), flow, bytes)
                        });
                        self.collect();
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => *is_readable = false,
                    // What ICMP says about an earlier datagram of ours.
                    Err(_) => {}
                }
            }
        }
    }

    fn read_streams(&mut self) {
        for _ in 0..DATAGRAMS_A_TURN {
            let Some((connection, listener, peer, bytes)) = self.deferred.pop_front() else {
                break;
            };
            let flow =
                Flow { listener, transport: Transport::Tcp, peer, connection: Some(connection) };
            self.guarded(|thread| thread.endpoint.handle_message(clock::now(), flow, bytes));
        }
    }

    fn handle_input(&mut self, input: Input) {
        let now = clock::now();
        match input {
            Input::Command(command) => self.obey(now, command),
            Input::Media(event) => self.on_media(now, event),
            Input::Resolved(host, port, address) => {
                self.endpoint
                    .handle_command(now, SipCommand::ResolvedTrunk { host, port, address });
            }
            Input::Close => {
                self.endpoint.handle_command(now, SipCommand::Shutdown);
                self.close_by = Some(now + CLOSING_TIME);
            }
        }
        self.collect();
    }

    /// A panic in one message or command ends that one. What it was about to change may be half changed, which is
    /// better than a dead exchange; it is counted and logged by the panic hook.
    fn guarded(&mut self, step: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| step(self))).is_err() {
            self.panics += 1;
        }
    }

    /// Sends and tells what has piled up.
    fn flush(&mut self) {
        self.collect();
        let now = clock::now();
        while let Some(Transmit { flow, bytes }) = self.endpoint.poll_transmit() {
            match flow.transport {
                Transport::Udp => {
                    let Some(Socket::Udp { socket, .. }) = self.sockets.get(flow.listener) else {
                        continue;
                    };
                    if socket.send_to(&bytes, flow.peer).is_err() {
                        self.send_errors += 1;
                    }
                }
                Transport::Tcp => {
                    let Flow { connection, peer, listener, .. } = flow;
                    let registry = self.poll.registry();
                    match self.connections.send(now, registry, connection, peer, listener, bytes) {
                        Ok(()) => {}
                        Err(Some(id)) => self.close_connection(now, id),
                        Err(None) => self.guarded(|thread| {
                            thread.endpoint.handle_unreachable(now, Transport::Tcp, peer);
                        }),
                    }
                }
            }
        }
        self.collect();
        if !self.told.is_empty() {
            self.shared.outbox.push(self.told.drain(..));
        }
    }

    /// What is done a few times a second.
    fn keep_house(&mut self) {
        let now = clock::now();
        if now < self.next_housekeeping {
            return;
        }
        self.next_housekeeping = now + HOUSEKEEPING;
        for id in self.connections.overdue(now) {
            self.close_connection(now, id);
        }
        let mut counters: Vec<(String, u64)> = Vec::with_capacity(64);
        counters.extend(
            self.endpoint.counters().iter().map(|(name, value)| (format!("sip_{name}"), value)),
        );
        counters.extend(
            self.joints.media.counters().into_iter().map(|(name, value)| (name.to_owned(), value)),
        );
        counters.extend(self.setup.counters().map(|(name, value)| (name.to_owned(), value)));
        let (waiting, dropped) = self.shared.outbox.levels();
        let own = [
            ("tcp_connections", self.connections.len() as u64),
            ("tcp_refused", self.connections.refused),
            ("tcp_broken", self.connections.broken),
            ("udp_send_errors", self.send_errors),
            ("thread_panics", self.panics),
            ("events_waiting", waiting),
            ("events_dropped", dropped),
            ("rtp_ports_leased", self.joints.ports_leased() as u64),
        ];
        counters.extend(own.map(|(name, value)| (name.to_owned(), value)));
        *lock(&self.shared.counters) = counters;
    }
}

fn open(
    poll: &Poll,
    token: Token,
    transport: Transport,
    address: SocketAddr,
) -> io::Result<(Socket, SocketAddr)> {
    match transport {
        Transport::Udp => {
            let mut socket = UdpSocket::bind(address)?;
            sys::grow_receive_buffer(socket.as_raw_fd(), RECEIVE_BUFFER_BYTES);
            poll.registry().register(&mut socket, token, Interest::READABLE)?;
            let bound = socket.local_addr()?;
            Ok((Socket::Udp { socket, is_readable: true }, bound))
        }
        Transport::Tcp => {
            let mut listener = TcpListener::bind(address)?;
            poll.registry().register(&mut listener, token, Interest::READABLE)?;
            let bound = listener.local_addr()?;
            Ok((Socket::Tcp { listener }, bound))
        }
    }
}

const WAKER: Token = Token(FIRST_TOKEN - 1);
/// Messages taken from one socket before timers and commands have their turn.
const DATAGRAMS_A_TURN: usize = 64;
const RECEIVE_BUFFER_BYTES: i32 = 8 << 20;
const HOUSEKEEPING: Duration = Duration::from_millis(250);
/// How long the others have to hear that we stop.
const CLOSING_TIME: Duration = Duration::from_secs(1);
