//! Reliable provisional responses, in both roles (RFC 3262).

use std::time::Instant;

use rand_chacha::rand_core::RngCore as _;

use super::config::{T1, TRANSACTION_LIFE};
use super::in_dialog::{Said, reply_to_offer};
use super::invite_client::{MAX_FORKS, remote_tag};
use super::requests::reason_phrase;
use super::{ClientId, Due, EndedBy, Endpoint, LegId};
use crate::dialog;
use crate::early::{Provisional, Rel100, Reliable, Unpracked};
use crate::leg::{Leg, LegState};
use crate::transaction::Owner;
use crate::wire::{HeaderName, Method, Request, Response};

impl Endpoint {
    /// Acknowledges a provisional response that wants it (§4). False for one that is passed over: it came before, or
    /// another one is missing before it.
    pub(super) fn acknowledge_provisional(
        &mut self,
        now: Instant,
        id: LegId,
        response: &Response,
    ) -> bool {
        let Some(rseq) = rseq_of(response) else { return true };
        let user_agent = self.config.user_agent.clone();
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        let tag = remote_tag(response);
        let has_room = leg.counted_forks.len() < MAX_FORKS;
        match leg.counted_forks.iter_mut().find(|(fork, _)| *fork == tag) {
            Some((_, newest)) if newest.checked_add(1) == Some(rseq) => *newest = rseq,
            None if has_room => leg.counted_forks.push((tag, rseq)),
            _ => {
                self.counters.strays += 1;
                return false;
            }
        }
        if let Some((mut prack, flow)) = dialog::prack(leg, response, rseq) {
            prack.headers.push(HeaderName::UserAgent, user_agent);
            self.open_client(now, flow, prack, Owner::Prack(id));
        }
        true
    }

