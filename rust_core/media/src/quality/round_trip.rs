//! The way to the far end and back, from its reports about sender reports that it got through us (RFC 3550 §6.4.1).

use std::time::Duration;

/// Remembers when sender reports went out to one leg.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTrip {
    /// Middle 32 bits of the NTP time, and when it went out; the newest overwrites the oldest.
    sent: [Option<(u32, Duration)>; REMEMBERED],
    next: usize,
    last: Option<Duration>,
}

impl RoundTrip {
    /// A sender report with `sent_ntp` goes out.
    pub fn handle_sent(&mut self, sent_ntp: u32, at: Duration) {
        self.sent[self.next] = Some((sent_ntp, at));
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The far end says that the report `last_report` reached it `delay` (1/65,536 s) before it wrote this.
    pub fn handle_block(&mut self, last_report: u32, delay: u32, at: Duration) {
        let delay = Duration::from_nanos(u64::from(delay) * 1_000_000_000 / 65_536);
        let known = self.sent.iter().flatten().find(|(ntp, _)| *ntp == last_report && *ntp != 0);
        let way = known.and_then(|&(_, sent_at)| at.checked_sub(sent_at)?.checked_sub(delay));
        self.last = way.filter(|&way| way < MAX_ROUND_TRIP).or(self.last);
    }

    /// The newest measurement.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }
}

/// Reports come each 5 s, and their answers within the next interval.
const REMEMBERED: usize = 4;

/// Anything longer is a broken clock.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_at_the_far_end_is_taken_off() {
        let mut round_trip = RoundTrip::default();
        round_trip.handle_sent(77, Duration::from_secs(10));
        round_trip.handle_sent(78, Duration::from_secs(15));
        round_trip.handle_block(77, 65_536 * 3, Duration::from_millis(13_040));
        assert_eq!(round_trip.last(), Some(Duration::from_millis(40)));
    }

    #[test]
    fn what_cannot_be_is_ignored() {
        let mut round_trip = RoundTrip::default();
        round_trip.handle_block(0, 0, Duration::from_secs(1));
        round_trip.handle_sent(77, Duration::from_secs(10));
        round_trip.handle_block(76, 0, Duration::from_secs(11));
        round_trip.handle_block(77, 65_536 * 9, Duration::from_secs(11));
        round_trip.handle_block(77, 0, Duration::from_secs(100));
        assert_eq!(round_trip.last(), None);
    }
}
