//! What is due.

use std::time::Instant;

use super::config::T2;
use super::{Due, EndedBy, Endpoint, Flow, LegId, Why};
use crate::leg::LegState;
use crate::transaction::Owner;
use crate::way;

impl Endpoint {
    /// Does everything that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::ServerResend(id) => self.server_resend(now, id),
                Due::ServerEnd(id) => self.server_end(id),
                Due::ClientResend(id) => self.client_resend(now, id),
                Due::ClientEnd(id) => self.client_end(now, id),
                Due::OkResend(leg) => self.ok_resend(now, leg),
                Due::ProvisionalResend(leg) => self.provisional_resend(now, leg),
                Due::Refresh(leg) => self.refresh_after_glare(now, leg),
                Due::Review => self.review(now),
                Due::Refreshes => self.tell_refreshes(now),
                Due::Sweep => self.sweep(now),
                Due::Decision(leg) => self.decide_late(now, leg),
                Due::Referral(leg) => self.referral_due(now, leg),
                Due::Health(server, timer) => self.health_due(now, server, timer),
                Due::TrunkRegister(due) => self.trunk_register_due(now, &due.0, due.1),
            }
        }
        while let Some(account) = self.registrar.expire(now) {
            self.tell_registration(now, &account, Why::Expired);
        }
    }

    /// Repeats our 2xx, or gives up on its ACK (RFC 3261 §13.3.1.4).
    fn ok_resend(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(asked) = leg.unacknowledged.as_ref().map(|waiting| waiting.flow) else { return };
        let flow = way::of_repeated_ok(asked, leg);
        let Some(waiting) = &mut leg.unacknowledged else { return };
        if now < waiting.next {
            return;
        }
        if now >= waiting.until {
            leg.unacknowledged = None;
            leg.reason = Some("SIP;cause=408;text=\"no ACK\"".to_owned());
            self.send_bye(now, id);
            self.end_leg(now, id, 408, EndedBy::Timeout, "no ACK");
            self.drop_leg(id);
            return;
        }
        waiting.pause = (waiting.pause * 2).min(T2);
        waiting.next = (now + waiting.pause).min(waiting.until);
        let (next, bytes) = (waiting.next, waiting.bytes.clone());
        self.timers.set(next, Due::OkResend(id));
        self.counters.retransmitted += 1;
        self.send(flow, bytes);
    }

    fn decide_late(&mut self, now: Instant, id: LegId) {
        if self.legs.get(&id).is_some_and(|leg| leg.state == LegState::Undecided) {
            self.counters.late_decisions += 1;
            self.hang_up(now, id, 480, "", EndedBy::Deadline);
        }
    }

    /// A request of ours got no answer and will get none.
    pub(super) fn on_client_failure(
        &mut self,
        now: Instant,
        owner: Owner,
        flow: Flow,
        status: u16,
        why: &str,
    ) {
        match owner {
            // What never went out says nothing of its server, and fits no better elsewhere.
            Owner::Dial(id) if status == 513 => {
                self.end_leg(now, id, status, EndedBy::Us, why);
                self.drop_leg(id);
            }
            Owner::Dial(id) => {
                if self.legs.get(&id).is_some_and(|leg| leg.trunk.is_some()) {
                    self.server_failed(now, flow, status, why);
                }
                if self.try_next(now, id, status, why) {
                    return;
                }
                self.end_leg(now, id, status, EndedBy::Timeout, why);
                self.drop_leg(id);
            }
            // RFC 3261 §12.2.1.2: no answer inside a dialog ends it.
            Owner::Refresh(id, _) | Owner::Probe(id) => {
                self.hang_up(now, id, 408, why, EndedBy::Timeout)
            }
            Owner::Key(id) => self.on_key_done(id),
            Owner::Registration(key, question) => {
                self.server_failed(now, flow, status, why);
                self.on_no_registration(now, &key, question, status, why);
            }
            Owner::Health(server, question) => {
                self.on_no_health(now, server, question, status, why)
            }
            Owner::GivenUp(_)
            | Owner::Leave(_)
            | Owner::Bye(_)
            | Owner::Prack(_)
            | Owner::Nobody => {}
        }
    }
}