    /// The trunk challenges our PRACK. Any other answer says nothing that matters: whoever misses it ends the call.
    pub(super) fn on_prack_response(
        &mut self,
        now: Instant,
        client: ClientId,
        id: LegId,
        prack: Option<Box<Request>>,
        response: &Response,
    ) {
        let trunk = self.legs.get(&id).and_then(|leg| leg.trunk.clone());
        let flow = self.clients.get(&client).map(|transaction| transaction.flow);
        let (Some(trunk), Some(prack), Some(flow)) = (trunk, prack, flow) else { return };
        if trunk.hosts.addresses().iter().all(|address| address.ip() != flow.peer.ip()) {
            return;
        }
        if let Some((again, _)) = self.with_credentials(&trunk, &prack, response) {
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.local_cseq += 1;
            }
            self.open_client(now, flow, again, Owner::Nobody);
        }
    }

    /// Says something to a caller before the final answer: reliably where it wants that, and where a description must
    /// not get lost.
    pub(super) fn say_provisional(&mut self, now: Instant, id: LegId, said: Provisional) {
        let first = (self.rng.next_u32() >> 2) | 1;
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.waits_for_us()) else { return };
        leg.state = LegState::Ringing;
        leg.rang_at = Some(now);
        self.undecided.remove(&id);
        self.sweep_later(now);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if !is_reliable(leg, &said) {
            let (Some(server), Some(response)) = (leg.server, self.provisional(id, &said)) else {
                return;
            };
            return self.respond(now, server, &response);
        }
        if leg.offer.is_none() {
            // The first one would have to carry an offer (§5), and nobody has said yet who is to be heard.
            return;
        }
        let reliable = leg.reliable.get_or_insert_with(|| {
            let (unacknowledged, next, answer) = (None, None, None);
            Box::new(Reliable { rseq: first - 1, unacknowledged, next, answer })
        });
        if reliable.unacknowledged.is_some() {
            // A description that waits is not overtaken by mere ringing.
            if !said.body.is_empty() || reliable.next.as_ref().is_none_or(|n| n.body.is_empty()) {
                reliable.next = Some(said);
            }
            return;
        }
        reliable.rseq += 1;
        let (rseq, server) = (reliable.rseq, leg.server);
        let (Some(server), Some(mut response)) = (server, self.provisional(id, &said)) else {
            return;
        };
        response.headers.push(HeaderName::Require, "100rel");
        response.headers.push(HeaderName::RSeq, rseq.to_string());
        let (next, until) = (now + T1, now + TRANSACTION_LIFE);
        let (bytes, has_description) = (response.to_bytes(), !said.body.is_empty());
        if let Some(reliable) = self.legs.get_mut(&id).and_then(|leg| leg.reliable.as_mut()) {
            let unpracked = Unpracked { bytes, has_description, pause: T1, next, until };
            reliable.unacknowledged = Some(unpracked);
        }
        self.timers.set(next, Due::ProvisionalResend(id));
        self.respond(now, server, &response);
    }

    /// Repeats a reliable response, or gives up on its PRACK (§3).
    pub(super) fn provisional_resend(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.waits_for_us()) else { return };
        let flow = leg.server.and_then(|server| self.servers.get(&server)).map(|s| s.flow);
        let waiting = leg.reliable.as_mut().and_then(|reliable| reliable.unacknowledged.as_mut());
        let (Some(waiting), Some(flow)) = (waiting, flow) else { return };
        if now < waiting.next {
            return;
        }
        if now >= waiting.until {
            self.refuse_leg(now, id, 504, "", None);
            self.end_leg(now, id, 504, EndedBy::Timeout, "no PRACK");
            return self.drop_leg(id);
        }
        waiting.pause *= 2;
        waiting.next = (now + waiting.pause).min(waiting.until);
        let (next, bytes) = (waiting.next, waiting.bytes.clone());
        self.timers.set(next, Due::ProvisionalResend(id));
        self.counters.retransmitted += 1;
        self.send(flow, bytes);
    }

    /// The caller has our reliable response. It may offer something new, if that was an answer (§5).
    pub(super) fn on_prack(&mut self, now: Instant, id: LegId, server: u64, request: &Request) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let reliable = leg.reliable.as_mut();
        let is_meant = reliable.is_some_and(|reliable| {
            rack_of(request) == Some(reliable.rseq) && reliable.unacknowledged.take().is_some()
        });
        if !is_meant {
            return self.respond_plainly(now, server, request, 481, &[]);
        }
        let was_proven = std::mem::replace(&mut leg.is_proven, true);
        let said = match (leg.session, leg.agreed.is_some()) {
            _ if request.body.is_empty() => Some(Said::default()),
            (Some(session), true) => reply_to_offer(leg, session, request),
            _ => None,
        };
        let known = leg.agreed.clone().filter(|_| !was_proven);
        let status = if said.is_some() { 200 } else { 488 };
        let Said { body, agreed, .. } = said.unwrap_or_default();
        let mut response = request.response(status, reason_phrase(status), None);
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        if !body.is_empty() {
            response.headers.push(HeaderName::ContentType, "application/sdp");
            response.body = body.into();
        }
        self.respond(now, server, &response);
        if let Some(agreed) = agreed.or(known) {
            self.tell_media(now, id, agreed);
        }
        self.say_what_waits(now, id);
    }

    fn say_what_waits(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.waits_for_us()) else { return };
        let Some(reliable) = &mut leg.reliable else { return };
        let (answer, next) = (reliable.answer.take(), reliable.next.take());
        if let Some((like, rtp)) = answer {
            self.answer(now, id, like, rtp);
        } else if let Some(next) = next {
            self.say_provisional(now, id, next);
        }
    }
}

fn is_reliable(leg: &Leg, said: &Provisional) -> bool {
    match leg.rel100 {
        Rel100::Required => true,
        Rel100::Supported => !said.body.is_empty(),
        Rel100::Unknown => false,
    }
}

/// What a caller says of reliable responses.
pub(super) fn rel100_of(invite: &Request) -> Rel100 {
    if invite.headers.has_token(&HeaderName::Require, "100rel") {
        Rel100::Required
    } else if invite.headers.has_token(&HeaderName::Supported, "100rel") {
        Rel100::Supported
    } else {
        Rel100::Unknown
    }
}

/// The number of a response that wants a PRACK. `None` if it wants none.
fn rseq_of(response: &Response) -> Option<u32> {
    let is_reliable = (101..200).contains(&response.status)
        && response.headers.has_token(&HeaderName::Require, "100rel");
    is_reliable.then(|| response.headers.text(&HeaderName::RSeq)?.trim().parse().ok())?
}

/// The number that a PRACK is about (§7.2). We send reliable responses to one INVITE of a dialog only.
fn rack_of(prack: &Request) -> Option<u32> {
    let mut words = prack.headers.text(&HeaderName::RAck)?.split_ascii_whitespace();
    let rseq = words.next()?.parse().ok()?;
    let _cseq: u32 = words.next()?.parse().ok()?;
    (Method::parse(words.next()?) == Method::Invite).then_some(rseq)
}
