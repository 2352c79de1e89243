//! Ends legs, and finds them.

use std::time::Instant;

use super::config::{T1, TRANSACTION_LIFE};
use super::requests::reason_phrase;
use super::{Due, EndedBy, Endpoint, Event, LegEnd, LegId};
use crate::dialog;
use crate::leg::{Leg, LegState, Unacknowledged};
use crate::offer_answer::Agreed;
use crate::transaction::Owner;
use crate::wire::{HeaderName, Method};

impl Endpoint {
    /// BYE, CANCEL or a refusal, whatever the state asks for.
    pub(super) fn hang_up(
        &mut self,
        now: Instant,
        id: LegId,
        status: u16,
        reason: &str,
        by: EndedBy,
    ) {
        let Some(leg) = self.legs.get(&id) else { return };
        match leg.state {
            LegState::Leaving => {}
            LegState::Undecided | LegState::Ringing => {
                let status = if (300..700).contains(&status) { status } else { 480 };
                self.refuse_leg(now, id, status, reason, None);
                self.end_leg(now, id, status, by, reason);
                self.drop_leg(id);
            }
            LegState::Accepted => {
                // RFC 3261 §15: no BYE before the ACK, or before it is too late for one.
                self.end_leg(now, id, 200, by, reason);
                self.leave(id);
            }
            LegState::Calling | LegState::Proceeding => {
                let (client, is_proceeding) = (leg.client, leg.state == LegState::Proceeding);
                self.end_leg(now, id, 487, by, reason);
                self.leave(id);
                if let Some(client) = client {
                    if let Some(transaction) = self.clients.get_mut(&(client, false)) {
                        // Somebody who rings and answers neither CANCEL nor INVITE is forgotten after 64·T1.
                        transaction.until = now + TRANSACTION_LIFE;
                    }
                    self.timers.set(now + TRANSACTION_LIFE, Due::ClientEnd((client, false)));
                    if is_proceeding {
                        self.send_cancel(now, client);
                    }
                }
            }
            LegState::Confirmed => {
                self.send_bye(now, id, reason);
                self.end_leg(now, id, 200, by, reason);
                self.drop_leg(id);
            }
        }
    }

    /// Tells the end of a leg: once, whatever happens after it.
    pub(super) fn end_leg(
        &mut self,
        now: Instant,
        id: LegId,
        status: u16,
        by: EndedBy,
        reason: &str,
    ) {
        let Some(leg) = self.legs.get(&id) else { return };
        if leg.state == LegState::Leaving {
            return;
        }
        if let Some(trunk) = leg.trunk.clone() {
            self.trunks.leave(&trunk);
        }
        self.counters.ended += 1;
        let reason =
            if reason.is_empty() && status != 200 { reason_phrase(status) } else { reason };
        self.tell(now, Event::Ended(id, LegEnd { status, by, reason: reason.to_owned() }));
    }

    /// Tells what a leg speaks from now on.
    pub(super) fn tell_media(&mut self, now: Instant, id: LegId, agreed: Agreed) {
        if let Some(source) = self.legs.get(&id).map(|leg| leg.flow.peer.ip()) {
            self.tell(now, Event::MediaAgreed(id, Box::new(agreed), source));
        }
    }

    /// Forgets a leg whose end has been told.
    pub(super) fn drop_leg(&mut self, id: LegId) {
        if let Some(key) = self.legs.remove(&id).and_then(|leg| leg.merge_key) {
            self.merges.remove(&key);
        }
    }

    fn leave(&mut self, id: LegId) {
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.state = LegState::Leaving;
        }
    }

    /// Whether only the network keeps the leg of this transaction.
    pub(super) fn is_leaving(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Dial(id) => self.legs.get(id).is_none_or(|leg| leg.state == LegState::Leaving),
            Owner::Registration(..) | Owner::Nobody => true,
        }
    }

    pub(super) fn send_bye(&mut self, now: Instant, id: LegId, reason: &str) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let mut bye = dialog::request(leg, Method::Bye);
        if !reason.is_empty() {
            let text = reason.replace(['"', '\\'], "'");
            bye.headers.push(HeaderName::Reason, format!("SIP;cause=200;text=\"{text}\""));
        }
        let flow =
            dialog::next_hop(leg.flow, leg.trunk.as_deref(), &leg.routes, &leg.remote_target);
        bye.headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        self.open_client(now, flow, bye, Owner::Nobody);
    }

    /// Sends a 2xx and repeats it until its ACK (RFC 3261 §13.3.1.4).
    pub(super) fn await_ack(&mut self, now: Instant, id: LegId, waiting: Unacknowledged) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.unacknowledged = Some(waiting);
        self.timers.set(now + T1, Due::OkResend(id));
    }

    /// The leg that a tag of ours belongs to.
    pub(super) fn leg_of_tag(&self, tag: &str, call_id: Option<&str>) -> Option<LegId> {
        let number = tag.split('.').next()?;
        let id = LegId(u64::from_str_radix(number, 16).ok()?);
        let leg = self.legs.get(&id)?;
        (leg.local_tag == tag && call_id == Some(leg.call_id.as_str())).then_some(id)
    }

    pub(super) fn new_tag(&mut self, id: LegId) -> String {
        format!("{:x}.{}", id.0, self.random_hex())
    }

    /// Our Contact on a leg.
    pub(super) fn contact(&self, leg: &Leg) -> String {
        let user = crate::wire::encode_user(&leg.contact_user);
        let transport = if leg.flow.transport.is_reliable() { ";transport=tcp" } else { "" };
        format!("<sip:{user}@{}{transport}>", self.advertised(leg.flow))
    }

    /// Ends everything: legs, and registrations at trunks.
    pub(super) fn shut_down(&mut self, now: Instant) {
        self.closing = true;
        let mut legs: Vec<LegId> = self.legs.keys().copied().collect();
        legs.sort();
        for id in legs {
            self.hang_up(now, id, 503, "shutting down", EndedBy::Shutdown);
        }
        let mut trunks = self.trunks.all_registering();
        trunks.sort_by(|a, b| (&a.company, &a.id).cmp(&(&b.company, &b.id)));
        for trunk in trunks {
            self.unregister_trunk(now, &trunk);
        }
    }
}
