//! Who else sees the SIP messages: the trace of each call, and a collector.

use std::time::Instant;

use bytes::Bytes;
use tandem_sip::endpoint::{Flow, LegId};

use super::thread::SipThread;

impl SipThread {
    /// A message came from a far end.
    pub(super) fn tap_received(&self, at: Instant, flow: Flow, bytes: &Bytes) {
        self.tap(at, true, flow, bytes);
    }

    /// A message goes to a far end.
    pub(super) fn tap_sent(&self, at: Instant, flow: Flow, bytes: &Bytes) {
        self.tap(at, false, flow, bytes);
    }

    /// A leg was dialled, for another one or for nobody yet.
    pub(super) fn tap_dialled(&mut self, leg: LegId, dialled_for: Option<LegId>) {
        let Some(call_id) = self.endpoint.call_id_of(leg) else { return };
        self.shared.trace.claim(leg, call_id);
        let first = dialled_for.and_then(|other| self.endpoint.call_id_of(other));
        if let (Some(hep), Some(first)) = (&mut self.hep, first) {
            hep.relate(call_id, first);
        }
    }

    fn tap(&self, at: Instant, is_received: bool, flow: Flow, bytes: &Bytes) {
        self.shared.trace.note(at, is_received, flow, bytes);
        if let Some(hep) = &self.hep {
            hep.note(at, is_received, flow, bytes);
        }
    }
}
