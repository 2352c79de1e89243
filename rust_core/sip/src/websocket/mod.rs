//! SIP inside WebSocket (RFC 7118, RFC 6455), our side of one connection: bytes come in, messages come out, and what is
//! to be sent to the peer waits until it is asked for.
//!
//! ```text
//! upgrading ──"GET /ws … sip"──▶ open ──close frame, ours or theirs──▶ over
//!     └────────anything else: an HTTP answer that says what is wrong────▲
//! ```
//!
//! No extension is agreed on, so nothing is ever decompressed. A connection that is idle holds no buffer.

mod frame;
mod origins;
mod upgrade;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::wire::{Framed, Limits};
use frame::{Fault, Head, Opcode};
pub use origins::Origins;
use std::sync::Arc;

/// The layer of WebSocket of one connection that came to us.
#[derive(Debug)]
pub struct WebSocket {
    state: State,
    origins: Arc<Origins>,
    /// What has come and is not understood yet.
    received: BytesMut,
    /// Bytes of the request already searched for its end.
    searched: usize,
    /// The fragments so far of a message that is not whole yet.
    fragments: Option<BytesMut>,
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Upgrading,
    Open,
    Over,
}

impl WebSocket {
    /// One that waits for the request of a peer; pages of these origins may come.
    pub fn new(origins: Arc<Origins>) -> Self {
        Self {
            state: State::Upgrading,
            origins,
            received: BytesMut::new(),
            searched: 0,
            fragments: None,
            unsent: Vec::new(),
        }
    }

    /// Whether the peer has yet to ask for WebSocket, and to be let in.
    pub fn is_upgrading(&self) -> bool {
        self.state == State::Upgrading
    }

    /// Whether a request or a message has begun and not ended.
    pub fn is_inside_message(&self) -> bool {
        !self.received.is_empty() || self.fragments.is_some()
    }

    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more comes. Errors name the rule that the peer breaks, or say that it has
    /// closed: then the connection is of no use, and what is left to send says why.
    pub fn next_frame(&mut self, limits: &Limits) -> Result<Option<Framed>, &'static str> {
        if self.state == State::Upgrading && !self.upgrade()? {
            return Ok(None);
        }
        while self.state == State::Open {
            let taken = self.take_frame(limits.message).map_err(|fault| self.fail(fault))?;
            let Some((head, payload)) = taken else {
                if self.received.is_empty() {
                    self.received = BytesMut::new();
                }
                return Ok(None);
            };
            match head.opcode {
                Opcode::Ping => frame::write(&mut self.unsent, Opcode::Pong, &payload),
                Opcode::Pong => {}
                Opcode::Close => return Err(self.on_close(&payload)),
                Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                    let whole = self.join(&head, payload).map_err(|fault| self.fail(fault))?;
                    if let Some(framed) = whole.and_then(framed) {
                        return Ok(Some(framed));
                    }
                }
            }
        }
        Err("the connection is over")
    }

    /// One message as a frame; `None` while nothing may be sent. Browsers end a connection by which text comes that is
    /// no UTF-8, so such a message goes as bytes.
    pub fn frame(&mut self, message: &[u8]) -> Option<Bytes> {
        if self.state != State::Open {
            return None;
        }
        let is_text = std::str::from_utf8(message).is_ok();
        let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
        let mut out = Vec::with_capacity(message.len() + frame::MAX_HEAD_BYTES);
        frame::write(&mut out, opcode, message);
        Some(out.into())
    }

    /// What the layer itself has to say to the peer.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.unsent.is_empty()).then(|| std::mem::take(&mut self.unsent).into())
    }

    /// Says good-bye: to who has not asked for WebSocket in its time, 408, else that we are going (RFC 6455 §7.4.1).
    pub fn close(&mut self) {
        match self.state {
            State::Upgrading => self.unsent.extend(upgrade::TOO_SLOW.to_bytes()),
            State::Open => frame::write_close(&mut self.unsent, frame::GOING_AWAY),
            State::Over => {}
        }
        self.state = State::Over;
    }

    /// Answers the request once it is there. False until then.
    fn upgrade(&mut self) -> Result<bool, &'static str> {
        match upgrade::answer(&self.received, &mut self.searched, &self.origins) {
            Ok(None) => Ok(false),
            Ok(Some(accepted)) => {
                self.received.advance(accepted.request_bytes);
                self.unsent.extend(accepted.to_bytes());
                self.state = State::Open;
                Ok(true)
            }
            Err(refusal) => {
                self.unsent.extend(refusal.to_bytes());
                // It stays one that was never let in.
                Err(refusal.why)
            }
        }
    }

    /// The next frame, unmasked, once all of it is there.
    fn take_frame(&mut self, max: usize) -> Result<Option<(Head, BytesMut)>, Fault> {
        let held = self.fragments.as_ref().map_or(0, BytesMut::len);
        let Some(head) = Head::read(&self.received, max - held.min(max))? else { return Ok(None) };
        if self.received.len() < head.bytes + head.length {
            return Ok(None);
        }
        self.received.advance(head.bytes);
        let mut payload = self.received.split_to(head.length);
        for (byte, key) in payload.iter_mut().zip(head.mask.iter().cycle()) {
            *byte ^= key;
        }
        Ok(Some((head, payload)))
    }

    /// Adds a frame to its message (RFC 6455 §5.4); gives that once it is whole.
    fn join(&mut self, head: &Head, payload: BytesMut) -> Result<Option<Bytes>, Fault> {
        let so_far = self.fragments.take();
        let message = match (head.opcode, so_far) {
            (Opcode::Continuation, None) => return Err(frame::NOTHING_TO_CONTINUE),
            (Opcode::Continuation, Some(mut so_far)) => {
                so_far.extend_from_slice(&payload);
                so_far
            }
            (_, Some(_)) => return Err(frame::NOT_FINISHED),
            (_, None) => payload,
        };
        if head.is_last {
            return Ok(Some(message.freeze()));
        }
        self.fragments = Some(message);
        Ok(None)
    }

    fn fail(&mut self, fault: Fault) -> &'static str {
        frame::write_close(&mut self.unsent, fault.status);
        self.state = State::Over;
        fault.why
    }

    /// Answers with what the peer says (RFC 6455 §5.5.1).
    fn on_close(&mut self, payload: &[u8]) -> &'static str {
        match frame::read_close(payload) {
            Ok(Some(status)) => frame::write_close(&mut self.unsent, status),
            Ok(None) => frame::write(&mut self.unsent, Opcode::Close, &[]),
            Err(fault) => return self.fail(fault),
        }
        self.state = State::Over;
        "closed by the peer"
    }
}

/// What a message is to SIP: one message (RFC 7118 §5), or a keep-alive (RFC 5626 §4.4.1), of which a CRLF alone and
/// nothing at all want no answer. Whether text is UTF-8 is not looked at (*deviation* from RFC 6455 §8.1): names that
/// are not come from real phones, and the reader of SIP takes them.
fn framed(message: Bytes) -> Option<Framed> {
    if message.len() > PING.len() || message.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
        return Some(Framed::Message(message));
    }
    (message == PING).then_some(Framed::Ping)
}

const PING: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests;
