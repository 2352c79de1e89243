//! What we tell a caller before and instead of talking (RFC 3261 §13.3.1).

use std::net::SocketAddr;
use std::time::Instant;

use super::in_dialog::Said;
use super::incoming::copy_record_routes;
use super::requests::{allow, reason_phrase};
use super::{EndedBy, Endpoint, LegId};
use crate::leg::{Leg, LegState};
use crate::session_timer::SessionTimer;
use crate::wire::{HeaderName, quoted};

impl Endpoint {
    /// Somebody is sought for this leg still: that is decided, whenever the caller hears it ring.
    pub(super) fn led_on(&mut self, now: Instant, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.led_on_at = Some(now);
        if leg.state == LegState::Undecided {
            leg.state = LegState::Ringing;
            self.undecided.remove(&id);
            self.sweep_later(now);
        }
    }

    /// 200 to the caller, with an answer that suits the leg it is to be joined to.
    pub(super) fn answer(&mut self, now: Instant, id: LegId, like: Option<LegId>, rtp: SocketAddr) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.waits_for_us()) else { return };
        let Some(server) = leg.server else { return };
        if let Some(reliable) = &mut leg.reliable
            && reliable.unacknowledged.as_ref().is_some_and(|waiting| waiting.has_description)
        {
            reliable.answer = Some((like, rtp));
            return;
        }
        let Some(Said { body, our_offer, agreed }) = self.last_word(id, like, rtp) else {
            self.refuse_leg(now, id, 488, "No Codec in Common", None);
            self.end_leg(now, id, 488, EndedBy::Us, "no codec in common");
            return self.drop_leg(id);
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Some(invite) = leg.invite.take() else { return };
        let mut response = invite.response(200, reason_phrase(200), Some(&leg.local_tag));
        copy_record_routes(&invite, &mut response);
        leg.state = LegState::Accepted;
        self.undecided.remove(&id);
        // Too short an interval was refused when the INVITE came.
        let timed = SessionTimer::of_request(&invite.headers, now).ok().flatten();
        for (name, value) in leg.take_session_timer(timed) {
            response.headers.push(name, value);
        }
        let cseq = invite.cseq().map_or(0, |cseq| cseq.number);
        let agreed = agreed.or_else(|| leg.agreed.clone());
        let contact = self.legs.get(&id).map(|leg| self.contact(leg)).unwrap_or_default();
        response.headers.push(HeaderName::Contact, contact);
        let (name, value) = allow();
        response.headers.push(name, value);
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        if !body.is_empty() {
            response.headers.push(HeaderName::ContentType, "application/sdp");
            response.body = body.into();
        }
        self.counters.answered += 1;
        let bytes = response.to_bytes();
        self.respond(now, server, &response);
        self.await_ack(now, id, server, cseq, bytes, our_offer);
        self.sweep_later(now);
        if let (Some(agreed), true) = (agreed, self.legs.get(&id).is_some_and(|l| l.is_proven)) {
            self.tell_media(now, id, agreed);
        }
    }

    /// A final refusal to the caller.
    pub(super) fn reject(
        &mut self,
        now: Instant,
        id: LegId,
        status: u16,
        reason: &str,
        retry_after_s: Option<u32>,
    ) {
        if self.legs.get(&id).is_some_and(Leg::waits_for_us) {
            self.refuse_leg(now, id, status, reason, retry_after_s);
            self.end_leg(now, id, status, EndedBy::Us, reason);
            self.drop_leg(id);
        }
    }

    /// Sends the refusal of an incoming leg.
    pub(super) fn refuse_leg(
        &mut self,
        now: Instant,
        id: LegId,
        status: u16,
        reason: &str,
        retry_after_s: Option<u32>,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (Some(invite), Some(server)) = (leg.invite.take(), leg.server) else { return };
        let phrase = if reason.is_empty() { reason_phrase(status) } else { reason };
        let mut response = invite.response(status, phrase, Some(&leg.local_tag));
        if status == 488 {
            // RFC 3261 §13.3.1.3, §20.43: 305 is an incompatible media format.
            let words = format!("305 tandem {}", quoted(phrase));
            response.headers.push(HeaderName::Warning, words);
        }
        if let Some(seconds) = retry_after_s {
            response.headers.push(HeaderName::RetryAfter, seconds.to_string());
        }
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        self.respond(now, server, &response);
    }
}
