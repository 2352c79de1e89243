//! Requests inside a dialog (RFC 3261 §12.2.2, §14.2, §15.1.2; RFC 3311; RFC 6086).

use std::time::Instant;

use bytes::Bytes;

use super::incoming::{reason_text, sdp_body};
use super::requests::{allow, reason_phrase, to_tag, unsupported};
use super::update::crossing;
use super::{EndedBy, Endpoint, Flow, LegId};
use crate::dialog;
use crate::leg::{Leg, LegState};
use crate::offer_answer::{
    Agreed, Codec, Direction, Session, SessionDescription, accept_answer, answer, offer,
};
use crate::session_timer::SessionTimer;
use crate::way;
use crate::wire::{HeaderName, Method, Request};

impl Endpoint {
    pub(super) fn on_request_in_dialog(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: Request,
    ) {
        let call_id = request.headers.text(&HeaderName::CallId);
        let found = to_tag(&request).and_then(|tag| self.leg_of_tag(&tag, call_id));
        let from = dialog::tag_of(request.headers.line(&HeaderName::From));
        // Another fork of our INVITE shares our tag but is not who we talk to.
        let is_theirs = |leg: &&mut Leg| {
            (leg.remote_tag.is_none() || leg.remote_tag.as_deref() == Some(from.as_str()))
                && (leg.state != LegState::Leaving || request.method == Method::Bye)
        };
        let leg = found.and_then(|id| self.legs.get_mut(&id)).filter(is_theirs);
        let Some(leg) = leg else { return self.refuse(reply, &request, 481, "", &[]) };
        let id = leg.id;
        let number = request.cseq().map(|cseq| cseq.number);
        if leg.remote_tag.is_some() && leg.remote_cseq.is_some() && number <= leg.remote_cseq {
            return self.refuse(
                reply,
                &request,
                500,
                "Server Internal Error (CSeq out of order)",
                &[],
            );
        }
        self.prove(now, flow);
        let Some(server) = self.open_server(now, reply, &request) else {
            return self.refuse(reply, &request, 503, "", &[]);
        };
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.remote_cseq = number;
        }
        if request.method != Method::Bye
            && let Some((status, extra)) = unsupported(&request)
        {
            return self.respond_plainly(now, server, &request, status, &extra);
        }
        match request.method {
            Method::Bye => self.on_bye(now, id, server, &request),
            Method::Invite | Method::Update => self.on_reoffer(now, flow, id, server, &request),
            Method::Prack => self.on_prack(now, id, server, &request),
            Method::Refer => self.on_refer(now, id, server, &request),
            Method::Info => self.on_info(now, id, server, &request),
            Method::Options => self.respond_plainly(now, server, &request, 200, &[allow()]),
            _ => {
                // RFC 3428 §7: who takes no messages says so; unlike methods that nobody knows.
                let is_known = !matches!(&request.method, Method::Other(name) if name != "MESSAGE");
                let status = if is_known { 405 } else { 501 };
                self.respond_plainly(now, server, &request, status, &[allow()]);
            }
        }
    }

    pub(super) fn respond_plainly(
        &mut self,
        now: Instant,
        server: u64,
        request: &Request,
        status: u16,
        extra: &[(HeaderName, String)],
    ) {
        let mut response = request.response(status, reason_phrase(status), None);
        for (name, value) in extra {
            response.headers.push(name.clone(), value.clone());
        }
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        self.respond(now, server, &response);
    }

    fn on_bye(&mut self, now: Instant, id: LegId, server: u64, bye: &Request) {
        self.respond_plainly(now, server, bye, 200, &[]);
        let Some(leg) = self.legs.get(&id) else { return };
        let is_dialling = matches!(leg.state, LegState::Calling | LegState::Proceeding);
        let reason = reason_text(bye);
        if leg.invite.is_some() {
            // RFC 3261 §15.1.2: a BYE on an early dialog ends its INVITE too.
            self.refuse_leg(now, id, 487, "", None);
        }
        self.end_leg(now, id, 200, EndedBy::Peer, &reason);
        if is_dialling { self.withdraw_invite(now, id) } else { self.drop_leg(id) }
    }

    /// A re-INVITE or UPDATE: hold, resume, another address, or just a sign of life.
    fn on_reoffer(&mut self, now: Instant, flow: Flow, id: LegId, server: u64, request: &Request) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let is_invite = request.method == Method::Invite;
        if let Some(status) = crossing(leg, request) {
            return self.refuse_crossing(now, server, request, status);
        }
        let timed = match SessionTimer::of_request(&request.headers, now) {
            Ok(timed) => timed,
            Err(least) => {
                let extra = [(HeaderName::MinSe, least.as_secs().to_string())];
                return self.respond_plainly(now, server, request, 422, &extra);
            }
        };
        let said = match (leg.session, leg.agreed.is_some()) {
            _ if !is_invite && request.body.is_empty() => Some(Said::default()),
            (Some(session), true) => reply_to_offer(leg, session, request),
            _ => None,
        };
        let Some(said) = said else {
            // RFC 3261 §14.2: the session stays as it was.
            return self.respond_plainly(now, server, request, 488, &[]);
        };
        let mut response = request.response(200, reason_phrase(200), None);
        response.body = said.body.into();
        for (name, value) in leg.take_session_timer(timed) {
            response.headers.push(name, value);
        }
        if let (Some(early), true) = (&mut leg.early, said.agreed.is_some()) {
            early.is_updated = true;
        }
        if let Some(target) = way::target_of(&request.headers) {
            leg.remote_target = target;
        }
        if leg.trunk.is_none() {
            self.move_leg(id, flow);
        }
        if let Some(new) = said.agreed {
            self.tell_media(now, id, new);
        }
        let contact = self.legs.get(&id).map(|leg| self.contact(leg)).unwrap_or_default();
        response.headers.push(HeaderName::Contact, contact);
        if !response.body.is_empty() {
            response.headers.push(HeaderName::ContentType, "application/sdp");
        }
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        let bytes = response.to_bytes();
        self.respond(now, server, &response);
        self.sweep_later(now);
        if is_invite {
            let cseq = request.cseq().map_or(0, |cseq| cseq.number);
            self.await_ack(now, id, server, cseq, bytes, said.our_offer);
        }
    }

    /// The answer to an offer that we made in a 2xx, in its ACK. Whether it is one.
    pub(super) fn accept_late_answer(
        &mut self,
        now: Instant,
        id: LegId,
        offered: &[Codec],
        body: &Bytes,
    ) -> bool {
        let Some(leg) = self.legs.get_mut(&id) else { return false };
        let theirs = SessionDescription::parse(body).ok();
        let new =
            theirs.and_then(|theirs| accept_answer(offered, Direction::SendRecv, &theirs).ok());
        let Some(new) = new else { return false };
        leg.agree(new.clone());
        self.tell_media(now, id, new);
        true
    }
}

