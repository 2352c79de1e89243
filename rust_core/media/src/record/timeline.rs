//! Puts the samples of packets where their timestamps say, in order, with silence where nothing came.
//!
//! ```text
//! written ─────────►│◄── window, 200 ms: late packets still find their place
//! ```
//! A timestamp is believed as long as it stays near the time of arrival; a new stream, or a clock that jumps, is put
//! where it arrives. So a hostile timestamp moves nothing and costs nothing.

use std::collections::VecDeque;
use std::time::Duration;

use super::SAMPLE_RATE_HZ;
use crate::rtp::RtpTime;

/// The recording of one direction of one leg.
#[derive(Debug)]
pub struct Timeline {
    started_at: Duration,
    anchor: Option<Anchor>,
    /// Samples that left the window.
    written: u64,
    window: VecDeque<i16>,
}

/// Where a stream stands in the recording.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ssrc: u32,
    timestamp: RtpTime,
    position: u64,
}

impl Timeline {
    /// A recording that begins at `at`, before any packet.
    pub fn new(at: Duration) -> Self {
        Self { started_at: at, anchor: None, written: 0, window: VecDeque::new() }
    }

    /// Takes the samples of a packet that arrived `at`. What is final is given to `write`, in order.
    pub fn handle_packet(
        &mut self,
        (ssrc, timestamp): (u32, RtpTime),
        at: Duration,
        samples: impl ExactSizeIterator<Item = i16>,
        mut write: impl FnMut(&[i16]),
    ) {
        let start = self.position(ssrc, timestamp, at);
        let end = start + samples.len() as u64;
        self.advance(end.saturating_sub(WINDOW_SAMPLES), &mut write);
        let needed = end.saturating_sub(self.written) as usize;
        if self.window.len() < needed {
            self.window.resize(needed, 0);
        }
        for (position, sample) in (start..).zip(samples) {
            if let Some(offset) = position.checked_sub(self.written) {
                self.window[offset as usize] = sample;
            }
        }
    }

    /// Ends the recording `at`: what is missing up to then is silence. Returns its length in samples.
    pub fn finish(&mut self, at: Duration, mut write: impl FnMut(&[i16])) -> u64 {
        let end = self.arrival(at).max(self.written + self.window.len() as u64);
        self.advance(end, &mut write);
        self.written
    }

    /// Samples from the beginning to a moment.
    fn arrival(&self, at: Duration) -> u64 {
        let elapsed = at.saturating_sub(self.started_at);
        elapsed.as_micros() as u64 * u64::from(SAMPLE_RATE_HZ) / 1_000_000
    }

    fn position(&mut self, ssrc: u32, timestamp: RtpTime, at: Duration) -> u64 {
        let arrival = self.arrival(at);
        let believed = self.anchor.filter(|anchor| anchor.ssrc == ssrc).and_then(|anchor| {
            let position = anchor
                .position
                .checked_add_signed(timestamp.ticks_since(anchor.timestamp).into())?;
            (position.abs_diff(arrival) <= MAX_DRIFT_SAMPLES).then_some(position)
        });
        // A new stream does not overwrite what the one before said, unless it came faster than time.
        let end = self.written + self.window.len() as u64;
        let position = believed.unwrap_or(arrival.max(end.min(arrival + MAX_DRIFT_SAMPLES)));
        if believed.is_none() {
            self.anchor = Some(Anchor { ssrc, timestamp, position });
        }
        position
    }

    /// Writes everything before `position`, from the window while it lasts, then silence.
    fn advance(&mut self, position: u64, write: &mut impl FnMut(&[i16])) {
        while self.written < position {
            let count = (position - self.written).min(CHUNK_SAMPLES as u64) as usize;
            let mut chunk = [0; CHUNK_SAMPLES];
            let from_window = count.min(self.window.len());
            for (slot, sample) in chunk.iter_mut().zip(self.window.drain(..from_window)) {
                *slot = sample;
            }
            write(&chunk[..count]);
            self.written += count as u64;
        }
    }
}

/// How long a packet may be late: 200 ms.
const WINDOW_SAMPLES: u64 = 1600;

/// How far a stream's clock may be from that of arrival: 1 s.
const MAX_DRIFT_SAMPLES: u64 = 8000;

const CHUNK_SAMPLES: usize = 800;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::from_secs(100);

    /// Records packets of (number, delay in ms): each is 160 samples of its number.
    fn record(packets: &[(u32, u64)], end_ms: u64) -> Vec<i16> {
        let (mut timeline, mut file) = (Timeline::new(START), Vec::new());
        let mut arrivals: Vec<_> = packets
            .iter()
            .map(|&(number, delay)| (u64::from(number) * 20 + delay, number))
            .collect();
        arrivals.sort_unstable();
        for (at_ms, number) in arrivals {
            let timestamp = RtpTime(number * 160).plus(u32::MAX - 1000);
            let at = START + Duration::from_millis(at_ms);
            let samples = std::iter::repeat_n(number as i16 + 1, 160);
            timeline.handle_packet((1, timestamp), at, samples, |s| file.extend_from_slice(s));
        }
        let end = START + Duration::from_millis(end_ms);
        let written = timeline.finish(end, |s| file.extend_from_slice(s));
        assert_eq!(written, file.len() as u64);
        file
    }

    #[test]
    fn late_packets_find_their_place_and_gaps_are_silent() {
        let file = record(&[(0, 0), (1, 150), (2, 0), (4, 0)], 200);
        let frames: Vec<i16> = file.chunks(160).map(|frame| frame[80]).collect();
        assert_eq!(frames, [1, 2, 3, 0, 5, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_packet_that_is_too_late_is_left_out() {
        let file = record(&[(0, 0), (1, 900), (40, 0)], 820);
        assert_eq!(file[160..320], [0; 160]);
        assert_eq!(file.len(), 41 * 160);
    }

    #[test]
    fn another_stream_goes_on_where_it_arrives() {
        let (mut timeline, mut file) = (Timeline::new(START), Vec::new());
        for (ssrc, timestamp, at_ms) in [(1, 7_000_000, 0), (2, 5, 40), (2, 165, 60)] {
            let at = START + Duration::from_millis(at_ms);
            let samples = std::iter::repeat_n(ssrc as i16, 160);
            timeline.handle_packet((ssrc, RtpTime(timestamp)), at, samples, |s| {
                file.extend_from_slice(s);
            });
        }
        timeline.finish(START, |s| file.extend_from_slice(s));
        let frames: Vec<i16> = file.chunks(160).map(|frame| frame[80]).collect();
        assert_eq!(frames, [1, 0, 2, 2]);
    }

    proptest! {
        /// Whatever the timestamps: the file is as long as the time, give or take the drift, and memory is bounded.
        #[test]
        fn hostile_timestamps_cost_nothing(packets in prop::collection::vec((0u32..3, any::<u32>(), 0u64..3), 0..400)) {
            let mut timeline = Timeline::new(START);
            let (mut at, mut len) = (START, 0);
            for (ssrc, timestamp, pause_ms) in packets {
                at += Duration::from_millis(pause_ms);
                let samples = std::iter::repeat_n(1, 160);
                timeline.handle_packet((ssrc, RtpTime(timestamp)), at, samples, |s| len += s.len());
                prop_assert!(timeline.window.len() as u64 <= WINDOW_SAMPLES + MAX_DRIFT_SAMPLES + 160);
            }
            let limit = timeline.arrival(at) + 2 * MAX_DRIFT_SAMPLES;
            let written = timeline.finish(at, |s| len += s.len());
            prop_assert_eq!(written, len as u64);
            prop_assert!(written <= limit);
        }
    }
}
