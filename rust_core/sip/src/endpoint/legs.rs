//! Ends legs, and finds them.

use std::time::Instant;

use bytes::Bytes;

use super::config::{T1, TRANSACTION_LIFE};
use super::requests::reason_phrase;
use super::{Due, EndedBy, Endpoint, Event, Flow, LegEnd, LegId, Trunk};
use crate::dialog;
use crate::leg::{Leg, LegState, Unacknowledged};
use crate::offer_answer::{Agreed, Codec};
use crate::transaction::{ClientState, Owner};
use crate::way;
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
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.reason = reason_header(status, reason);
        // A BYE says how it went; that the far end vanished is no good end.
        let is_gone = matches!(by, EndedBy::Media | EndedBy::Timeout);
        let status_of_bye = if is_gone { status } else { 200 };
        match leg.state {
            LegState::Leaving => {}
            LegState::Undecided | LegState::Ringing => {
                let status = if (300..700).contains(&status) { status } else { 480 };
                self.refuse_leg(now, id, status, reason, None);
                self.end_leg(now, id, status, by, reason);
                self.drop_leg(id);
            }
            // RFC 3261 §15: no BYE before the ACK, or before it is too late for one.
            LegState::Accepted => self.end_leg(now, id, status_of_bye, by, reason),
            LegState::Calling | LegState::Proceeding => {
                let status = if by == EndedBy::Timeout { status } else { 487 };
                self.end_leg(now, id, status, by, reason);
                self.withdraw_invite(now, id);
            }
            LegState::Confirmed => {
                self.send_bye(now, id);
                self.end_leg(now, id, status_of_bye, by, reason);
                self.drop_leg(id);
            }
        }
    }

    /// Tells the end of a leg: once, whatever happens after it. The leg stays for what the network still owes it.
    pub(super) fn end_leg(
        &mut self,
        now: Instant,
        id: LegId,
        status: u16,
        by: EndedBy,
        reason: &str,
    ) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.state != LegState::Leaving) else {
            return;
        };
        leg.state = LegState::Leaving;
        let moved_to = std::mem::take(&mut leg.moved_to);
        self.undecided.remove(&id);
        if let Some(trunk) = leg.trunk.clone() {
            self.trunks.leave(&trunk);
        }
        self.rings_no_more(id);
        self.counters.ended += 1;
        let reason =
            if reason.is_empty() && status != 200 { reason_phrase(status) } else { reason };
        self.tell(
            now,
            Event::Ended(id, LegEnd { status, by, reason: reason.to_owned(), moved_to }),
        );
    }

    /// A dialled leg was answered or is over: the one for whom it was dialled has one less that is rung.
    pub(super) fn rings_no_more(&mut self, id: LegId) {
        let served = self.legs.get_mut(&id).and_then(|leg| leg.serves.take());
        if let Some(served) = served.and_then(|served| self.legs.get_mut(&served)) {
            served.rung = served.rung.saturating_sub(1);
        }
    }

    /// Forgets a leg whose end has been told.
    pub(super) fn drop_leg(&mut self, id: LegId) {
        self.reserve.leave(id);
        let Some(leg) = self.legs.remove(&id) else { return };
        self.unlist_leg(id, leg.flow);
        if let Some(key) = leg.merge_key {
            self.merges.remove(&key);
        }
    }

    pub(super) fn add_leg(&mut self, leg: Leg) {
        self.list_leg(leg.id, leg.flow);
        self.legs.insert(leg.id, leg);
    }

    /// The far end of a leg is reached by another flow from now on.
    pub(super) fn move_leg(&mut self, id: LegId, flow: Flow) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let old = std::mem::replace(&mut leg.flow, flow);
        self.unlist_leg(id, old);
        self.list_leg(id, flow);
    }

    /// The legs over a connection; `None`: over streams whose connection was closed or is any to their peer.
    pub(super) fn legs_at(&self, connection: Option<u64>) -> Vec<LegId> {
        let legs = self.legs_by_connection.get(&connection);
        legs.map_or_else(Vec::new, |legs| legs.iter().copied().collect())
    }

    fn list_leg(&mut self, id: LegId, flow: Flow) {
        if flow.transport.is_reliable() {
            self.legs_by_connection.entry(flow.connection).or_default().insert(id);
        }
    }

    fn unlist_leg(&mut self, id: LegId, flow: Flow) {
        if let Some(legs) = self.legs_by_connection.get_mut(&flow.connection) {
            legs.remove(&id);
            if legs.is_empty() {
                self.legs_by_connection.remove(&flow.connection);
            }
        }
    }

    /// Tells what a leg speaks from now on.
    pub(super) fn tell_media(&mut self, now: Instant, id: LegId, agreed: Agreed) {
        // The ACK of a leg that we have left already may still bring a description.
        let leg = self.legs.get(&id).filter(|leg| leg.state != LegState::Leaving);
        if let Some(source) = leg.map(|leg| leg.flow.peer.ip()) {
            self.sweep_later(now);
            self.tell(now, Event::MediaAgreed(id, Box::new(agreed), source));
        }
    }

    /// Whether somebody still waits for what becomes of this leg.
    pub(super) fn is_wanted(&self, id: LegId) -> bool {
        self.legs.get(&id).is_some_and(|leg| leg.state != LegState::Leaving)
    }

    /// CANCEL for the INVITE of a leg that leaves: now, or with its first provisional answer (RFC 3261 §9.1).
    pub(super) fn withdraw_invite(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get(&id) else { return };
        let (client, reason) = (leg.client, leg.reason.clone());
        let Some(client) = client else { return self.drop_leg(id) };
        let Some(transaction) = self.clients.get_mut(&(client, false)) else {
            return self.drop_leg(id);
        };
        // Somebody who rings and answers neither CANCEL nor INVITE is forgotten after 64·T1.
        transaction.until = now + TRANSACTION_LIFE;
        let is_proceeding = transaction.state == ClientState::Proceeding;
        self.timers.set(now + TRANSACTION_LIFE, Due::ClientEnd((client, false)));
        if is_proceeding {
            self.send_cancel(now, client, reason.as_deref());
        }
    }

    /// BYE with the reason that the leg has for leaving.
    pub(super) fn send_bye(&mut self, now: Instant, id: LegId) {
        let user_agent = self.config.user_agent.clone();
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let mut bye = dialog::request(leg, Method::Bye);
        if let Some(reason) = leg.reason.take() {
            bye.headers.push(HeaderName::Reason, reason);
        }
        bye.headers.push(HeaderName::UserAgent, user_agent);
        let (flow, owner) = (way::of_leg(leg), owner_of_bye(leg.trunk.as_ref()));
        self.open_client(now, flow, bye, owner);
    }

    /// Repeats the 2xx of a server transaction until its ACK (RFC 3261 §13.3.1.4).
    pub(super) fn await_ack(
        &mut self,
        now: Instant,
        id: LegId,
        server: u64,
        cseq: u32,
        bytes: Bytes,
        our_offer: Option<Vec<Codec>>,
    ) {
        let Some(flow) = self.servers.get(&server).map(|server| server.flow) else { return };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (next, until) = (now + T1, now + TRANSACTION_LIFE);
        leg.unacknowledged =
            Some(Unacknowledged { cseq, flow, bytes, pause: T1, next, until, our_offer });
        self.timers.set(next, Due::OkResend(id));
    }

    /// The Call-ID of a leg that lives.
    pub fn call_id_of(&self, id: LegId) -> Option<&str> {
        self.legs.get(&id).map(|leg| leg.call_id.as_str())
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
        way::contact(&self.config.listeners, &leg.contact_user, leg.flow, leg.is_sips)
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
            self.leave_trunk(now, &trunk);
        }
    }
}

/// A trunk with credentials may challenge our BYE; nobody else is answered (no digest for strangers).
pub(super) fn owner_of_bye(trunk: Option<&std::sync::Arc<Trunk>>) -> Owner {
    match trunk.filter(|trunk| trunk.credentials.is_some()) {
        Some(trunk) => Owner::Bye(trunk.clone()),
        None => Owner::Nobody,
    }
}

/// RFC 3326. `None` where there is nothing to say.
fn reason_header(status: u16, reason: &str) -> Option<String> {
    let text = reason.replace(['"', '\\'], "'");
    (!text.is_empty()).then(|| format!("SIP;cause={status};text=\"{text}\""))
}