/// What our 2xx says of the session.
#[derive(Default)]
pub(super) struct Said {
    pub(super) body: String,
    /// What we offer, where the INVITE offers nothing: its answer comes in the ACK.
    pub(super) our_offer: Option<Vec<Codec>>,
    /// What holds from now on, if that has changed.
    pub(super) agreed: Option<Agreed>,
}

/// `None` if their offer cannot be agreed on.
pub(super) fn reply_to_offer(leg: &mut Leg, session: Session, request: &Request) -> Option<Said> {
    match (request.body.is_empty(), &request.method) {
        (true, Method::Invite) => {
            let codecs = leg.spoken();
            let session = leg.next_session(session.rtp);
            let body = offer(&session, &codecs, Direction::SendRecv);
            Some(Said { body, our_offer: Some(codecs), agreed: None })
        }
        (true, _) => Some(Said::default()),
        (false, _) => {
            let theirs = SessionDescription::parse(&sdp_body(request)?).ok()?;
            let session = leg.next_session(session.rtp);
            let first = leg.agreed_first.clone();
            let spoken = |codec: &Codec| Some(first.as_ref()?.again(codec)?.receive_fmtp.clone());
            let (body, agreed) = answer(&theirs, &session, Direction::SendRecv, spoken).ok()?;
            leg.agree(agreed.clone());
            Some(Said { body, our_offer: None, agreed: Some(agreed) })
        }
    }
}
