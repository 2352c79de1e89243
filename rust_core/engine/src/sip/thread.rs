//! The loop of the SIP thread: sockets, commands, timers, and what comes of them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Events, Poll, Token};
use tandem_sip::endpoint::{
    Command as SipCommand, Config, EndedBy, Endpoint, Flow, LegEnd, Listener, Transmit, Transport,
};

use super::connections::{Chunk, Connections, FIRST_TOKEN, Lost, Unsent, Web};
use super::dns::NameServers;
use super::hep::Exporter;
use super::joints::Joints;
use super::resolver::Resolver;
use super::setup::SetupTimes;
use super::shared::{Input, Shared};
use super::sockets::Socket;
use super::tls::{Tls, Watch};
use super::trace::Trace;
use crate::event::{Event, What};
use crate::media::{Driver, MediaOptions, MediaShards, PortPool};
use crate::options::Options;
use crate::{clock, lock, sys};

/// A thread to run, what it shares, and what it listens on.
pub(crate) type Opened = (SipThread, Arc<Shared>, Vec<(Transport, SocketAddr)>);

/// The thread and all that it owns.
pub(crate) struct SipThread {
    poll: Poll,
    sockets: Vec<Socket>,
    pub(super) connections: Connections,
    pub(super) endpoint: Endpoint,
    pub(super) joints: Joints,
    pub(super) shared: Arc<Shared>,
    pub(super) options: Options,
    pub(super) resolver: Resolver,
    /// Reads the certificate again when it changes.
    _watch: Option<Watch>,
    pub(super) hep: Option<Exporter>,
    pub(super) told: Vec<Event>,
    pub(super) setup: SetupTimes,
    /// What the others have left and is not done yet.
    inputs: VecDeque<Input>,
    descriptors_max: u64,
    panics: u64,
    send_errors: u64,
    next_housekeeping: Instant,
    close_by: Option<Instant>,
}

