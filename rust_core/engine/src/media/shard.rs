//! The thread of a shard: waits, takes packets, commands and ticks, and waits again.
//!
//! Everything here belongs to this thread alone. Commands of a turn are taken before its packets: what was commanded
//! before a packet came holds for it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use tandem_media::play::Prompt;
use tandem_media::session::Session;

use super::command::Command;
use super::counts::Counts;
use super::event::{EventSink, MediaEvent, MediaEventKind};
use super::leg::{Cold, Hot};
use super::pool::Lease;
use super::random::{STEP, mix};
use super::ring::{Completion, Ring};
use super::shards::{Driver, MediaOptions, Shared};
use super::wheel::Wheel;
use super::writer::WriterInbox;
use crate::clock::Clock;

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
    /// For connected RTP sockets, where the kernel allows it.
    pub(super) ring: Option<Ring>,
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
            ring: None,
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
    pub(super) fn run(mut self, driver: Driver) {
        if driver == Driver::Fastest {
            self.ring = Ring::open().ok();
        }
        self.counts.io_urings = u64::from(self.ring.is_some());
        let mut came = Came { ready: Vec::with_capacity(BATCH), completions: VecDeque::new() };
        let mut is_busy = false;
        while !self.is_stopping {
            came.ready.clear();
            self.wait(&mut came, is_busy);
            let count = came.ready.len() + came.completions.len();
            let gap = self.clock.elapsed().saturating_sub(self.at);
            self.at += gap;
            if catch_unwind(AssertUnwindSafe(|| self.turn(&mut came))).is_err() {
                self.counts.panics += 1;
                self.abandon_leg_in_hand();
            }
            // Waking up for each packet would cost more than the packet itself: above some 10 calls they are let come
            // together for up to `GATHER`, a twentieth of their packet time.
            is_busy = (count > 1 || gap < GATHER) && came.ready.len() < BATCH;
        }
        let slots: Vec<u32> = self.by_leg.values().copied().collect();
        for slot in slots {
            self.close(slot);
        }
        self.publish();
    }

    /// Sends what the last turn left, and waits for something to do.
    fn wait(&mut self, came: &mut Came, is_busy: bool) {
        if self.ring.is_none() {
            if is_busy {
                self.gather();
            }
            self.poll_epoll(came, self.until_next());
            return;
        }
        let timeout = self.until_next();
        let Some(ring) = &mut self.ring else { return };
        if is_busy {
            ring.wait(self.epoll.as_fd(), BATCH, timeout.min(GATHER));
        } else {
            ring.wait(self.epoll.as_fd(), 1, timeout);
        }
        ring.completions(&mut came.completions);
        if came.completions.contains(&Completion::Epoll) {
            self.poll_epoll(came, Duration::ZERO);
        }
    }

    /// Waits for sockets that can be read, and for commands.
    fn poll_epoll(&self, came: &mut Came, timeout: Duration) {
        let (tv_sec, tv_nsec) = (timeout.as_secs() as i64, timeout.subsec_nanos().into());
        let timeout = Timespec { tv_sec, tv_nsec };
        // It fails only when a signal comes in between.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut came.ready), Some(&timeout));
    }

    /// Tells something about a leg.
    pub(super) fn tell(&self, leg: u64, kind: MediaEventKind) {
        (self.sink)(MediaEvent { leg, at: self.clock.instant(self.at), kind });
    }

    /// Begins to read the RTCP socket of a leg.
    pub(super) fn watch_rtcp(&mut self, slot: u32) {
        let Some(cold) = &self.cold[slot as usize] else { return };
        self.counts.socket_errors += u64::from(!self.add_to_epoll(&cold.rtcp, slot, RTCP));
    }

    /// Begins to read the RTP socket of a leg: once it is connected, by the ring.
    pub(super) fn watch_rtp(&mut self, slot: u32) {
        let hot = &self.hot[slot as usize];
        let Some(socket) = &hot.socket else { return };
        let is_read = match &mut self.ring {
            Some(ring) if hot.is_connected => ring.receive(slot, socket),
            _ => false,
        };
        if !is_read {
            self.counts.socket_errors += u64::from(!self.add_to_epoll(socket, slot, RTP));
        }
    }

    /// Ends it, before the socket becomes another one or is closed.
    pub(super) fn unwatch_rtp(&mut self, slot: u32) {
        if let Some(ring) = &mut self.ring {
            ring.stop_receiving(slot);
        }
        if let Some(socket) = &self.hot[slot as usize].socket {
            let _ = epoll::delete(&self.epoll, socket); // It fails when the ring had it, or nobody.
        }
    }

    fn add_to_epoll(&self, socket: &UdpSocket, slot: u32, kind: u64) -> bool {
        let data = epoll::EventData::new_u64(u64::from(slot) << 1 | kind);
        epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN).is_ok()
    }

    /// A panic from here on is about this leg.
    pub(super) fn take_in_hand(&mut self, slot: Option<u32>) {
        self.in_hand = slot;
    }

    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(STEP);
        mix(self.random)
    }

    fn turn(&mut self, came: &mut Came) {
        if came.ready.iter().any(|event| event.data.u64() == WAKE) {
            self.commands.extend(self.shared.inbox.take());
        }
        while let Some(command) = self.commands.pop_front() {
            self.handle_command(command);
        }
        for data in came.ready.iter().map(|event| event.data.u64()).filter(|&data| data != WAKE) {
            // The slot may have changed hands in this turn. Then its socket is just found empty.
            let slot = (data >> 1) as u32;
            self.take_in_hand(Some(slot));
            if data & 1 == RTP { self.read_rtp(slot) } else { self.read_rtcp(slot) }
        }
        while let Some(completion) = came.completions.pop_front() {
            self.handle_completion(completion);
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

    #[inline]
    fn handle_completion(&mut self, completion: Completion) {
        let Some(ring) = &mut self.ring else { return };
        match completion {
            Completion::Packet { receiver, buffer, len } => {
                let len = len.min(BUFFER_LEN);
                if let Some(slot) = ring.take_packet(receiver, buffer, &mut self.buffer[..len]) {
                    self.take_in_hand(Some(slot));
                    self.handle_datagram(slot, len);
                }
            }
            // Buffers had run out, the packet was empty, or there was an ICMP error.
            Completion::Stopped { receiver } => {
                if let Some(slot) = ring.slot_of(receiver) {
                    self.watch_rtp(slot);
                }
            }
            Completion::SendFailed => self.counts.socket_errors += 1,
            Completion::Epoll => {}
        }
    }

    /// Sleeps until packets of a busy shard came together.
    fn gather(&self) {
        let taken = self.clock.elapsed().saturating_sub(self.at);
        if let Some(rest) = GATHER.checked_sub(taken) {
            std::thread::sleep(rest);
        }
    }

    fn until_next(&self) -> Duration {
        let mut next = self.second_at;
        if let Some(ms) = self.wheel.next_ms() {
            next = next.min(Duration::from_millis(ms));
        }
        if !self.keys_down.is_empty() {
            next = next.min(self.at + KEY_CHECK_INTERVAL);
        }
        match self.commands.is_empty() {
            true => next.saturating_sub(self.clock.elapsed()),
            false => Duration::ZERO, // A panic left some behind.
        }
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
            Command::PassKey { leg, digit } => {
                if let Some(slot) = slot(leg) {
                    self.pass_key(slot, digit);
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
        self.unwatch_rtp(slot);
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

    /// Tells once that a far end which should send does not. One on hold may send music or nothing.
    fn notice_silence(&mut self) {
        for (hot, cold) in self.hot.iter().zip(&mut self.cold) {
            let Some(cold) = cold else { continue };
            let params = cold.agreed.as_ref().map(|agreed| &agreed.params);
            let is_expected = params.is_some_and(|params| params.receiving && params.sending);
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
        self.unwatch_rtp(slot);
        let Some(cold) = &self.cold[slot as usize] else { return };
        let _ = epoll::delete(&self.epoll, &cold.rtcp);
        self.tell(cold.leg, MediaEventKind::Silent);
    }
}

/// What a wait brought.
struct Came {
    ready: Vec<epoll::Event>,
    /// Taken one by one: a panic leaves the rest for the next turn, and no buffer is lost.
    completions: VecDeque<Completion>,
}

/// Larger than any packet of a phone. A packet that fills it is longer, and is dropped.
pub(super) const BUFFER_LEN: usize = 2048;

/// Packets that are served between two looks at the clock.
const BATCH: usize = 128;

/// From one turn of a busy shard to the next, at least.
const GATHER: Duration = Duration::from_millis(1);

/// Which of a leg's sockets an epoll event is about.
const RTP: u64 = 0;
const RTCP: u64 = 1;

/// What the inbox is called in the epoll set; slots are smaller.
const WAKE: u64 = u64::MAX;

const SECOND: Duration = Duration::from_secs(1);

/// A key whose end was lost is let go this much late at most.
const KEY_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Prompts that are kept.
const MAX_PROMPTS: usize = 4096;
