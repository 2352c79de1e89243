//! RTP through io_uring (io_uring(7)): packets of connected sockets come without being asked for, and what a turn sends
//! leaves with one system call.
//!
//! Everything else of a shard stays in its epoll set, whose descriptor the ring watches. Containers often forbid
//! io_uring, and kernels before 6.1 lack parts of it: then [`Ring::open`] fails, and the epoll set does all.

#![expect(
    unsafe_code,
    reason = "memory is shared with the kernel; each place says why it is sound"
)]

use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::shard::BUFFER_LEN;

/// The ring of one shard. Only the thread that opened it may use it, and all delivery ends before it is dropped.
pub(super) struct Ring {
    ring: IoUring,
    inbound: Inbound,
    /// Packets that wait for the end of the turn, or for the queue to be full.
    outbound: Box<[[u8; BUFFER_LEN]]>,
    outbound_len: usize,
    /// For each slot, how often its receiver changed: what an earlier one still delivers is nobody's.
    receivers: Vec<Receiver>,
}

#[derive(Clone, Copy, Default)]
struct Receiver {
    generation: u32,
    is_receiving: bool,
}

/// What the kernel tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Completion {
    /// A packet, to be fetched with [`Ring::take_packet`].
    Packet { receiver: u64, buffer: u16, len: usize },
    /// Nothing more comes by this receiver: see [`Ring::slot_of`].
    Stopped { receiver: u64 },
    /// The epoll set has something.
    Epoll,
    /// A packet could not be sent.
    SendFailed,
}

impl Ring {
    /// Opens a ring for the calling thread, and watches the epoll set.
    ///
    /// # Errors
    /// The kernel is too old, or does not allow it.
    pub(super) fn open(epoll: BorrowedFd<'_>) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS as u32)?;
        let inbound = Inbound::new();
        // SAFETY: the entries live as long as the ring, and do not move; nothing is received after it.
        unsafe {
            let entries = inbound.entries.0.as_ptr() as u64;
            ring.submitter().register_buf_ring_with_flags(entries, INBOUND as u16, GROUP, 0)?;
        }
        let outbound = vec![[0; BUFFER_LEN]; SUBMISSIONS].into_boxed_slice();
        let mut this = Self { ring, inbound, outbound, outbound_len: 0, receivers: Vec::new() };
        this.inbound.lend_all();
        this.watch_epoll(epoll);
        this.submit()?;
        Ok(this)
    }

    /// Tells once when the epoll set has something, again if it has now.
    pub(super) fn watch_epoll(&mut self, epoll: BorrowedFd<'_>) {
        let poll = opcode::PollAdd::new(Fd(epoll.as_raw_fd()), libc::POLLIN as u32).build();
        self.push(&poll.user_data(EPOLL));
    }

