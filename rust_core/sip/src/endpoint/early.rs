//! What a caller hears before the final answer: ringing, and what the trunk says (RFC 3960).

use std::net::SocketAddr;
use std::time::Instant;

use super::incoming::copy_record_routes;
use super::invite_client::remote_tag;
use super::requests::{allow, reason_phrase};
use super::{Endpoint, Event, LegId};
use crate::early::{Early, Provisional, Rel100};
use crate::leg::{Leg, LegState};
use crate::offer_answer::{Agreed, Codec, Direction, SessionDescription, accept_answer, answer};
use crate::wire::{HeaderName, Response};

impl Endpoint {
    /// 180 to the caller.
    pub(super) fn ring(&mut self, now: Instant, id: LegId) {
        self.say_provisional(now, id, Provisional { status: 180, body: Default::default() });
    }

    /// The newest of it again, so that no proxy gives up (RFC 3261 §13.3.1.1). A reliable one has to be a new one.
    pub(super) fn ring_again(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.waits_for_us()) else { return };
        leg.rang_at = Some(now);
        let status = if leg.agreed.is_some() { 183 } else { 180 };
        if leg.rel100 == Rel100::Required || leg.agreed.is_some() {
            return self.say_provisional(now, id, Provisional { status, body: Default::default() });
        }
        let transaction = leg.server.and_then(|server| self.servers.get(&server));
        let Some((flow, bytes)) = transaction.map(|t| (t.flow, t.last.clone())) else { return };
        self.send(flow, bytes);
        self.sweep_later(now);
    }

    /// 183 to the caller, with an answer that suits the leg which it is to hear already. Where the caller takes it
    /// reliably, it is the answer of the call; otherwise the final one may differ.
    pub(super) fn progress(&mut self, now: Instant, id: LegId, like: LegId, rtp: SocketAddr) {
        let model = self.legs.get(&like).and_then(|leg| leg.agreed.clone());
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.can_hear_early()) else { return };
        if leg.agreed.is_some() {
            return; // It has its answer, and whoever was dialled since was offered that.
        }
        let (Some(model), Some(offer)) = (model, leg.offer.clone()) else { return };
        let session = leg.next_session(rtp);
        let spoken = |codec: &Codec| model.like(codec).map(|own| own.codec.fmtp.clone());
        let Ok((body, agreed)) = answer(&offer, &session, Direction::SendRecv, spoken) else {
            return;
        };
        if leg.rel100 != Rel100::Unknown {
            leg.agree(agreed.clone());
        }
        if leg.is_proven {
            self.tell_media(now, id, agreed);
        }
        self.say_provisional(now, id, Provisional { status: 183, body: body.into() });
    }

    /// A provisional response of a dialled leg describes a session: the newest one is heard.
    pub(super) fn on_early_answer(&mut self, now: Instant, id: LegId, response: &Response) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let tag = remote_tag(response);
        let body = response.body.clone();
        let is_reliable = response.headers.has_token(&HeaderName::Require, "100rel");
        let is_known = |early: &Early| {
            early.tag == tag
                && (early.is_updated || early.body == body && early.is_reliable >= is_reliable)
        };
        if leg.early.as_deref().is_some_and(is_known) {
            return;
        }
        let agreed = SessionDescription::parse(&body)
            .ok()
            .and_then(|theirs| accept_answer(&leg.offered, Direction::SendRecv, &theirs).ok());
        leg.early = Some(Box::new(Early { tag, body, is_reliable, is_updated: false }));
        if let Some(agreed) = agreed {
            leg.agree(agreed.clone());
            self.let_be_heard(now, id, agreed);
        }
    }

    /// Lets the one for whom a trunk's leg was dialled hear it, if it is the only one that is rung for that one.
    fn let_be_heard(&mut self, now: Instant, id: LegId, agreed: Agreed) {
        let Some(leg) = self.legs.get(&id) else { return };
        let passes = leg.trunk.as_ref().is_some_and(|trunk| trunk.early_media);
        let Some(listener) = leg.serves else {
            return self.tell_media(now, id, agreed); // A phone's own call.
        };
        let can_hear = |leg: &Leg| {
            passes && leg.rung == 1 && (leg.state == LegState::Confirmed || leg.can_hear_early())
        };
        if self.legs.get(&listener).is_some_and(can_hear) {
            self.tell_media(now, id, agreed);
            self.tell(now, Event::EarlyMedia { leg: id, listener });
        }
    }

    /// A provisional response as it is written.
    pub(super) fn provisional(&self, id: LegId, said: &Provisional) -> Option<Response> {
        let leg = self.legs.get(&id)?;
        let invite = leg.invite.as_ref()?;
        let phrase = reason_phrase(said.status);
        let mut response = invite.response(said.status, phrase, Some(&leg.local_tag));
        copy_record_routes(invite, &mut response);
        response.headers.push(HeaderName::Contact, self.contact(leg));
        if !said.body.is_empty() {
            // RFC 3311 §4: who may UPDATE before the final answer has to know that it may.
            let (name, value) = allow();
            response.headers.push(name, value);
            response.headers.push(HeaderName::ContentType, "application/sdp");
            response.body = said.body.clone();
        }
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        Some(response)
    }
}

impl Leg {
    /// Whether it is a caller's who has no final answer yet.
    pub(crate) fn waits_for_us(&self) -> bool {
        matches!(self.state, LegState::Undecided | LegState::Ringing)
    }

    /// Whether a caller's phone can be told now what it hears. A datagram of a trunk may be forged: no sound goes where
    /// it says before its ACK, or the PRACK that only a reliable response gets.
    fn can_hear_early(&self) -> bool {
        let is_safe = self.is_proven || self.rel100 != Rel100::Unknown;
        self.waits_for_us() && self.offer.is_some() && is_safe
    }
}
