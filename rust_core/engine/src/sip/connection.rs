//! One connection: bytes in and out, the layers of TLS and of WebSocket if it has them, and the framing of SIP.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use tandem_sip::endpoint::Flow;
use tandem_sip::websocket::WebSocket;
use tandem_sip::wire::{Framed, Framer, Limits};

use super::tls::Session;

/// A stream with what it still owes and what it has said so far.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    session: Option<Session>,
    /// What comes by it comes this way.
    pub(super) flow: Flow,
    /// It was chosen because it leads to the peer, not because a message had come by it.
    pub(super) is_route: bool,
    framing: Framing,
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// Bytes of the first unsent one that are gone already.
    sent_of_first: usize,
    is_connected: bool,
    standing: Standing,
    has_turn: bool,
    /// What it has said last is no SIP.
    pub(super) is_garbage: bool,
    /// Why it is over, for people, if it is the layer of TLS that says so.
    pub(super) fault: String,
    opened: Instant,
    /// Since when it has waited to be written to.
    stuck_since: Option<Instant>,
    /// Since when a message has been incomplete.
    incomplete_since: Option<Instant>,
    last_heard: Instant,
    /// When the last whole message came: pings say only that somebody is there, not what for.
    last_message: Instant,
    /// When it was last looked whether anybody needs it.
    reviewed_at: Instant,
    /// The deadline that it is listed with.
    pub(super) due: Instant,
}

/// What cuts messages out of what comes.
#[derive(Debug)]
pub(super) enum Framing {
    /// Content-Length.
    Stream(Framer),
    /// Frames of their own.
    WebSocket(Box<WebSocket>),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Somebody who has come and not shown who that is, since then.
    Stranger(Instant),
    /// Somebody who has come and shown it.
    Known,
    /// Whom we went to.
    Ours,
}

/// What a read came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// There may be more.
    More,
    /// Nothing more for now.
    Empty,
    /// The peer is gone or speaks no SIP.
    Over,
}

/// What a review came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Review {
    /// It stays.
    Fine,
    /// No message has come for so long that it stays only if somebody needs it.
    Quiet,
    /// It has taken too long to read, to write, to say who it is or to say anything.
    Over,
}

impl Connection {
    pub(super) fn new(
        now: Instant,
        stream: TcpStream,
        session: Option<Session>,
        framing: Framing,
        flow: Flow,
        standing: Standing,
    ) -> Self {
        let is_connected = standing != Standing::Ours;
        let mut connection = Self {
            stream,
            session,
            flow,
            is_route: false,
            framing,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            sent_of_first: 0,
            is_connected,
            standing,
            has_turn: false,
            is_garbage: false,
            fault: String::new(),
            opened: now,
            stuck_since: (!is_connected).then_some(now),
            incomplete_since: None,
            last_heard: now,
            last_message: now,
            reviewed_at: now,
            due: now,
        };
        connection.seal();
        connection.due = connection.deadline();
        connection
    }