    /// From now on delivers the packets of a connected socket. It must stay open until `stop_receiving`.
    pub(super) fn receive(&mut self, slot: u32, socket: &UdpSocket) {
        let index = slot as usize;
        if self.receivers.len() <= index {
            self.receivers.resize(index + 1, Receiver::default());
        }
        self.receivers[index].is_receiving = true;
        let user_data = self.receivers[index].user_data(slot);
        let receive = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP).build();
        self.push(&receive.user_data(user_data));
    }

    /// Ends the delivery. After it the socket can be closed, and its port be bound again.
    pub(super) fn stop_receiving(&mut self, slot: u32) {
        let Some(receiver) = self.receivers.get_mut(slot as usize).filter(|one| one.is_receiving)
        else {
            return;
        };
        let user_data = receiver.user_data(slot);
        receiver.is_receiving = false;
        receiver.generation = (receiver.generation + 1) & GENERATIONS;
        self.push(&opcode::AsyncCancel::new(user_data).build().user_data(IGNORED));
        // SAFETY: no argument is passed along.
        let _ = unsafe { self.ring.submitter().enter::<libc::sigset_t>(1, 0, GET_EVENTS, None) };
        self.outbound_len = 0;
    }

    /// Sends a packet to the far end of a connected socket when the turn ends. The socket must not be closed before.
    pub(super) fn send(&mut self, socket: &UdpSocket, packet: &[u8]) {
        if self.outbound_len == self.outbound.len() {
            let _ = self.submit();
        }
        let buffer = &mut self.outbound[self.outbound_len][..packet.len()];
        buffer.copy_from_slice(packet);
        self.outbound_len += 1;
        // Without waiting, sending is over when the queue was submitted, and the buffer is free again.
        let send = opcode::Send::new(Fd(socket.as_raw_fd()), buffer.as_ptr(), buffer.len() as u32)
            .flags(libc::MSG_DONTWAIT)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&send.user_data(SEND));
    }

    /// Sends what waits, and waits until `count` completions are there or the time is over.
    pub(super) fn wait(&mut self, count: usize, timeout: Duration) {
        let timespec = Timespec::from(timeout);
        let arguments = SubmitArgs::new().timespec(&timespec);
        // It fails when the time is over, or when a signal comes in between.
        let _ = self.ring.submitter().submit_with_args(count, &arguments);
        self.outbound_len = 0;
    }

    /// Moves what came to `completions`.
    pub(super) fn completions(&mut self, completions: &mut VecDeque<Completion>) {
        for entry in self.ring.completion() {
            let receiver = match entry.user_data() {
                EPOLL => {
                    completions.push_back(Completion::Epoll);
                    continue;
                }
                SEND => {
                    completions.push_back(Completion::SendFailed);
                    continue;
                }
                IGNORED => continue,
                receiver => receiver,
            };
            if let Some(buffer) = cqueue::buffer_select(entry.flags()) {
                let len = usize::try_from(entry.result()).unwrap_or(0);
                completions.push_back(Completion::Packet { receiver, buffer, len });
            }
            if !cqueue::more(entry.flags()) {
                completions.push_back(Completion::Stopped { receiver });
            }
        }
    }

    /// Copies a packet out and gives its buffer back. `None` if its receiver has ended since.
    pub(super) fn take_packet(
        &mut self,
        receiver: u64,
        buffer: u16,
        into: &mut [u8],
    ) -> Option<u32> {
        into.copy_from_slice(&self.inbound.buffers[usize::from(buffer)][..into.len()]);
        self.inbound.lend(buffer);
        self.slot_of(receiver)
    }

    /// The slot that a receiver is for, unless it has ended.
    pub(super) fn slot_of(&self, receiver: u64) -> Option<u32> {
        let slot = receiver as u32;
        let current = self.receivers.get(slot as usize)?;
        (current.is_receiving && current.user_data(slot) == receiver).then_some(slot)
    }

    /// Puts an operation into the queue, after emptying it when it is full.
    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: sockets stay open and buffers in place until the queue is submitted; callers see to it.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            if self.submit().is_err() {
                return;
            }
        }
    }

    fn submit(&mut self) -> io::Result<()> {
        self.ring.submit()?;
        self.outbound_len = 0;
        Ok(())
    }
}

impl Receiver {
    fn user_data(self, slot: u32) -> u64 {
        u64::from(self.generation) << 32 | u64::from(slot)
    }
}

/// The buffers that the kernel puts packets into, and the ring by which they are lent to it.
struct Inbound {
    entries: Box<Entries>,
    buffers: Box<[[u8; BUFFER_LEN]]>,
    tail: u16,
}

/// A page, as the kernel wants it.
#[repr(align(4096))]
struct Entries([BufRingEntry; INBOUND]);

impl Inbound {
    fn new() -> Self {
        // SAFETY: an entry consists of integers.
        let entries = Box::new(unsafe { std::mem::zeroed::<Entries>() });
        let buffers = vec![[0; BUFFER_LEN]; INBOUND].into_boxed_slice();
        Self { entries, buffers, tail: 0 }
    }

    fn lend_all(&mut self) {
        for buffer in 0..INBOUND as u16 {
            self.lend(buffer);
        }
    }

    fn lend(&mut self, buffer: u16) {
        let entry = &mut self.entries.0[usize::from(self.tail) % INBOUND];
        let memory = &mut self.buffers[usize::from(buffer)];
        entry.set_addr(memory.as_mut_ptr() as u64);
        entry.set_len(BUFFER_LEN as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry, which is aligned and lives as long as we do; the kernel only reads it.
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.0.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail)
        };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Operations that one submission takes.
const SUBMISSIONS: usize = 256;

/// Completions that have room until they are taken; more wait in the kernel.
const COMPLETIONS: u32 = 4096;

/// Buffers for packets on their way in. A power of two, and their entries fill whole pages.
const INBOUND: usize = 1024;

const GROUP: u16 = 0;

/// `IORING_ENTER_GETEVENTS`: does what cancelling left to do.
const GET_EVENTS: u32 = 1;

/// Never all ones: those are what is not about a slot.
const GENERATIONS: u32 = u32::MAX >> 1;

const EPOLL: u64 = u64::MAX;
const SEND: u64 = u64::MAX - 1;
const IGNORED: u64 = u64::MAX - 2;