impl SipThread {
    /// Opens all sockets; the error names the address.
    pub(crate) fn new(mut options: Options) -> io::Result<Opened> {
        let tls = options.tls.as_ref().map(|files| files.read().map(Tls::new)).transpose()?;
        let web = Web::new(options.ws_origins.clone());
        let poll = Poll::new()?;
        let mut sockets = Vec::new();
        let mut listening = Vec::new();
        for (i, &(transport, address)) in options.sip_listen.iter().enumerate() {
            let (socket, bound) = Socket::open(&poll, Token(i), transport, address)?;
            sockets.push(socket);
            listening.push((transport, bound));
        }
        let seed = options.seed_bytes()?;
        let told = |&(transport, bound): &(Transport, SocketAddr)| Listener {
            transport,
            advertised: options.advertised(bound),
        };
        let listeners: Vec<_> = listening.iter().map(told).collect();
        let locals: Vec<_> = listeners.iter().map(|listener| listener.advertised).collect();
        let hep = options.hep.as_ref();
        let hep = hep.map(|hep| Exporter::start(hep, locals.clone())).transpose()?;
        let trace = Trace::new(options.sip_trace_calls, locals);
        let media_told = options.advertised(SocketAddr::new(options.media_address, 0)).ip();
        options.advertised_address = Some(media_told);
        let config = Config {
            listeners,
            default_realm: options.default_realm.clone(),
            secret: options.secret_bytes()?,
            max_legs: options.max_legs,
            max_requests_of_source: options.max_requests_of_source,
            ban_times: options.ban_times,
            never_banned: options.never_banned.clone(),
            max_undecided_age: options.max_undecided_age,
            decision_timeout: options.decision_timeout,
            min_expires: options.registration_expires.0,
            max_expires: options.registration_expires.1,
            user_agent: options.user_agent.clone(),
            only_playable: options.only_playable,
        };
        let shared = Arc::new(Shared::new(&poll, WAKER, options.event_queue, trace)?);
        let for_media = shared.clone();
        let media_options = MediaOptions {
            shards: options.media_threads,
            media_timeout: options.media_timeout,
            seed: u64::from_le_bytes(std::array::from_fn(|i| seed[16 + i])),
            driver: Driver::Fastest,
        };
        let sink = move |event| for_media.post(Input::Media(event));
        let media = MediaShards::start(media_options, Arc::new(sink))?;
        let for_resolver = shared.clone();
        let name_servers = match options.name_servers.as_slice() {
            [] => NameServers::OfHost,
            these => NameServers::These(these.to_vec()),
        };
        let resolver = Resolver::start(name_servers, move |host, servers| {
            for_resolver.post(Input::Resolved(host, servers));
        })?;
        let for_watch = shared.clone();
        let tell = move |read| for_watch.post(Input::Certificate(Box::new(read)));
        let watch = options.tls.clone().map(|files| Watch::start(files, tell)).transpose()?;
        let port_seed = u64::from_le_bytes(std::array::from_fn(|i| seed[24 + i]));
        let pool = PortPool::new(options.media_address, options.media_ports, port_seed);
        let now = clock::now();
        let descriptors_max = sys::raise_descriptor_limit();
        let mut thread = Self {
            poll,
            sockets,
            connections: Connections::new(descriptors_max, tls, web),
            endpoint: Endpoint::new(config, seed, now),
            joints: Joints::new(pool, media),
            shared: shared.clone(),
            options,
            resolver,
            _watch: watch,
            hep,
            told: Vec::new(),
            setup: SetupTimes::default(),
            inputs: VecDeque::new(),
            descriptors_max,
            panics: 0,
            send_errors: 0,
            next_housekeeping: now,
            close_by: None,
        };
        thread.tell_certificate(now, None);
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
            self.handle_inputs(INPUTS_A_TURN);
            self.read_datagrams(&mut buffer);
            self.read_streams();
            self.guarded(|thread| thread.endpoint.handle_timeout(clock::now()));
            self.guarded(Self::flush);
            self.guarded(Self::keep_house);
        }
        self.end();
    }

    /// Nobody is waited for any longer: whatever leg is left ends now.
    fn end(&mut self) {
        self.joints.media.stop();
        self.handle_inputs(usize::MAX);
        let now = clock::now();
        for leg in self.joints.alive() {
            let reason = "shutting down".to_owned();
            self.tell_end(
                leg,
                now,
                LegEnd { status: 503, by: EndedBy::Shutdown, reason, moved_to: String::new() },
            );
        }
        for (at, last) in self.joints.abandon() {
            self.tell(at, last);
        }
        self.guarded(Self::flush);
        self.guarded(Self::publish);
        self.shared.set_over();
    }

    fn is_wanted(&self) -> bool {
        match self.close_by {
            None => true,
            Some(by) => clock::now() < by && !(self.endpoint.is_idle() && self.joints.len() == 0),
        }
    }

    fn wait(&self) -> Duration {
        let is_busy = !self.inputs.is_empty()
            || self.connections.has_readable()
            || self.sockets.iter().any(Socket::is_readable);
        if is_busy {
            return Duration::ZERO;
        }
        let others = [self.endpoint.poll_timeout(), self.connections.handshake_at()];
        let until = others.into_iter().flatten().fold(self.next_housekeeping, Instant::min);
        until.saturating_duration_since(clock::now())
    }

    fn note_ready(&mut self, ready: &Events) {
        let now = clock::now();
        for token in ready.iter().map(|event| event.token()) {
            if let Some(socket) = self.sockets.get_mut(token.0) {
                socket.set_readable();
            } else if token.0 >= FIRST_TOKEN && !self.connections.handle_ready(now, token) {
                self.close_connection(now, token.0 as u64);
            }
        }
    }

    fn handle_inputs(&mut self, max: usize) {
        self.inputs.extend(self.shared.take());
        let count = self.inputs.len().min(max);
        for _ in 0..count {
            if let Some(input) = self.inputs.pop_front() {
                self.guarded(|thread| thread.handle_input(input));
            }
        }
    }

    fn close_connection(&mut self, now: Instant, id: u64) {
        let lost = self.connections.close(now, self.poll.registry(), id);
        self.guarded(|thread| {
            thread.endpoint.handle_connection_closed(now, id);
            if let Some(Lost { transport, peer, why }) = lost {
                thread.endpoint.handle_unreachable(now, transport, peer, &why);
            }
        });
    }

    /// Lets a connection go to make room for another.
    fn let_go(&mut self, now: Instant, spare: Option<u64>) {
        if let Some(id) = spare {
            self.connections.dropped += 1;
            self.close_connection(now, id);
        }
    }

    /// Tells the endpoint how far behind we are.
    fn shed(&mut self) {
        let unread = self.sockets.iter().map(Socket::fill).fold(0.0, f64::max);
        let untold = self.shared.outbox.fill();
        self.endpoint.set_behind((unread / BEARABLE_UNREAD).max(untold / BEARABLE_UNTOLD));
    }

    fn read_datagrams(&mut self, buffer: &mut [u8]) {
        let now = clock::now();
        for listener in 0..self.sockets.len() {
            for _ in 0..MESSAGES_A_TURN {
                let Some((length, peer)) = self.sockets[listener].receive(buffer) else { break };
                if self.endpoint.turns_away(now, peer.ip()) {
                    continue;
                }
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                let flow = Flow { listener, transport: Transport::Udp, peer, connection: None };
                self.handle_message(flow, bytes);
            }
        }
    }

    fn read_streams(&mut self) {
        let now = clock::now();
        for listener in 0..self.sockets.len() {
            for _ in 0..MESSAGES_A_TURN {
                let Some((stream, peer)) = self.sockets[listener].accept() else { break };
                if self.endpoint.turns_away(now, peer.ip()) {
                    continue;
                }
                let transport = self.sockets[listener].transport();
                let flow = Flow { listener, transport, peer, connection: None };
                let is_needed = |id| self.endpoint.is_needed(id);
                let spare = self.connections.spare_to_accept(flow, is_needed);
                self.let_go(now, spare);
                self.connections.accept(now, self.poll.registry(), stream, flow);
            }
        }
        for _ in 0..CHUNKS_A_TURN {
            let Some(chunk) = self.connections.read_next(now) else { break };
            self.handle_chunk(now, chunk);
        }
        for _ in 0..CHUNKS_A_TURN {
            let Some(chunk) = self.connections.read_handshake(now) else { break };
            self.handle_chunk(now, chunk);
        }
    }

    fn handle_chunk(&mut self, now: Instant, chunk: Chunk) {
        if self.endpoint.turns_away(now, chunk.flow.peer.ip()) {
            return self.close_connection(now, chunk.connection);
        }
        for message in chunk.messages {
            self.handle_message(chunk.flow, message);
        }
        if chunk.is_garbage {
            self.guarded(|thread| thread.endpoint.handle_garbage(now, chunk.flow));
        }
        if chunk.is_last {
            self.close_connection(now, chunk.connection);
        }
    }

    fn handle_message(&mut self, flow: Flow, bytes: Bytes) {
        self.guarded(|thread| {
            let now = clock::now();
            thread.tap_received(now, flow, &bytes);
            thread.endpoint.handle_message(now, flow, bytes);
            thread.collect();
        });
    }

    fn handle_input(&mut self, input: Input) {
        let now = clock::now();
        match input {
            Input::Command(command) => self.obey(now, command),
            Input::Media(event) => self.on_media(now, event),
            Input::Resolved(host, servers) => {
                if let Some(tls) = &mut self.connections.tls {
                    tls.resolved(&host, &servers);
                }
                self.resolver.answered(&host, &servers);
                self.endpoint.handle_command(now, SipCommand::Resolved { host, servers });
            }
            Input::Certificate(read) => {
                let fault = self.connections.tls.as_mut().and_then(|tls| tls.renew(*read));
                self.tell_certificate(now, fault);
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
            self.tap_sent(now, flow, &bytes);
            match flow.transport {
                Transport::Udp => {
                    let socket = self.sockets.get(flow.listener);
                    if !socket.is_some_and(|socket| socket.send(&bytes, flow.peer)) {
                        self.send_errors += 1;
                    }
                }
                Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                    let is_needed = |id| self.endpoint.is_needed(id);
                    let spare = self.connections.spare_to_send(flow, is_needed);
                    self.let_go(now, spare);
                    match self.connections.send(now, self.poll.registry(), flow, bytes) {
                        Ok(()) => {}
                        Err(Unsent::Over(id)) => self.close_connection(now, id),
                        Err(Unsent::NoWay(why)) => self.guarded(|thread| {
                            let Flow { transport, peer, .. } = flow;
                            thread.endpoint.handle_unreachable(now, transport, peer, &why);
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

    /// Which certificate is in force, and why a newer one is not.
    fn tell_certificate(&mut self, now: Instant, fault: Option<String>) {
        if let Some(tls) = &self.connections.tls {
            let ends_at_s = tls.ends_at_s();
            self.tell(now, What::CertificateRead { ends_at_s, fault });
        }
    }

    /// What is done a few times a second.
    fn keep_house(&mut self) {
        let now = clock::now();
        if now < self.next_housekeeping {
            return;
        }
        self.next_housekeeping = now + HOUSEKEEPING;
        let over = self.connections.overdue(now, |id| self.endpoint.is_needed(id));
        self.connections.dropped += over.len() as u64;
        for id in over {
            self.close_connection(now, id);
        }
        for socket in &mut self.sockets {
            // A listener that found no descriptor left is told of the waiting connection only once.
            socket.set_readable();
        }
        self.publish();
    }

    fn publish(&mut self) {
        let mut counters: Vec<(String, u64)> = Vec::with_capacity(64);
        counters.extend(
            self.endpoint.counters().iter().map(|(name, value)| (format!("sip_{name}"), value)),
        );
        counters.extend(
            self.joints.media.counters().into_iter().map(|(name, value)| (name.to_owned(), value)),
        );
        counters.extend(self.setup.counters());
        let traced = self.shared.trace.counters();
        counters.extend(traced.map(|(name, value)| (name.to_owned(), value)));
        if let Some(hep) = &self.hep {
            counters.extend(hep.counters().map(|(name, value)| (name.to_owned(), value)));
        }
        let (waiting, dropped) = self.shared.outbox.levels();
        let own = [
            ("sip_banned", self.endpoint.banned(clock::now()) as u64),
            ("tcp_connections", self.connections.len() as u64),
            ("tcp_refused", self.connections.refused),
            ("tcp_dropped", self.connections.dropped),
            ("udp_send_errors", self.send_errors),
            ("thread_panics", self.panics),
            ("tcp_unsent_bytes", self.connections.unsent_bytes() as u64),
            ("file_descriptors_max", self.descriptors_max),
            ("inputs_dropped", self.shared.dropped()),
            ("events_waiting", waiting),
            ("events_dropped", dropped),
            ("rtp_ports_leased", self.joints.ports_leased() as u64),
        ];
        counters.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let web = self.connections.web.counters();
        counters.extend(web.map(|(name, value)| (name.to_owned(), value)));
        if let Some(tls) = &self.connections.tls {
            counters.push(("tls_handshaking".to_owned(), self.connections.handshaking() as u64));
            counters.extend(tls.counters().map(|(name, value)| (name.to_owned(), value)));
        }
        *lock(&self.shared.counters) = (clock::now(), counters);
    }
}

const WAKER: Token = Token(FIRST_TOKEN - 1);
/// Messages or connections taken from one socket before timers and commands have their turn.
const MESSAGES_A_TURN: usize = 64;
/// Commands and news of the media side handled before sockets have their turn.
const INPUTS_A_TURN: usize = 256;
/// Chunks of streams read before they have it.
const CHUNKS_A_TURN: usize = 16;
const HOUSEKEEPING: Duration = Duration::from_millis(250);
/// How long the others have to hear that we stop.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// Shares of a socket's buffer unread, and of the queue to Python untold, that are bearable: above them new calls are refused.
const BEARABLE_UNREAD: f64 = 0.5;
const BEARABLE_UNTOLD: f64 = 0.75;
