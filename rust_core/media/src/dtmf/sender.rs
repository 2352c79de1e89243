//! Presses keys towards the far end: the packets of RFC 4733 §2.5.1, one at a time.
//!
//! ```text
//! start (marker) → update each 50 ms → three ends, a tick apart → pause → next key
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use super::{Digit, END_BIT, SEGMENT_TICKS, VOLUME};
use crate::rtp::RtpTime;

/// What the next telephone-event packet says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyPacket {
    /// Set on the first packet of a press.
    pub marker: bool,
    /// When the press, or its segment, began.
    pub timestamp: RtpTime,
    /// The payload.
    pub payload: [u8; 4],
}

/// The keypad of one leg. Driven by ticks of the leg's stream.
#[derive(Debug)]
pub struct KeySender {
    clock_hz: u32,
    waiting: VecDeque<(Digit, Duration)>,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    Down {
        digit: Digit,
        press_ticks: u32,
        pressed_at: RtpTime,
        segment_at: RtpTime,
        told_at: RtpTime,
    },
    Ending {
        packet: KeyPacket,
        left: u8,
    },
    Pausing {
        until: RtpTime,
    },
}

impl KeySender {
    /// A keypad whose events run at the clock of the stream that carries them.
    pub fn new(clock_hz: u32) -> Self {
        Self { clock_hz, waiting: VecDeque::new(), state: State::Idle }
    }

    /// Presses `digits` after those that wait already. Returns how many found no room.
    pub fn handle_keys(&mut self, digits: &[Digit], press: Duration) -> usize {
        let room = MAX_WAITING.saturating_sub(self.waiting.len()).min(digits.len());
        self.waiting.extend(digits[..room].iter().map(|&digit| (digit, press)));
        digits.len() - room
    }

    /// Whether a key is down, or ends, or waits: sound gives way meanwhile.
    pub fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle) || !self.waiting.is_empty()
    }

    /// What to send at this tick of the stream, if anything. `now` never runs backwards.
    pub fn handle_tick(&mut self, now: RtpTime) -> Option<KeyPacket> {
        match &mut self.state {
            State::Idle => self.press_next(now),
            State::Pausing { until } if until.is_after(now) => None,
            State::Pausing { .. } => {
                self.state = State::Idle;
                self.press_next(now)
            }
            State::Ending { packet, left } => {
                let packet = *packet;
                *left -= 1;
                if *left == 0 {
                    self.state = State::Pausing { until: now.plus(ticks(PAUSE, self.clock_hz)) };
                }
                Some(packet)
            }
            State::Down { .. } => self.hold_down(now),
        }
    }

    fn press_next(&mut self, now: RtpTime) -> Option<KeyPacket> {
        let (digit, press) = self.waiting.pop_front()?;
        let press_ticks = ticks(press, self.clock_hz);
        self.state =
            State::Down { digit, press_ticks, pressed_at: now, segment_at: now, told_at: now };
        Some(KeyPacket { marker: true, timestamp: now, payload: payload(digit, 0, 0) })
    }

    fn hold_down(&mut self, now: RtpTime) -> Option<KeyPacket> {
        let State::Down { digit, press_ticks, pressed_at, segment_at, told_at } = &mut self.state
        else {
            return None;
        };
        let digit = *digit;
        if now.0.wrapping_sub(segment_at.0) > SEGMENT_TICKS.into() {
            let full = *segment_at;
            *segment_at = full.plus(SEGMENT_TICKS.into());
            let payload = payload(digit, 0, SEGMENT_TICKS);
            return Some(KeyPacket { marker: false, timestamp: full, payload });
        }
        let is_over = now.0.wrapping_sub(pressed_at.0) >= *press_ticks;
        let is_due = now.0.wrapping_sub(told_at.0) >= ticks(UPDATE_INTERVAL, self.clock_hz);
        if !is_over && !is_due {
            return None;
        }
        *told_at = now;
        let timestamp = *segment_at;
        let duration_ticks = now.0.wrapping_sub(timestamp.0) as u16;
        let end = if is_over { END_BIT } else { 0 };
        let packet =
            KeyPacket { marker: false, timestamp, payload: payload(digit, end, duration_ticks) };
        if is_over {
            self.state = State::Ending { packet, left: END_PACKETS - 1 };
        }
        Some(packet)
    }
}

