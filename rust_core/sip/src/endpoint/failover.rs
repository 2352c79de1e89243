//! From one server of a trunk to the next (RFC 3263 §4.3): on silence, without a connection, on 503. What has rung
//! anywhere is tried nowhere else. Each try has a Call-ID and a tag of its own, so that no two of them meet as one call
//! further on (RFC 3261 §8.2.2.2).

use std::time::{Duration, Instant};

use super::client_transactions::NO_ANSWER;
use super::config::TRANSACTION_LIFE;
use super::{ClientId, Due, Endpoint, Event, Flow, LegId, Tried};
use crate::leg::LegState;
use crate::transaction::Owner;
use crate::wire::{HeaderName, Response};

impl Endpoint {
    /// A server has been silent for too long, and there are others. False if it is not so.
    pub(super) fn give_up(&mut self, now: Instant, client: ClientId) -> bool {
        let Some(transaction) = self.clients.get(&client) else { return false };
        let (Owner::Dial(id), flow) = (&transaction.owner, transaction.flow) else { return false };
        let (id, until) = (*id, transaction.started + TRANSACTION_LIFE);
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.state != LegState::Leaving) else {
            return false;
        };
        let has_others = leg.hops.as_ref().is_some_and(|hops| !hops.rest.is_empty());
        let Some(trunk) = leg.trunk.clone().filter(|_| has_others && now < until) else {
            return false;
        };
        // What it may still say is turned away: it could have taken the INVITE.
        if let Some(transaction) = self.clients.get_mut(&client) {
            transaction.owner = Owner::GivenUp(trunk);
            transaction.until = until;
            self.timers.set(until, Due::ClientEnd(client));
        }
        self.server_failed(now, flow, 408, NO_ANSWER);
        self.try_next(now, id, 408, NO_ANSWER)
    }

    /// Sends the call to the next server, if there is one that it may still be sent to.
    pub(super) fn try_next(&mut self, now: Instant, id: LegId, status: u16, why: &str) -> bool {
        if !self.is_wanted(id) {
            return false;
        }
        let tag = self.new_tag(id);
        let call_id = self.random_hex();
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        let Some(mut hops) = leg.hops.take() else { return false };
        let next = if self.closing { None } else { hops.rest.pop_front() };
        let tried = Tried {
            server: hops.current.shown.clone(),
            status,
            reason: why.to_owned(),
            next: next.as_ref().map(|hop| hop.shown.clone()),
        };
        let Some(next) = next else {
            self.tell(now, Event::Tried(id, Box::new(tried)));
            return false;
        };
        leg.state = LegState::Calling;
        leg.call_id = call_id;
        leg.local_tag = tag;
        leg.local_cseq = 0;
        leg.remote_target = next.uri.clone();
        leg.digest = None;
        leg.client = None;
        let (flow, rtp) = (next.flow, hops.rtp);
        hops.current = next;
        leg.hops = Some(hops);
        self.counters.trunk_failovers += 1;
        self.tell(now, Event::Tried(id, Box::new(tried)));
        self.move_leg(id, flow);
        self.send_invite(now, id, rtp);
        true
    }

    /// A server that was given up rings after all.
    pub(super) fn withdraw_late(&mut self, now: Instant, client: u64) {
        let id = (client, false);
        if self.clients.contains_key(&(client, true)) {
            return;
        }
        let until = now + TRANSACTION_LIFE;
        if let Some(transaction) = self.clients.get_mut(&id) {
            transaction.until = until;
            self.timers.set(until, Due::ClientEnd(id));
        }
        self.send_cancel(now, client, Some(ANSWERED_ELSEWHERE));
    }

    /// A 503 may say for how long its server wants to be left alone (RFC 3261 §21.5.4).
    pub(super) fn let_rest(&mut self, now: Instant, id: LegId, response: &Response) {
        let Some(leg) = self.legs.get(&id) else { return };
        let (Some(trunk), peer) = (leg.trunk.clone(), leg.flow.peer) else { return };
        if let Some(pause) = retry_after(response) {
            self.trunks.rest(&trunk, peer, now + pause);
        }
    }

    /// The server that a leg is dialled to has answered.
    pub(super) fn trunk_answers(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get(&id).filter(|leg| leg.trunk.is_some()) else { return };
        let Flow { transport, peer, .. } = leg.flow;
        if self.trunks.health.answered((transport, peer), false) {
            self.tell_trunks_at(now, (transport, peer));
        }
    }
}

/// Seconds, perhaps with a comment and parameters after them (RFC 3261 §20.33).
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers.text(&HeaderName::RetryAfter)?.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let seconds = text[..end].parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_REST))
}

/// RFC 3326 §2.
const ANSWERED_ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
/// Who asks for more has lost track of what it says.
const MAX_REST: Duration = Duration::from_secs(3_600);
