//! What a shard counts. Kept by its thread alone and published once a second.

/// Totals since start, and two levels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) legs: u64,
    /// 1 where packets go through io_uring.
    pub(super) io_urings: u64,
    pub(super) packets_received: u64,
    pub(super) packets_sent: u64,
    pub(super) stranger: u64,
    pub(super) malformed: u64,
    pub(super) unknown_type: u64,
    pub(super) implausible: u64,
    pub(super) too_many: u64,
    pub(super) not_understood: u64,
    pub(super) socket_errors: u64,
    pub(super) rtcp_received: u64,
    pub(super) rtcp_sent: u64,
    pub(super) late_ticks: u64,
    pub(super) keys_unsent: u64,
    pub(super) keys_dropped: u64,
    pub(super) unplayable: u64,
    pub(super) listeners_refused: u64,
    pub(super) recording_dropped: u64,
    pub(super) commands_dropped: u64,
    pub(super) panics: u64,
}

impl Counts {
    /// Every figure with its name.
    pub(super) fn named(&self) -> [(&'static str, u64); 21] {
        [
            ("media_legs", self.legs),
            ("media_io_urings", self.io_urings),
            ("media_packets_received", self.packets_received),
            ("media_packets_sent", self.packets_sent),
            ("media_discarded_stranger", self.stranger),
            ("media_discarded_malformed", self.malformed),
            ("media_discarded_unknown_type", self.unknown_type),
            ("media_discarded_implausible", self.implausible),
            ("media_discarded_too_many", self.too_many),
            ("media_not_understood", self.not_understood),
            ("media_socket_errors", self.socket_errors),
            ("media_rtcp_received", self.rtcp_received),
            ("media_rtcp_sent", self.rtcp_sent),
            ("media_late_ticks", self.late_ticks),
            ("media_keys_unsent", self.keys_unsent),
            ("media_keys_dropped", self.keys_dropped),
            ("media_unplayable", self.unplayable),
            ("media_listeners_refused", self.listeners_refused),
            ("media_recording_dropped", self.recording_dropped),
            ("media_commands_dropped", self.commands_dropped),
            ("media_panics", self.panics),
        ]
    }
}
