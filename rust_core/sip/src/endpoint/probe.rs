//! Asks those for a sign of life who need not give any by themselves: on hold, without session timers (RFC 3261 §11.2,
//! §12.2.1.2).

use std::time::{Duration, Instant};

use super::{EndedBy, Endpoint, LegId};
use crate::dialog;
use crate::transaction::Owner;
use crate::way;
use crate::wire::{HeaderName, Method, Response};

impl Endpoint {
    /// Sends an OPTIONS inside the dialog, if the last one is long ago.
    pub(super) fn probe(&mut self, now: Instant, id: LegId) {
        let user_agent = self.config.user_agent.clone();
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let since = *leg.probed_at.get_or_insert(now);
        if now.saturating_duration_since(since) < PROBE_INTERVAL {
            return;
        }
        leg.probed_at = Some(now);
        let mut options = dialog::request(leg, Method::Options);
        options.headers.push(HeaderName::UserAgent, user_agent);
        let flow = way::of_leg(leg);
        self.open_client(now, flow, options, Owner::Probe(id));
    }

    /// Whoever answers is there, whatever he says, unless he says that he knows of no call.
    pub(super) fn on_probe_response(&mut self, now: Instant, id: LegId, response: &Response) {
        if matches!(response.status, 408 | 481) {
            self.hang_up(now, id, response.status, "the far end is gone", EndedBy::Peer);
        }
    }
}

/// Some minutes: a call on hold is forgotten this late, and one message is little beside them.
const PROBE_INTERVAL: Duration = Duration::from_secs(180);
