//! Keeps the SIP messages of the newest calls, for who asks why one went as it did.
//!
//! Messages belong together by their Call-ID, and a dialog to the leg that has it: so requests that had to be sent again
//! with credentials, and refused ones, are there too. Keeping a message costs a look for its Call-ID and a count on its
//! bytes; they are read, masked and copied only when somebody asks. An INVITE begins a dialog; messages of none (REGISTER,
//! OPTIONS) are not kept. Dialogs that no leg has claimed are few and make room first: strangers push out strangers only.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tandem_sip::endpoint::{Flow, LegId, Transport};
use tandem_sip::wire::{call_id_of, masked};

use crate::{clock, lock};

/// Written by the SIP thread, read by whoever asks.
#[derive(Debug)]
pub(crate) struct Trace {
    max_dialogs: usize,
    /// What the far ends know our listeners as.
    locals: Vec<SocketAddr>,
    hasher: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By the hash of their Call-ID, keyed so that nobody can make two alike.
    dialogs: HashMap<u64, Dialog>,
    /// Those of legs, oldest first.
    called: VecDeque<u64>,
    /// The others, oldest first.
    strangers: VecDeque<u64>,
    by_leg: HashMap<u64, u64>,
    bytes: usize,
    messages: u64,
    left_out: u64,
}

#[derive(Debug, Default)]
struct Dialog {
    leg: Option<u64>,
    messages: VecDeque<Message>,
    bytes: usize,
    left_out: u64,
}

#[derive(Clone, Debug)]
struct Message {
    /// In the order of all messages: several have one time.
    number: u64,
    at: Instant,
    is_received: bool,
    flow: Flow,
    bytes: Bytes,
}

/// A message as it may be shown.
#[derive(Clone, Debug)]
pub struct TracedMessage {
    /// The leg whose dialog it belongs to.
    pub leg: u64,
    /// How long ago it came or went.
    pub age: Duration,
    /// Whether it came to us.
    pub is_received: bool,
    /// How.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The far end.
    pub peer: SocketAddr,
    /// Whether the same bytes came or went before in this dialog.
    pub is_repeated: bool,
    /// The message without secrets.
    pub bytes: Vec<u8>,
}

impl Trace {
    /// For so many calls of two legs; 0 keeps nothing.
    pub(super) fn new(calls: usize, locals: Vec<SocketAddr>) -> Self {
        let max_dialogs = calls.saturating_mul(2);
        Self { max_dialogs, locals, hasher: RandomState::new(), kept: Mutex::default() }
    }

