//! What we say in our own reports about a far end's stream.

use std::time::Duration;

use super::ReportBlock;
use crate::quality::{Reception, Totals};

/// Remembers what the last report said (RFC 3550 A.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Reporter {
    ssrc: Option<u32>,
    told: Totals,
    heard: Option<(u32, Duration)>,
}

impl Reporter {
    /// A sender report of the far end came.
    pub fn handle_sender_report(&mut self, sent_ntp: u32, at: Duration) {
        self.heard = Some((sent_ntp, at));
    }

    /// The block of a report that we send `at`; `None` while nothing is received.
    pub fn block(&mut self, reception: &Reception, at: Duration) -> Option<ReportBlock> {
        let ssrc = reception.ssrc()?;
        let now = reception.current();
        if self.ssrc != Some(ssrc) {
            (self.ssrc, self.told) = (Some(ssrc), Totals::default());
        }
        let expected = now.expected.saturating_sub(self.told.expected);
        let received = now.received.saturating_sub(self.told.received);
        let lost = expected.saturating_sub(received);
        self.told = now;
        let (last_report, delay) = self.heard.map_or((0, 0), |(ntp, heard_at)| {
            (ntp, (at.saturating_sub(heard_at).as_micros() * 65_536 / 1_000_000) as u32)
        });
        Some(ReportBlock {
            ssrc,
            fraction_lost: (u64::from(lost) * 256 / u64::from(expected.max(1))).min(255) as u8,
            lost: now.expected.wrapping_sub(now.received) as i32,
            highest_sequence: reception.extended_highest(),
            jitter_ticks: reception.jitter_ticks(),
            last_report,
            delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{RtpPacket, RtpTime, SeqNo};

    fn receive(reception: &mut Reception, numbers: impl Iterator<Item = u16>) {
        for number in numbers {
            let packet = RtpPacket {
                marker: false,
                payload_type: 8,
                sequence: SeqNo(number),
                timestamp: RtpTime(0),
                ssrc: 9,
                payload: &[],
            };
            reception.handle_packet(&packet, None, Duration::ZERO);
        }
    }

    #[test]
    fn each_report_tells_what_was_lost_since_the_one_before() {
        let (mut reporter, mut reception) = (Reporter::default(), Reception::default());
        assert_eq!(reporter.block(&reception, Duration::ZERO), None);
        receive(&mut reception, (0..100).filter(|n| n % 4 != 1));
        let first = reporter.block(&reception, Duration::from_secs(5)).unwrap();
        assert_eq!((first.fraction_lost, first.lost, first.highest_sequence), (64, 25, 99));
        assert_eq!((first.last_report, first.delay), (0, 0));
        receive(&mut reception, 100..200);
        reporter.handle_sender_report(0xabcd, Duration::from_secs(8));
        let second = reporter.block(&reception, Duration::from_secs(10)).unwrap();
        assert_eq!((second.fraction_lost, second.lost), (0, 25));
        assert_eq!((second.last_report, second.delay), (0xabcd, 2 * 65_536));
    }
}
