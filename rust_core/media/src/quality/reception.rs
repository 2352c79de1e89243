//! Counts one stream as it arrives: sequence (RFC 3550 A.1), loss (A.3) and jitter (A.8).

use std::time::Duration;

use crate::rtp::{RtpPacket, RtpTime, SeqNo};

/// The stream of one sender. Small, because it is touched by every packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    ssrc: u32,
    is_started: bool,
    base: u16,
    highest: u16,
    /// Times that the sequence number has wrapped around.
    cycles: u16,
    /// The number after the last implausible one; a packet with it restarts the sequence.
    expected_restart: Option<u16>,
    received: u32,
    /// Runs of lost packets.
    gaps: u32,
    clock_hz: u32,
    transit: u32,
    /// In 1/16 ticks, as RFC 3550 A.8 keeps it.
    jitter_16ths: u32,
    jitter_max_16ths: u32,
    /// Of the streams before this one.
    earlier: Totals,
}

/// Packets of all streams so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Packets that the sequence numbers say were sent.
    pub expected: u32,
    /// Packets that came, copies included.
    pub received: u32,
    /// Runs of lost packets.
    pub gaps: u32,
}

/// What the sequence number says of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// The first of a stream.
    First,
    /// It belongs here: the next one, or with a gap, or late.
    Plausible,
    /// Far from where the stream is. Drop it; if the next one follows it, the stream has restarted.
    Implausible,
}

impl Reception {
    /// Takes the header of a packet that arrived `at` after a fixed origin. `clock_hz` is `None` for telephone events,
    /// whose timestamps say nothing about their time of sending.
    pub fn handle_packet(
        &mut self,
        packet: &RtpPacket<'_>,
        clock_hz: Option<u32>,
        at: Duration,
    ) -> Arrival {
        let arrival = if self.is_started && packet.ssrc == self.ssrc {
            self.place(packet.sequence)
        } else {
            self.begin(packet.ssrc, packet.sequence);
            Arrival::First
        };
        if arrival == Arrival::Implausible {
            return arrival;
        }
        self.received = self.received.saturating_add(1);
        if let Some(clock_hz) = clock_hz {
            self.measure_jitter(packet.timestamp, clock_hz, at);
        }
        arrival
    }

    /// Who sends the stream; `None` before its first packet.
    pub fn ssrc(&self) -> Option<u32> {
        self.is_started.then_some(self.ssrc)
    }

    /// Wraps in the upper half, the highest sequence number in the lower (RFC 3550 §6.4.1).
    pub fn extended_highest(&self) -> u32 {
        u32::from(self.cycles) << 16 | u32::from(self.highest)
    }

    /// Interarrival jitter in ticks.
    pub fn jitter_ticks(&self) -> u32 {
        self.jitter_16ths >> 4
    }

    /// Interarrival jitter in milliseconds: now, and the largest.
    pub fn jitter_ms(&self) -> (f64, f64) {
        let scale = 1000.0 / (16.0 * f64::from(self.clock_hz.max(1)));
        (f64::from(self.jitter_16ths) * scale, f64::from(self.jitter_max_16ths) * scale)
    }

    /// Packets of this stream alone.
    pub fn current(&self) -> Totals {
        let span = self.extended_highest().wrapping_sub(u32::from(self.base)).wrapping_add(1);
        let expected = if self.is_started { span } else { 0 };
        Totals { expected, received: self.received, gaps: self.gaps }
    }

    /// Packets of all streams. Duplicates of one stream do not make up for losses of another.
    pub fn totals(&self) -> Totals {
        let now = self.current();
        Totals {
            expected: self.earlier.expected.saturating_add(now.expected),
            // `received` above `expected` would hide losses elsewhere.
            received: self.earlier.received.saturating_add(now.received.min(now.expected)),
            gaps: self.earlier.gaps.saturating_add(now.gaps),
        }
    }

    /// RFC 3550 A.1, without its probation: the source of the packet is known by its address.
    fn place(&mut self, sequence: SeqNo) -> Arrival {
        let step = sequence.distance_from(SeqNo(self.highest));
        let is_restart = self.expected_restart == Some(sequence.0);
        match step {
            _ if is_restart => {
                self.begin(self.ssrc, sequence);
                return Arrival::First;
            }
            1..MAX_DROPOUT => {
                self.cycles = self.cycles.wrapping_add(u16::from(sequence.0 < self.highest));
                self.gaps += u32::from(step > 1);
                self.highest = sequence.0;
            }
            MAX_MISORDER..=0 => {}
            _ => {
                self.expected_restart = Some(sequence.next().0);
                return Arrival::Implausible;
            }
        }
        self.expected_restart = None;
        Arrival::Plausible
    }

    fn begin(&mut self, ssrc: u32, sequence: SeqNo) {
        *self = Self {
            ssrc,
            is_started: true,
            base: sequence.0,
            highest: sequence.0,
            earlier: self.totals(),
            clock_hz: self.clock_hz,
            jitter_16ths: self.jitter_16ths,
            jitter_max_16ths: self.jitter_max_16ths,
            ..Self::default()
        };
    }

    fn measure_jitter(&mut self, timestamp: RtpTime, clock_hz: u32, at: Duration) {
        let transit = RtpTime::from_elapsed(at, clock_hz).0.wrapping_sub(timestamp.0);
        let is_first = self.received == 1 || self.clock_hz != clock_hz;
        if self.clock_hz != clock_hz {
            (self.jitter_16ths, self.jitter_max_16ths) = (0, 0); // They counted other ticks.
        }
        let moved = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        (self.clock_hz, self.transit) = (clock_hz, transit);
        if is_first || moved > clock_hz {
            return; // A pause of the sender's clock, not a delay of the network.
        }
        self.jitter_16ths += moved;
        self.jitter_16ths -= (self.jitter_16ths - moved + 8) >> 4;
        self.jitter_max_16ths = self.jitter_max_16ths.max(self.jitter_16ths);
    }
}