    /// Keeps a message if its dialog is kept, or begins here.
    pub(super) fn note(&self, at: Instant, is_received: bool, flow: Flow, bytes: &Bytes) {
        // What there is most of, and belongs to no call.
        if self.max_dialogs == 0 || bytes.starts_with(b"REGISTER ") {
            return;
        }
        let Some(call_id) = call_id_of(bytes) else { return };
        let key = self.hasher.hash_one(call_id);
        let mut kept = lock(&self.kept);
        let kept = &mut *kept;
        let dialog = match kept.dialogs.entry(key) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(free) if bytes.trim_ascii_start().starts_with(b"INVITE ") => {
                kept.strangers.push_back(key);
                free.insert(Dialog::default())
            }
            Entry::Vacant(_) => return,
        };
        let before = (dialog.bytes, dialog.left_out);
        // A message of a stream is a part of a larger buffer, which it would keep alive.
        let is_part = flow.transport.is_reliable();
        let bytes = if is_part { Bytes::copy_from_slice(bytes) } else { bytes.clone() };
        dialog.add(Message { number: kept.messages, at, is_received, flow, bytes });
        kept.messages += 1;
        kept.bytes = kept.bytes + dialog.bytes - before.0;
        kept.left_out += dialog.left_out - before.1;
        self.make_room(kept);
    }

    /// This leg has the dialog of that Call-ID.
    pub(super) fn claim(&self, leg: LegId, call_id: &str) {
        if self.max_dialogs == 0 {
            return;
        }
        let key = self.hasher.hash_one(call_id.trim().as_bytes());
        let mut kept = lock(&self.kept);
        let kept = &mut *kept;
        let dialog = kept.dialogs.entry(key).or_default();
        if let Some(earlier) = dialog.leg.replace(leg.0) {
            // One Call-ID for two calls (RFC 3261 §8.1.1.4 forbids it): both show what came under it.
            kept.by_leg.remove(&earlier);
        } else {
            if let Some(at) = kept.strangers.iter().rposition(|&stranger| stranger == key) {
                kept.strangers.remove(at);
            }
            kept.called.push_back(key);
        }
        kept.by_leg.insert(leg.0, key);
        self.make_room(kept);
    }

    /// What is kept of these legs, in the order in which it came and went; and how many messages were left out.
    pub(crate) fn messages_of(&self, legs: &[u64]) -> (Vec<TracedMessage>, u64) {
        let mut dialogs = Vec::new();
        let mut left_out = 0;
        let kept = lock(&self.kept);
        for leg in legs.iter().take(MAX_LEGS_ASKED) {
            if let Some(dialog) = kept.by_leg.get(leg).and_then(|key| kept.dialogs.get(key)) {
                left_out += dialog.left_out;
                dialogs.push((*leg, dialog.messages.iter().cloned().collect::<Vec<_>>()));
            }
        }
        drop(kept);
        let now = clock::now();
        let mut found: Vec<(u64, TracedMessage)> = Vec::new();
        for (leg, messages) in dialogs {
            for (i, message) in messages.iter().enumerate() {
                let is_same =
                    |m: &Message| m.is_received == message.is_received && m.bytes == message.bytes;
                let is_repeated = messages[..i].iter().any(is_same);
                found.push((message.number, self.shown(leg, message, is_repeated, now)));
            }
        }
        found.sort_by_key(|(number, _)| *number);
        (found.into_iter().map(|(_, message)| message).collect(), left_out)
    }

    fn shown(&self, leg: u64, message: &Message, is_repeated: bool, now: Instant) -> TracedMessage {
        let Flow { listener, transport, peer, .. } = message.flow;
        TracedMessage {
            leg,
            age: now.saturating_duration_since(message.at),
            is_received: message.is_received,
            transport,
            local: self.locals.get(listener).copied().unwrap_or(UNKNOWN),
            peer,
            is_repeated,
            bytes: masked(&message.bytes),
        }
    }

    pub(super) fn counters(&self) -> [(&'static str, u64); 4] {
        let kept = lock(&self.kept);
        [
            ("sip_trace_dialogs", kept.dialogs.len() as u64),
            ("sip_trace_bytes", kept.bytes as u64),
            ("sip_trace_messages", kept.messages),
            ("sip_trace_left_out", kept.left_out),
        ]
    }

    fn make_room(&self, kept: &mut Kept) {
        let max_bytes = self.max_dialogs.saturating_mul(MEAN_BYTES);
        while kept.strangers.len() > self.max_dialogs.min(MAX_STRANGERS)
            || kept.called.len() > self.max_dialogs
            || kept.bytes > max_bytes
        {
            // Where the bytes are too many, strangers go first.
            let is_full_of_calls = kept.called.len() > self.max_dialogs;
            let oldest = if is_full_of_calls { None } else { kept.strangers.pop_front() };
            let Some(key) = oldest.or_else(|| kept.called.pop_front()) else { return };
            if let Some(dialog) = kept.dialogs.remove(&key) {
                kept.bytes -= dialog.bytes;
                if let Some(leg) = dialog.leg {
                    kept.by_leg.remove(&leg);
                }
            }
        }
    }
}

impl Dialog {
    /// How it began stays, and what came last; what lies between makes room.
    fn add(&mut self, message: Message) {
        self.bytes += message.bytes.len();
        self.messages.push_back(message);
        while self.messages.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            let at = if self.messages.len() > FIRST_MESSAGES + 1 { FIRST_MESSAGES } else { 0 };
            let Some(gone) = self.messages.remove(at) else { return };
            self.bytes -= gone.bytes.len();
            self.left_out += 1;
        }
    }
}

/// Of one dialog.
const MAX_MESSAGES: usize = 100;
/// Of these the first stay for ever: the whole set-up, with challenges and repetitions.
const FIRST_MESSAGES: usize = 24;
/// Of one dialog.
const MAX_BYTES: usize = 131_072;
/// Of all dialogs together, for each that may be kept: a usual one has six messages of 600 bytes.
const MEAN_BYTES: usize = 16_384;
/// Dialogs that no leg has claimed.
const MAX_STRANGERS: usize = 256;
/// A call has some legs; one that sought hundreds of phones shows the first of them.
const MAX_LEGS_ASKED: usize = 200;
/// Of a listener that there is none of.
const UNKNOWN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

#[cfg(test)]
mod tests;
