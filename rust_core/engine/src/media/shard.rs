//! The thread of a shard: waits, takes packets, commands and ticks, and waits again.
//!
//! Everything here belongs to this thread alone. Commands of a turn are taken before its packets: what was commanded
//! before a packet came holds for it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use tandem_media::play::Prompt;
use tandem_media::session::Session;

use super::clock::Clock;
use super::command::Command;
use super::counts::Counts;
use super::event::{EventSink, MediaEvent, MediaEventKind};
use super::leg::{Cold, Hot};
use super::pool::Lease;
use super::shards::{MediaOptions, Shared};
use super::wheel::Wheel;
use super::writer::WriterInbox;

/// The state of one media thread.
pub(super) struct Shard {
    pub(super) clock: Clock,
    /// The time of this turn.
    pub(super) at: Duration,
    pub(super) hot: Vec<Hot>,
    pub(super) cold: Vec<Option<Box<Cold>>>,
    pub(super) by_leg: HashMap<u64, u32>,
    pub(super) prompts: HashMap<String, Arc<Prompt>>,
    pub(super) wheel: Wheel,
    /// Legs whose far end holds a key down.
    pub(super) keys_down: Vec<u32>,
    pub(super) counts: Counts,
    pub(super) writer: WriterInbox,
    /// The packet in hand.
    pub(super) buffer: Box<[u8; BUFFER_LEN]>,
    epoll: OwnedFd,
    free: Vec<u32>,
    commands: VecDeque<Command>,
    shared: Arc<Shared>,
    sink: EventSink,
    media_timeout: Duration,
    random: u64,
    second_at: Duration,
    /// The slot that a packet or a tick is handled for.
    in_hand: Option<u32>,
    is_stopping: bool,
}