/// Packets that may be missing at once (RFC 3550 A.1).
const MAX_DROPOUT: i16 = 3000;

/// How late a packet may be, as a distance (RFC 3550 A.1).
const MAX_MISORDER: i16 = -100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(ssrc: u32, sequence: u16, timestamp: u32) -> RtpPacket<'static> {
        RtpPacket {
            marker: false,
            payload_type: 0,
            sequence: SeqNo(sequence),
            timestamp: RtpTime(timestamp),
            ssrc,
            payload: &[],
        }
    }

    /// Feeds (sequence, delay in ms) of a 20 ms stream; sequence numbers wrap.
    fn receive(stream: &[(u64, u64)]) -> Reception {
        let mut reception = Reception::default();
        for &(number, delay_ms) in stream {
            let at = Duration::from_millis(number * 20 + delay_ms);
            let packet = packet(1, number as u16, (number * 160) as u32);
            reception.handle_packet(&packet, Some(8000), at);
        }
        reception
    }

    #[test]
    fn a_sequence_that_wraps_is_counted_through() {
        let stream: Vec<_> = (65_000..200_000).map(|number| (number, 0)).collect();
        let totals = receive(&stream).totals();
        assert_eq!(totals, Totals { expected: 135_000, received: 135_000, gaps: 0 });
    }

    #[test]
    fn a_jump_is_dropped_once_and_then_believed() {
        let mut reception = receive(&[(1, 0), (2, 0)]);
        let mut take = |s| reception.handle_packet(&packet(1, s, 0), None, Duration::ZERO);
        assert_eq!(take(30_000), Arrival::Implausible);
        assert_eq!(take(3), Arrival::Plausible);
        assert_eq!(take(20_000), Arrival::Implausible);
        assert_eq!(take(20_001), Arrival::First);
        assert_eq!(take(20_002), Arrival::Plausible);
        assert_eq!(reception.totals(), Totals { expected: 5, received: 5, gaps: 0 });
    }

    #[test]
    fn another_ssrc_is_another_stream() {
        let mut reception = receive(&[(1, 0), (3, 0)]);
        let arrival = reception.handle_packet(&packet(2, 500, 0), Some(8000), Duration::ZERO);
        assert_eq!((arrival, reception.ssrc()), (Arrival::First, Some(2)));
        assert_eq!(reception.totals(), Totals { expected: 4, received: 3, gaps: 1 });
    }

    #[test]
    fn streams_that_claim_billions_of_packets_overflow_nothing() {
        let mut reception = Reception::default();
        for step in 0..3_000_000u32 {
            let ssrc = step / 1_400_000;
            reception.handle_packet(
                &packet(ssrc, step.wrapping_mul(2999) as u16, 0),
                None,
                Duration::ZERO,
            );
        }
        assert_eq!(reception.totals().expected, u32::MAX);
    }

    #[test]
    fn a_steady_stream_has_no_jitter_and_a_swinging_one_tends_to_its_swing() {
        let steady: Vec<_> = (0..500).map(|n| (n, 5)).collect();
        assert_eq!(receive(&steady).jitter_ms(), (0.0, 0.0));
        let swinging: Vec<_> = (0..500).map(|n| (n, (n % 2) * 10)).collect();
        let (jitter_ms, max_ms) = receive(&swinging).jitter_ms();
        assert!((jitter_ms - 10.0).abs() < 0.2, "{jitter_ms}");
        assert!(max_ms >= jitter_ms);
    }

    #[test]
    fn events_and_pauses_of_the_clock_are_no_jitter() {
        let mut reception = receive(&[(0, 0), (1, 0)]);
        reception.handle_packet(&packet(1, 2, 160), None, Duration::from_millis(200));
        reception.handle_packet(&packet(1, 3, 999_999_999), Some(8000), Duration::from_millis(60));
        assert_eq!(reception.jitter_ms(), (0.0, 0.0));
    }

    proptest! {
        /// The jitter is the recurrence of RFC 3550 §6.4.1 within its rounding.
        #[test]
        fn jitter_follows_the_formula(delays in prop::collection::vec(0u64..80, 2..200)) {
            let stream: Vec<_> = delays.iter().enumerate().map(|(n, &delay)| (n as u64, delay)).collect();
            let mut expected = 0.0;
            for pair in delays.windows(2) {
                let moved = (pair[1] as f64 - pair[0] as f64).abs();
                expected += (moved - expected) / 16.0;
            }
            let (jitter_ms, _) = receive(&stream).jitter_ms();
            prop_assert!((jitter_ms - expected).abs() < 0.1, "{} {}", jitter_ms, expected);
        }

        /// Whatever is lost or swapped within reach: lost = sent - arrived, counted from the first to arrive.
        #[test]
        fn what_does_not_arrive_is_lost(
            first in 0u64..70_000, kept in prop::collection::vec(prop::bool::weighted(0.9), 1..400), swap: bool,
        ) {
            let mut stream: Vec<_> =
                kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(n, _)| (first + n as u64, 0)).collect();
            prop_assume!(stream.len() > 3);
            let sent = stream[stream.len() - 1].0 - stream[0].0 + 1;
            if swap {
                stream.swap(1, 2);
            }
            let totals = receive(&stream).totals();
            prop_assert_eq!(u64::from(totals.expected), sent);
            prop_assert_eq!(totals.received as usize, stream.len());
        }
    }
}
