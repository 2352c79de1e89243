//! The media of one leg in figures.

use super::e_model::{Impairments, loss_percent, mos_of_r};
use super::{Reception, RoundTrip};

/// How the media of one leg went. `received` came from the far end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaReport {
    /// Encoding name as in SDP; empty if nothing was agreed.
    pub codec: String,
    /// RTP packets from the far end that were well-formed and expected.
    pub packets_received: u64,
    /// RTP packets sent to the far end.
    pub packets_sent: u64,
    /// Packets that should have come and did not (RFC 3550 A.3), never negative.
    pub packets_lost: u64,
    /// Packets from a stranger, malformed, or of an unknown payload type. Once the socket is connected to the far
    /// end, the kernel drops strangers unseen.
    pub packets_discarded: u64,
    /// Lost of expected, 0.0..=100.0.
    pub loss_percent: f64,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// The largest value that it had.
    pub jitter_max_ms: f64,
    /// Between us and the far end, from its receiver reports (RFC 3550 §6.4.1).
    pub round_trip_ms: Option<f64>,
    /// 1.0..=4.5 by the E-model (ITU-T G.107); `None` if nothing was received.
    pub mos: Option<f64>,
}

impl MediaReport {
    /// The report of a leg that was received like this. What it sent and discarded is counted elsewhere.
    pub fn new(codec: &str, reception: &Reception, round_trip: &RoundTrip) -> Self {
        let totals = reception.totals();
        let (jitter_ms, jitter_max_ms) = reception.jitter_ms();
        let round_trip_ms = round_trip.last().map(|way| way.as_secs_f64() * 1000.0);
        // From mouth to ear: half the way, one packet, and a jitter buffer of twice the jitter.
        let delay_ms = round_trip_ms.unwrap_or(0.0) / 2.0 + PACKET_MS + 2.0 * jitter_ms;
        let mos = (totals.received > 0)
            .then(|| mos_of_r(Impairments::of(codec).rating(&totals, delay_ms)));
        Self {
            codec: codec.to_owned(),
            packets_received: totals.received.into(),
            packets_lost: totals.expected.saturating_sub(totals.received).into(),
            loss_percent: loss_percent(&totals),
            jitter_ms,
            jitter_max_ms,
            round_trip_ms,
            mos,
            ..Self::default()
        }
    }
}

/// The usual packet time.
const PACKET_MS: f64 = 20.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rtp::{RtpPacket, RtpTime, SeqNo};

    #[test]
    fn a_leg_that_heard_nothing_has_no_score() {
        let report = MediaReport::new("", &Reception::default(), &RoundTrip::default());
        assert_eq!(report, MediaReport::default());
    }

    #[test]
    fn every_tenth_packet_lost_is_ten_percent() {
        let mut reception = Reception::default();
        for number in (0..1000u32).filter(|number| number % 10 != 5) {
            let packet = RtpPacket {
                marker: false,
                payload_type: 8,
                sequence: SeqNo(number as u16),
                timestamp: RtpTime(number * 160),
                ssrc: 1,
                payload: &[],
            };
            let at = Duration::from_millis(20) * number;
            reception.handle_packet(&packet, Some(8000), at);
        }
        let report = MediaReport::new("PCMA", &reception, &RoundTrip::default());
        assert_eq!((report.packets_received, report.packets_lost), (900, 100));
        assert!((report.loss_percent - 10.0).abs() < 1e-9);
        assert!(report.mos.unwrap() < 3.5);
    }
}