impl Shard {
    pub(super) fn new(
        options: MediaOptions,
        clock: Clock,
        shared: Arc<Shared>,
        writer: WriterInbox,
        sink: EventSink,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, shared.inbox.wake_fd(), wake, epoll::EventFlags::IN)?;
        Ok(Self {
            clock,
            at: clock.elapsed(),
            hot: Vec::new(),
            cold: Vec::new(),
            by_leg: HashMap::new(),
            prompts: HashMap::new(),
            wheel: Wheel::default(),
            keys_down: Vec::new(),
            counts: Counts::default(),
            writer,
            buffer: Box::new([0; BUFFER_LEN]),
            epoll,
            free: Vec::new(),
            commands: VecDeque::new(),
            shared,
            sink,
            media_timeout: options.media_timeout.max(SECOND),
            random: options.seed,
            second_at: Duration::ZERO,
            in_hand: None,
            is_stopping: false,
        })
    }

    /// Works until it is told to stop. A panic ends the leg that it was about, not the thread.
    pub(super) fn run(mut self) {
        let mut ready = Vec::with_capacity(BATCH);
        while !self.is_stopping {
            ready.clear();
            let timeout = self.until_next();
            // It fails only when a signal comes in between.
            let _ = epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&timeout));
            let gap = self.clock.elapsed().saturating_sub(self.at);
            self.at += gap;
            if catch_unwind(AssertUnwindSafe(|| self.turn(&ready))).is_err() {
                self.counts.panics += 1;
                self.abandon_leg_in_hand();
            }
            if (ready.len() > 1 || gap < GATHER) && ready.len() < BATCH {
                self.gather();
            }
        }
        let slots: Vec<u32> = self.by_leg.values().copied().collect();
        for slot in slots {
            self.close(slot);
        }
        self.publish();
    }

    /// Tells something about a leg.
    pub(super) fn tell(&self, leg: u64, kind: MediaEventKind) {
        (self.sink)(MediaEvent { leg, at: self.clock.instant(self.at), kind });
    }

    /// Begins to read the sockets of a leg.
    pub(super) fn watch(&mut self, slot: u32) {
        let (hot, Some(cold)) = (&self.hot[slot as usize], &self.cold[slot as usize]) else {
            return;
        };
        let sockets = [hot.socket.as_ref().map(AsFd::as_fd), Some(cold.rtcp.as_fd())];
        for (port, socket) in (0..).zip(sockets) {
            let Some(socket) = socket else { continue };
            let data = epoll::EventData::new_u64(u64::from(slot) << 1 | port);
            if epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN).is_err() {
                self.counts.socket_errors += 1;
            }
        }
    }

    /// A panic from here on is about this leg.
    pub(super) fn take_in_hand(&mut self, slot: Option<u32>) {
        self.in_hand = slot;
    }

    /// SplitMix64.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn turn(&mut self, ready: &[epoll::Event]) {
        if ready.iter().any(|event| event.data.u64() == WAKE) {
            self.commands.extend(self.shared.inbox.take());
        }
        while let Some(command) = self.commands.pop_front() {
            self.handle_command(command);
        }
        for data in ready.iter().map(|event| event.data.u64()).filter(|&data| data != WAKE) {
            // The slot may have changed hands in this turn. Then its socket is just found empty.
            let slot = (data >> 1) as u32;
            self.take_in_hand(Some(slot));
            if data & 1 == 0 { self.read_rtp(slot) } else { self.read_rtcp(slot) }
        }
        self.take_in_hand(None);
        self.tick();
        self.release_keys();
        if self.at >= self.second_at {
            self.second_at = self.at + SECOND;
            self.notice_silence();
            self.publish();
        }
    }

    /// Lets packets of a busy shard come together. Waking up for each would cost more than the packet itself; above some
    /// 10 calls they wait for up to `GATHER`, a twentieth of their packet time.
    fn gather(&self) {
        let taken = self.clock.elapsed().saturating_sub(self.at);
        if let Some(rest) = GATHER.checked_sub(taken).filter(|_| !self.is_stopping) {
            std::thread::sleep(rest);
        }
    }

    fn until_next(&self) -> Timespec {
        let mut next = self.second_at;
        if let Some(ms) = self.wheel.next_ms() {
            next = next.min(Duration::from_millis(ms));
        }
        if !self.keys_down.is_empty() {
            next = next.min(self.at + KEY_CHECK_INTERVAL);
        }
        let wait = match self.commands.is_empty() {
            true => next.saturating_sub(self.clock.elapsed()),
            false => Duration::ZERO, // A panic left some behind.
        };
        Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() }
    }

    fn handle_command(&mut self, command: Command) {
        let slot = |leg: u64| self.by_leg.get(&leg).copied();
        match command {
            Command::Open { leg, lease } => self.open(leg, *lease),
            Command::SetPrompt { prompt } => {
                if self.prompts.len() < MAX_PROMPTS || self.prompts.contains_key(prompt.name()) {
                    self.prompts.insert(prompt.name().to_owned(), prompt);
                }
            }
            Command::ForgetPrompt { name } => drop(self.prompts.remove(&name)),
            Command::Stop => self.is_stopping = true,
            Command::Agreed { leg, params } => {
                if let Some(slot) = slot(leg) {
                    self.agreed(slot, *params);
                }
            }
            Command::Hears { leg, source } => {
                if let Some(slot) = slot(leg) {
                    self.hears(slot, source);
                }
            }
            Command::SendKeys { leg, digits, press } => {
                if let Some(slot) = slot(leg) {
                    self.send_keys(slot, &digits, press);
                }
            }
            Command::Record { leg, path, max } => {
                if let Some(slot) = slot(leg) {
                    self.record(slot, path, max);
                }
            }
            Command::StopRecording { leg } => {
                if let Some(slot) = slot(leg) {
                    self.stop_recording(slot);
                }
            }
            Command::Close { leg } => {
                if let Some(slot) = slot(leg) {
                    self.close(slot);
                }
            }
        }
    }

    fn open(&mut self, leg: u64, lease: Lease) {
        if self.by_leg.contains_key(&leg) {
            self.shared.legs.fetch_sub(1, Ordering::Relaxed);
            return; // A number is used once; the second pair of sockets closes here.
        }
        let (rtp, rtcp, ports) = lease.into_parts();
        let hot = Hot {
            session: Session::new(),
            socket: Some(rtp),
            is_connected: false,
            takes_relay: false,
            is_tapped: false,
        };
        let cold = Some(Box::new(Cold::new(leg, rtcp, ports)));
        let slot = if let Some(slot) = self.free.pop() {
            (self.hot[slot as usize], self.cold[slot as usize]) = (hot, cold);
            slot
        } else {
            self.hot.push(hot);
            self.cold.push(cold);
            (self.hot.len() - 1) as u32
        };
        self.by_leg.insert(leg, slot);
    }

    fn close(&mut self, slot: u32) {
        self.hear_nothing(slot);
        self.leave_listeners(slot);
        self.stop_ticking(slot);
        self.keys_down.retain(|&other| other != slot);
        let hot = &mut self.hot[slot as usize];
        let Some(cold) = self.cold[slot as usize].take() else { return };
        let report = cold.report(&hot.session);
        hot.socket = None;
        hot.session = Session::new();
        self.by_leg.remove(&cold.leg);
        self.free.push(slot);
        self.shared.legs.fetch_sub(1, Ordering::Relaxed);
        let (leg, at, has_recorded) = (cold.leg, self.clock.instant(self.at), cold.has_recorded);
        drop(cold); // Whoever hears that the leg is closed can have its ports.
        let closed = MediaEvent { leg, at, kind: MediaEventKind::Closed { report } };
        if has_recorded {
            self.writer.stop(leg, self.at, None, Some(closed));
        } else {
            (self.sink)(closed);
        }
    }

    /// Tells once that a far end which should send does not.
    fn notice_silence(&mut self) {
        for (hot, cold) in self.hot.iter().zip(&mut self.cold) {
            let Some(cold) = cold else { continue };
            let is_expected = cold.agreed.as_ref().is_some_and(|agreed| agreed.params.receiving);
            // Silence is known to the second only: one more, so that nobody is silent too early.
            let is_silent = is_expected && hot.session.silent_for(self.at) > self.media_timeout;
            if is_silent && !cold.silence_told {
                let (leg, at) = (cold.leg, self.clock.instant(self.at));
                (self.sink)(MediaEvent { leg, at, kind: MediaEventKind::Silent });
            }
            cold.silence_told = is_silent;
        }
    }

    fn publish(&mut self) {
        self.counts.legs = self.by_leg.len() as u64;
        self.counts.commands_dropped = self.shared.inbox.dropped();
        *self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner) = self.counts;
    }

    /// After a panic: the leg is read no more, and signalling hears that it is silent.
    fn abandon_leg_in_hand(&mut self) {
        let Some(slot) = self.in_hand.take() else { return };
        self.stop_ticking(slot);
        let (hot, Some(cold)) = (&self.hot[slot as usize], &self.cold[slot as usize]) else {
            return;
        };
        let _ = epoll::delete(&self.epoll, &cold.rtcp);
        if let Some(socket) = &hot.socket {
            let _ = epoll::delete(&self.epoll, socket);
        }
        self.tell(cold.leg, MediaEventKind::Silent);
    }
}

/// Larger than any packet of a phone. A packet that fills it is longer, and is dropped.
pub(super) const BUFFER_LEN: usize = 2048;

/// Descriptors that are served between two looks at the clock.
const BATCH: usize = 128;

/// From one turn of a busy shard to the next, at least.
const GATHER: Duration = Duration::from_millis(1);

/// What the inbox is called in the epoll set; slots are smaller.
const WAKE: u64 = u64::MAX;

const SECOND: Duration = Duration::from_secs(1);

/// A key whose end was lost is let go this much late at most.
const KEY_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Prompts that are kept.
const MAX_PROMPTS: usize = 4096;