    /// Whether it has yet to agree on keys.
    pub(super) fn is_handshaking(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_handshaking)
    }

    /// Whether it has yet to ask for WebSocket.
    pub(super) fn is_upgrading(&self) -> bool {
        matches!(&self.framing, Framing::WebSocket(socket) if socket.is_upgrading())
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes + self.session.as_ref().map_or(0, Session::held_bytes)
    }

    /// Whether the peer does not take what is sent.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck_since.is_some()
    }

    /// Asks for a place in the queue of those to read. False if it has one.
    pub(super) fn claim_turn(&mut self) -> bool {
        !std::mem::replace(&mut self.has_turn, true)
    }

    pub(super) fn yield_turn(&mut self) {
        self.has_turn = false;
    }

    pub(super) fn is_stranger(&self) -> bool {
        matches!(self.standing, Standing::Stranger(_))
    }

    /// Whoever is there has shown who that is. False if that was known.
    pub(super) fn prove(&mut self) -> bool {
        let is_news = self.is_stranger();
        if is_news {
            self.standing = Standing::Known;
        }
        is_news
    }

    /// When it has to be reviewed, if nothing happens before.
    pub(super) fn deadline(&self) -> Instant {
        let of_standing = match self.standing {
            Standing::Stranger(since) => since + STRANGER_LIMIT,
            Standing::Known => self.last_message.max(self.reviewed_at) + QUIET_LIMIT,
            Standing::Ours => self.last_heard + IDLE_LIMIT,
        };
        let of_write = self.stuck_since.map(|since| since + WRITE_LIMIT);
        let of_message = self.incomplete_since.map(|since| since + MESSAGE_LIMIT);
        let of_handshake = self.is_handshaking().then(|| self.opened + HANDSHAKE_LIMIT);
        let of_upgrade = self.is_upgrading().then(|| self.opened + UPGRADE_LIMIT);
        [of_write, of_message, of_handshake, of_upgrade]
            .into_iter()
            .flatten()
            .fold(of_standing, Instant::min)
    }

    /// Looks whether it may stay.
    pub(super) fn review(&mut self, now: Instant) -> Review {
        let is_late = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|since| now.saturating_duration_since(since) > limit)
        };
        let handshaking_since = self.is_handshaking().then_some(self.opened);
        let upgrading_since = self.is_upgrading().then_some(self.opened);
        let is_slow = is_late(self.stuck_since, WRITE_LIMIT)
            || is_late(self.incomplete_since, MESSAGE_LIMIT)
            || is_late(handshaking_since, HANDSHAKE_LIMIT)
            || is_late(upgrading_since, UPGRADE_LIMIT);
        if is_slow && self.is_handshaking() {
            self.fault = "no TLS handshake within its time".to_owned();
        }
        if !is_slow && self.deadline() >= now {
            return Review::Fine;
        }
        if is_slow || self.standing != Standing::Known {
            return Review::Over;
        }
        self.reviewed_at = now;
        Review::Quiet
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let _ = self.stream.set_nodelay(true);
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Says good-bye where that is a custom and can be said at once.
    pub(super) fn part(&mut self, now: Instant) {
        if self.is_handshaking() || !self.unsent.is_empty() {
            return;
        }
        if let Framing::WebSocket(socket) = &mut self.framing {
            socket.close();
        }
        self.speak_for_layer();
        if let Some(session) = &mut self.session {
            session.close();
            self.seal();
        }
        // It is over, whatever becomes of this.
        let _ = self.write(now);
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // It fails only if it was not registered.
        let _ = registry.deregister(&mut self.stream);
    }

    /// Queues a message and sends what the peer takes. False when it owes too much or is gone.
    pub(super) fn send(&mut self, now: Instant, bytes: Bytes) -> bool {
        let framed = match &mut self.framing {
            Framing::Stream(_) => Some(bytes),
            Framing::WebSocket(socket) => socket.frame(&bytes),
        };
        framed.is_some_and(|bytes| self.transmit(bytes)) && self.write(now).is_ok()
    }

    /// Queues bytes, sealed where that is agreed on. False when it owes too much.
    fn transmit(&mut self, bytes: Bytes) -> bool {
        match &mut self.session {
            None => self.queue(bytes),
            Some(session) => {
                if !session.send(&bytes) {
                    return false;
                }
                self.seal();
            }
        }
        self.unsent_bytes() <= MAX_UNSENT_BYTES
    }

    /// Queues what the layer of WebSocket wants to say. False when it owes too much.
    fn speak_for_layer(&mut self) -> bool {
        let said = match &mut self.framing {
            Framing::Stream(_) => None,
            Framing::WebSocket(socket) => socket.poll_transmit(),
        };
        said.is_none_or(|bytes| self.transmit(bytes))
    }

    fn queue(&mut self, bytes: Bytes) {
        self.unsent_bytes += bytes.len();
        self.unsent.push_back(bytes);
    }

    /// Queues what the layer of TLS wants to send.
    fn seal(&mut self) {
        if let Some(bytes) = self.session.as_mut().and_then(Session::poll_transmit) {
            self.queue(bytes);
        }
    }

    /// Sends what the peer takes.
    pub(super) fn write(&mut self, now: Instant) -> io::Result<()> {
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

    /// Reads one chunk; adds the messages that it completes.
    pub(super) fn read(&mut self, now: Instant, messages: &mut Vec<Bytes>) -> Progress {
        let mut buffer = [0; CHUNK_BYTES];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                if self.is_handshaking() {
                    self.fault = "closed in the TLS handshake".to_owned();
                }
                Progress::Over
            }
            Ok(count) => {
                self.last_heard = now;
                let goes_on = self.take_bytes(&buffer[..count]) && self.take_frames(now, messages);
                // Whoever is sent away hears why, if it listens.
                match self.write(now) {
                    Ok(()) if goes_on => Progress::More,
                    _ => Progress::Over,
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Progress::Empty,
                io::ErrorKind::Interrupted => Progress::More,
                io::ErrorKind::NotConnected if !self.is_connected => Progress::Empty,
                _ => Progress::Over,
            },
        }
    }

    /// Hands bytes to the framing, unsealed. False when the peer broke TLS or says good-bye.
    fn take_bytes(&mut self, bytes: &[u8]) -> bool {
        let Some(session) = &mut self.session else {
            self.framing.push(bytes);
            return true;
        };
        let taken = session.handle_bytes(bytes, |plain| self.framing.push(plain));
        self.seal();
        if let Err(why) = taken {
            self.fault = why;
            return false;
        }
        true
    }

    /// False when what came is no SIP.
    fn take_frames(&mut self, now: Instant, messages: &mut Vec<Bytes>) -> bool {
        let goes_on = loop {
            match self.framing.next_frame() {
                Ok(Some(Framed::Message(bytes))) => {
                    messages.push(bytes);
                    self.last_message = now;
                    self.incomplete_since = None;
                }
                Ok(Some(Framed::Ping)) => {
                    if !self.send(now, Bytes::from_static(PONG)) {
                        break false;
                    }
                }
                Ok(None) => break true,
                Err(_) => {
                    // A WebSocket ends so too when it is closed, or was not granted.
                    self.is_garbage = matches!(self.framing, Framing::Stream(_));
                    break false;
                }
            }
        };
        self.incomplete_since = match self.framing.is_inside_message() {
            true => self.incomplete_since.or(Some(now)),
            false => None,
        };
        self.speak_for_layer() && goes_on
    }
}