fn payload(digit: Digit, end: u8, duration_ticks: u16) -> [u8; 4] {
    let [hi, lo] = duration_ticks.to_be_bytes();
    [digit.event_code(), end | VOLUME, hi, lo]
}

fn ticks(duration: Duration, clock_hz: u32) -> u32 {
    RtpTime::from_elapsed(duration, clock_hz).0
}

/// RFC 4733 §2.5.1.2.
const UPDATE_INTERVAL: Duration = Duration::from_millis(50);

/// RFC 4733 §2.5.1.4.
const END_PACKETS: u8 = 3;

/// Between two keys, from the last end packet: tells the same key pressed twice apart even for slow detectors.
const PAUSE: Duration = Duration::from_millis(60);

/// Keys that may wait: more than anybody types into a menu.
const MAX_WAITING: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(keys: &str) -> Vec<Digit> {
        keys.chars().filter_map(Digit::from_char).collect()
    }

    /// All packets of the keys, ticked each 20 ms, with their time in ms.
    fn sent(keys: &str, press_ms: u64, clock_hz: u32, start: u32) -> Vec<(u32, KeyPacket)> {
        let mut sender = KeySender::new(clock_hz);
        assert_eq!(sender.handle_keys(&digits(keys), Duration::from_millis(press_ms)), 0);
        let mut packets = Vec::new();
        for tick in 0.. {
            if !sender.is_busy() {
                break;
            }
            let now = RtpTime(start).plus(tick * clock_hz / 50);
            packets.extend(sender.handle_tick(now).map(|packet| (tick * 20, packet)));
        }
        packets
    }

    #[test]
    fn a_press_starts_updates_and_ends_three_times() {
        let packets = sent("5", 160, 8000, u32::MAX - 100);
        let shape: Vec<(u32, bool, [u8; 4])> =
            packets.iter().map(|&(at, p)| (at, p.marker, p.payload)).collect();
        assert_eq!(
            shape,
            [
                (0, true, [5, 10, 0, 0]),
                (60, false, [5, 10, 1, 0xe0]),
                (120, false, [5, 10, 3, 0xc0]),
                (160, false, [5, 0x8a, 5, 0]),
                (180, false, [5, 0x8a, 5, 0]),
                (200, false, [5, 0x8a, 5, 0]),
            ]
        );
        assert!(packets.iter().all(|(_, p)| p.timestamp == RtpTime(u32::MAX - 100)));
    }

    #[test]
    fn keys_follow_each_other_with_a_pause() {
        let packets = sent("11", 40, 8000, 0);
        let starts: Vec<u32> =
            packets.iter().filter(|(_, p)| p.marker).map(|&(at, _)| at).collect();
        assert_eq!(starts, [0, 140]);
    }

    #[test]
    fn a_press_longer_than_a_segment_goes_on_in_the_next() {
        let packets = sent("#", 2000, 48_000, 0);
        let full = packets.iter().position(|(_, p)| p.payload[2..] == [0xff, 0xff]).unwrap();
        assert_eq!(packets[full].1.timestamp, RtpTime(0));
        assert!(packets[full + 1..].iter().all(|(_, p)| p.timestamp == RtpTime(65_535)));
        let ends = packets.iter().filter(|(_, p)| p.payload[1] & END_BIT != 0).count();
        assert_eq!((ends, packets.iter().filter(|(_, p)| p.marker).count()), (3, 1));
        assert_eq!(
            packets.last().unwrap().1.payload[2..],
            ((96_000u32 - 65_535) as u16).to_be_bytes()
        );
    }

    #[test]
    fn keys_beyond_the_limit_are_refused() {
        let mut sender = KeySender::new(8000);
        let many = vec![Digit::from_event_code(1).unwrap(); 130];
        assert_eq!(sender.handle_keys(&many, Duration::from_millis(40)), 2);
    }
}
