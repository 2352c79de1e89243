//! The media of one leg in figures.

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
