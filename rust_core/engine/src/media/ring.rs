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
    /// Packets that wait for the end of the turn, or for the queue to be full. None is overwritten before it was taken.
    outbound: Box<[[u8; BUFFER_LEN]]>,
    outbound_len: usize,
    is_watching_epoll: bool,
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
    /// Opens a ring for the calling thread.
    ///
    /// # Errors
    /// The kernel is too old, or does not allow it.
    pub(super) fn open() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS as u32)?;
        let inbound = Inbound::new();
        // SAFETY: the entries live as long as the ring, and do not move; nothing is received after it.
        unsafe {
            let entries = inbound.entries.0.as_ptr() as u64;
            ring.submitter().register_buf_ring_with_flags(entries, INBOUND as u16, GROUP, 0)?;
        }
        let outbound = vec![[0; BUFFER_LEN]; SUBMISSIONS].into_boxed_slice();
        let mut this = Self {
            ring,
            inbound,
            outbound,
            outbound_len: 0,
            is_watching_epoll: false,
            receivers: Vec::new(),
        };
        this.inbound.lend_all();
        Ok(this)
    }

    /// From now on delivers the packets of a connected socket. It must stay open until `stop_receiving`. False if there
    /// is no room for it.
    pub(super) fn receive(&mut self, slot: u32, socket: &UdpSocket) -> bool {
        let index = slot as usize;
        if self.receivers.len() <= index {
            self.receivers.resize(index + 1, Receiver::default());
        }
        let user_data = self.receivers[index].user_data(slot);
        let receive = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP).build();
        let is_receiving = self.push(&receive.user_data(user_data));
        self.receivers[index].is_receiving = is_receiving;
        is_receiving
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
        self.submit();
    }

    /// Sends a packet to the far end of a connected socket when the turn ends. The socket must not be closed before.
    /// False if there is no room for it.
    pub(super) fn send(&mut self, socket: &UdpSocket, packet: &[u8]) -> bool {
        if self.ring.submission().is_full() {
            self.submit();
        }
        let Some(buffer) = self.outbound.get_mut(self.outbound_len) else { return false };
        let buffer = &mut buffer[..packet.len()];
        buffer.copy_from_slice(packet);
        // Without waiting, sending is over when the queue was submitted, and the buffer is free again.
        let send = opcode::Send::new(Fd(socket.as_raw_fd()), buffer.as_ptr(), buffer.len() as u32)
            .flags(libc::MSG_DONTWAIT)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS);
        let is_queued = self.push(&send.user_data(SEND));
        self.outbound_len += usize::from(is_queued);
        is_queued
    }

    /// Sends what waits, and waits until `count` completions are there or the time is over. That the epoll set has
    /// something is one of them.
    pub(super) fn wait(&mut self, epoll: BorrowedFd<'_>, count: usize, timeout: Duration) {
        if !self.is_watching_epoll {
            let poll = opcode::PollAdd::new(Fd(epoll.as_raw_fd()), libc::POLLIN as u32).build();
            self.is_watching_epoll = self.push(&poll.user_data(EPOLL));
        }
        let timespec = Timespec::from(timeout);
        let arguments = SubmitArgs::new().timespec(&timespec);
        // It fails when the time is over, or when a signal comes in between.
        let _ = self.ring.submitter().submit_with_args(count, &arguments);
        self.reclaim();
    }

    /// Moves what came to `completions`.
    pub(super) fn completions(&mut self, completions: &mut VecDeque<Completion>) {
        for entry in self.ring.completion() {
            let receiver = match entry.user_data() {
                EPOLL => {
                    self.is_watching_epoll = false;
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

    /// Puts an operation into the queue, after emptying it when it is full. False if the kernel empties it no more.
    fn push(&mut self, entry: &squeue::Entry) -> bool {
        if self.ring.submission().is_full() {
            self.submit();
        }
        // SAFETY: sockets stay open and buffers in place until the queue is submitted; callers see to it.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    /// Has everything in the queue done now, and what cancelling left to do.
    fn submit(&mut self) {
        let count = self.ring.submission().len() as u32;
        // SAFETY: no argument is passed along. It fails when the kernel has no memory; then the queue is as it was.
        let _ =
            unsafe { self.ring.submitter().enter::<libc::sigset_t>(count, 0, GET_EVENTS, None) };
        self.reclaim();
    }

    /// Has the buffers of packets back that the kernel has taken.
    fn reclaim(&mut self) {
        if self.ring.submission().is_empty() {
            self.outbound_len = 0;
        }
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

/// `IORING_ENTER_GETEVENTS`.
const GET_EVENTS: u32 = 1;

/// Never all ones: those are what is not about a slot.
const GENERATIONS: u32 = u32::MAX >> 1;

const EPOLL: u64 = u64::MAX;
const SEND: u64 = u64::MAX - 1;
const IGNORED: u64 = u64::MAX - 2;

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::event::epoll;

    use super::*;

    /// `None`, and said so, where io_uring is forbidden: there is nothing to test then.
    fn ring() -> Option<Ring> {
        Ring::open().inspect_err(|error| println!("no io_uring here: {error}")).ok()
    }

    /// Two sockets that only hear each other.
    fn pair() -> (UdpSocket, UdpSocket) {
        let open = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (one, other) = (open(), open());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        other.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        (one, other)
    }

    /// The packets that came, each with its slot.
    fn take(ring: &mut Ring, count: usize) -> Vec<(u32, Vec<u8>)> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let (mut completions, mut packets) = (VecDeque::new(), Vec::new());
        ring.wait(epoll.as_fd(), count, Duration::from_millis(500));
        ring.completions(&mut completions);
        for completion in completions {
            let Completion::Packet { receiver, buffer, len } = completion else { continue };
            let mut packet = vec![0; len];
            if let Some(slot) = ring.take_packet(receiver, buffer, &mut packet) {
                packets.push((slot, packet));
            }
        }
        packets
    }

    #[test]
    fn a_port_is_free_at_once_whatever_else_waits_in_the_queue() {
        let Some(mut ring) = ring() else { return };
        let ((one, _), (two, far)) = (pair(), pair());
        assert!(ring.receive(0, &one) && ring.receive(1, &two));
        ring.stop_receiving(0);
        let address = one.local_addr().unwrap();
        drop(one);
        UdpSocket::bind(address).unwrap();
        far.send(b"hello").unwrap();
        assert_eq!(take(&mut ring, 1), [(1, b"hello".to_vec())]);
    }

    #[test]
    fn every_packet_of_a_long_turn_leaves_as_it_was() {
        let Some(mut ring) = ring() else { return };
        // As many as no socket's buffer is too small for.
        let pairs: Vec<_> = (0..4).map(|_| pair()).collect();
        assert!((0..).zip(&pairs).all(|(slot, (one, _))| ring.receive(slot, one)));
        let packets = || (0..3 * SUBMISSIONS as u32).map(u32::to_be_bytes);
        for (number, packet) in packets().enumerate() {
            assert!(ring.send(&pairs[number % 4].0, &packet));
        }
        ring.submit();
        let mut buffer = [0; 8];
        for (number, packet) in packets().enumerate() {
            assert_eq!(pairs[number % 4].1.recv(&mut buffer).unwrap(), 4);
            assert_eq!(buffer[..4], packet);
        }
    }

    #[test]
    fn what_came_for_an_ended_receiver_is_nobodys() {
        let Some(mut ring) = ring() else { return };
        let ((one, far), (next, next_far)) = (pair(), pair());
        assert!(ring.receive(0, &one));
        far.send(b"late").unwrap();
        ring.stop_receiving(0);
        assert!(ring.receive(0, &next));
        next_far.send(b"new").unwrap();
        assert_eq!(take(&mut ring, 3), [(0, b"new".to_vec())]);
    }

    #[test]
    fn buffers_come_back() {
        let Some(mut ring) = ring() else { return };
        let (one, other) = pair();
        assert!(ring.receive(0, &one));
        for number in 0..2 * INBOUND as u32 {
            other.send(&number.to_be_bytes()).unwrap();
            assert_eq!(take(&mut ring, 1), [(0, number.to_be_bytes().to_vec())]);
        }
    }
}
