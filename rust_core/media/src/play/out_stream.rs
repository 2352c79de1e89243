//! A stream of our own: numbers that go up by one, timestamps that follow the clock.

use std::time::Duration;

use crate::rtp::{RtpPacket, RtpTime, SeqNo};

/// The stream that one leg gets from us, as one source (RFC 3550 §5.1: random SSRC and random first numbers).
#[derive(Clone, Copy, Debug)]
pub struct OutStream {
    ssrc: u32,
    sequence: SeqNo,
    origin: RtpTime,
    started_at: Duration,
    clock_hz: u32,
    /// The timestamp where the next packet follows without a pause.
    next: Option<RtpTime>,
    packets: u32,
    octets: u32,
}

impl OutStream {
    /// A stream whose clock starts at `at`. `random` decides its numbers.
    pub fn new(random: u64, clock_hz: u32, at: Duration) -> Self {
        Self {
            ssrc: (random >> 32) as u32,
            sequence: SeqNo((random >> 16) as u16),
            origin: RtpTime((random as u32).wrapping_mul(0x9e37_79b1)),
            started_at: at,
            clock_hz,
            next: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Ticks a second.
    pub fn clock_hz(&self) -> u32 {
        self.clock_hz
    }

    /// The SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets and bytes of payload written.
    pub fn totals(&self) -> (u32, u32) {
        (self.packets, self.octets)
    }

    /// The timestamp of a moment.
    pub fn timestamp(&self, at: Duration) -> RtpTime {
        let elapsed = at.saturating_sub(self.started_at);
        self.origin.plus(RtpTime::from_elapsed(elapsed, self.clock_hz).0)
    }

    /// Writes sound that begins at `timestamp` and lasts `ticks`; the marker tells of a pause before it (RFC 3551 §4.1).
    pub fn write_sound(
        &mut self,
        payload_type: u8,
        timestamp: RtpTime,
        ticks: u32,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let marker = self.next != Some(timestamp);
        self.next = Some(timestamp.plus(ticks));
        self.write(payload_type, marker, timestamp, payload, out)
    }

    /// Writes a telephone event; sound after it begins anew.
    pub fn write_event(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: RtpTime,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        self.next = None;
        self.write(payload_type, marker, timestamp, payload, out)
    }

    fn write(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: RtpTime,
        payload: &[u8],
        out: &mut [u8],
    ) -> Option<usize> {
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        let len =
            RtpPacket { marker, payload_type, sequence, timestamp, ssrc, payload }.write_to(out)?;
        self.sequence = sequence.next();
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        Some(len)
    }
}