impl Framing {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Stream(framer) => framer.push(bytes),
            Self::WebSocket(socket) => socket.push(bytes),
        }
    }

    fn next_frame(&mut self) -> Result<Option<Framed>, &'static str> {
        match self {
            Self::Stream(framer) => framer.next_frame(&Limits::STREAM),
            Self::WebSocket(socket) => socket.next_frame(&Limits::STREAM),
        }
    }

    fn is_inside_message(&self) -> bool {
        match self {
            Self::Stream(framer) => framer.is_inside_message(),
            Self::WebSocket(socket) => socket.is_inside_message(),
        }
    }
}

/// RFC 5626 §4.4.1.
const PONG: &[u8] = b"\r\n";
const CHUNK_BYTES: usize = 16_384;
pub(super) const MAX_UNSENT_BYTES: usize = 512 * 1024;
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// A phone far away on a slow line takes a second or two.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// From the beginning: a handshake, and then the request for WebSocket.
const UPGRADE_LIMIT: Duration = Duration::from_secs(10);
/// A message that trickles in for longer is an attack.
const MESSAGE_LIMIT: Duration = Duration::from_secs(10);
/// How long who comes may take to show who that is: a register and its challenge take a second.
const STRANGER_LIMIT: Duration = Duration::from_secs(30);
/// Time without a message after which a connection stays only while somebody is registered or calls by it.
const QUIET_LIMIT: Duration = Duration::from_secs(300);
/// Longer than any registration of ours at a trunk.
const IDLE_LIMIT: Duration = Duration::from_secs(3_700);
