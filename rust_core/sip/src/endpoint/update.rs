//! Offers that cross (RFC 3261 §14, RFC 3311 §5.2).

use std::time::{Duration, Instant};

use rand_chacha::rand_core::RngCore as _;

use super::{Due, Endpoint, LegId};
use crate::dialog;
use crate::leg::{Leg, LegState, Refresh};
use crate::wire::{HeaderName, Method, Request};

impl Endpoint {
    /// Our re-INVITE has met one of theirs: when it is sent again (RFC 3261 §14.1). Who made the call waits longer.
    pub(super) fn wait_after_glare(&mut self, now: Instant, id: LegId) {
        let random = u64::from(self.rng.next_u32());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.refresh = Some(Refresh::Glare);
        let hundredths = if leg.is_dialled() { 210 + random % 191 } else { random % 201 };
        self.timers.set(now + Duration::from_millis(10 * hundredths), Due::Refresh(id));
    }

    pub(super) fn refresh_after_glare(&mut self, now: Instant, id: LegId) {
        let waits = |leg: &&mut Leg| leg.refresh == Some(Refresh::Glare);
        let Some(leg) = self.legs.get_mut(&id).filter(waits) else { return };
        leg.refresh = None;
        if leg.state == LegState::Confirmed {
            self.refresh(now, id, false);
        }
    }

    /// Refuses a re-INVITE or UPDATE that comes at the wrong time.
    pub(super) fn refuse_crossing(
        &mut self,
        now: Instant,
        server: u64,
        request: &Request,
        status: u16,
    ) {
        let pause_s = self.rng.next_u32() % 11;
        let extra = [(HeaderName::RetryAfter, pause_s.to_string())];
        let extra = if status == 500 { &extra[..] } else { &[] };
        self.respond_plainly(now, server, request, status, extra);
    }
}

/// Why a re-INVITE or UPDATE comes at the wrong time: 491 where an offer of ours has no answer yet, 500 where one of
/// theirs has none (RFC 3261 §14.2, RFC 3311 §5.2). `None` where it may come.
pub(super) fn crossing(leg: &Leg, request: &Request) -> Option<u16> {
    let is_invite = request.method == Method::Invite;
    let offers = is_invite || !request.body.is_empty();
    if leg.refresh == Some(Refresh::Invite) && offers || leg.unacknowledged.is_some() {
        return Some(491);
    }
    let from = dialog::tag_of(request.headers.line(&HeaderName::From));
    match leg.state {
        _ if !offers => None,
        LegState::Undecided | LegState::Ringing => {
            (is_invite || leg.agreed.is_none()).then_some(500)
        }
        LegState::Calling | LegState::Proceeding => {
            let is_answered =
                leg.early.as_ref().is_some_and(|early| early.is_reliable && early.tag == from);
            (is_invite || !is_answered).then_some(491)
        }
        _ => None,
    }
}
