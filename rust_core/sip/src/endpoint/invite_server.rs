//! Calls that come in (RFC 3261 §13.3, §9.2).

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::config::{RETRY_AFTER_S, T1};
use super::requests::{Sender, allow, reason_phrase, to_tag};
use super::{CallerId, Due, EndedBy, Endpoint, Event, Flow, Incoming, LegId};
use crate::dialog;
use crate::leg::{Leg, LegState, Unacknowledged};
use crate::offer_answer::{Codec, Direction, Refused, SessionDescription, answer};
use crate::wire::{Address, HeaderName, Method, Request, Uri, display_text};

impl Endpoint {
    /// A new call of somebody who may call.
    pub(super) fn on_invite(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: Request,
        sender: Sender,
    ) {
        self.counters.invites += 1;
        if self.is_full(now) {
            self.counters.shed_invites += 1;
            return self.refuse(
                reply,
                &request,
                503,
                "",
                &[(HeaderName::RetryAfter, RETRY_AFTER_S.to_string())],
            );
        }
        let merge_key = merge_key(&request);
        if merge_key.as_ref().is_some_and(|key| self.merges.contains_key(key)) {
            return self.refuse(reply, &request, 482, "", &[]);
        }
        let Some(remote_target) = dialog::contact_of(&request.headers) else {
            return self.refuse(reply, &request, 400, "Bad Request (no Contact)", &[]);
        };
        let offer = match read_offer(&request) {
            Ok(offer) => offer,
            Err((status, extra)) => return self.refuse(reply, &request, status, "", &extra),
        };
        if let Sender::Trunk(trunk) = &sender
            && !self.trunks.enter(trunk)
        {
            self.counters.shed_invites += 1;
            return self.refuse(
                reply,
                &request,
                503,
                "",
                &[(HeaderName::RetryAfter, RETRY_AFTER_S.to_string())],
            );
        }
        let Some(server) = self.open_server(reply, &request) else {
            return self.refuse(
                reply,
                &request,
                503,
                "",
                &[(HeaderName::RetryAfter, RETRY_AFTER_S.to_string())],
            );
        };
        self.last_leg += 1;
        let id = LegId(self.last_leg);
        let trying = request.response(100, reason_phrase(100), None);
        self.respond(now, server, &trying);
        if let Some(transaction) = self.servers.get_mut(&server) {
            transaction.leg = Some(id);
        }
        let offered: Vec<Codec> = offer
            .media
            .iter()
            .find(|line| line.is_audio())
            .map(|line| line.codecs.clone())
            .unwrap_or_default();
        let incoming = incoming(id, &request, &sender, &offered);
        let leg = Leg {
            state: LegState::Undecided,
            call_id: incoming.call_id.clone(),
            local_tag: self.new_tag(id),
            local: request.headers.text(&HeaderName::To).unwrap_or("").to_owned(),
            remote: lossy(&request, &HeaderName::From),
            remote_target,
            routes: dialog::record_routes(&request.headers),
            flow: reply_or(flow, reply),
            remote_cseq: request.cseq().map(|cseq| cseq.number),
            contact_user: incoming.called.clone(),
            trunk: if let Sender::Trunk(trunk) = sender { Some(trunk) } else { None },
            offered,
            offer: Some(offer),
            invite: Some(Box::new(request)),
            server: Some(server),
            merge_key: merge_key.clone(),
            ..Leg::new(id, flow)
        };
        self.legs.insert(id, leg);
        if let Some(key) = merge_key {
            self.merges.insert(key, id);
        }
        self.undecided.push_back((now, id));
        self.timers.set(now + self.config.decision_timeout, Due::Decision(id));
        self.tell(now, Event::Incoming(Box::new(incoming)));
    }

    /// Above what we can do well: too many legs, or decisions that take too long.
    fn is_full(&mut self, now: Instant) -> bool {
        while let Some((at, id)) = self.undecided.front() {
            if self.legs.get(id).is_some_and(|leg| leg.state == LegState::Undecided) {
                let is_old = now.saturating_duration_since(*at) > self.config.max_undecided_age;
                return is_old || self.legs.len() >= self.config.max_legs;
            }
            self.undecided.pop_front();
        }
        self.legs.len() >= self.config.max_legs
    }

    /// 180 to the caller.
    pub(super) fn ring(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let (LegState::Undecided | LegState::Ringing, Some(invite), Some(server)) =
            (leg.state, &leg.invite, leg.server)
        else {
            return;
        };
        leg.state = LegState::Ringing;
        let mut response = invite.response(180, reason_phrase(180), Some(&leg.local_tag));
        copy_record_routes(invite, &mut response);
        let contact = self.legs.get(&id).map(|leg| self.contact(leg)).unwrap_or_default();
        response.headers.push(HeaderName::Contact, contact);
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        if let Some(transaction) = self.servers.get_mut(&server) {
            let (flow, bytes) = (transaction.flow, response.to_bytes());
            transaction.last = bytes.clone();
            self.send(flow, bytes);
        }
    }

    /// 200 to the caller, with an answer that suits the leg it is to be joined to.
    pub(super) fn answer(&mut self, now: Instant, id: LegId, like: Option<LegId>, rtp: SocketAddr) {
        let model = like.and_then(|like| self.legs.get(&like)).and_then(|leg| leg.agreed.clone());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if !matches!(leg.state, LegState::Undecided | LegState::Ringing) {
            return;
        }
        let (Some(offer), Some(server)) = (leg.offer.take(), leg.server) else { return };
        let session = leg.next_session(rtp);
        let allowed = |codec: &Codec| match &model {
            Some(agreed) => {
                agreed.codecs.iter().chain(&agreed.events).any(|own| own.codec.is_same(codec))
            }
            None => codec.is_playable() || codec.is_events(),
        };
        let (body, agreed) = match answer(&offer, &session, Direction::SendRecv, allowed) {
            Ok(answered) => answered,
            Err(_) => {
                self.refuse_leg(now, id, 488, "", None);
                self.end_leg(now, id, 488, EndedBy::Us, "no codec in common");
                return self.drop_leg(id);
            }
        };
        let Some(invite) = leg.invite.take() else { return };
        let mut response = invite.response(200, reason_phrase(200), Some(&leg.local_tag));
        copy_record_routes(&invite, &mut response);
        leg.state = LegState::Accepted;
        leg.agreed = Some(agreed.clone());
        leg.answered = true;
        let cseq = leg.remote_cseq.unwrap_or(0);
        let contact = self.legs.get(&id).map(|leg| self.contact(leg)).unwrap_or_default();
        response.headers.push(HeaderName::Contact, contact);
        let (name, value) = allow();
        response.headers.push(name, value);
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        response.headers.push(HeaderName::ContentType, "application/sdp");
        response.body = body.into();
        self.counters.answered += 1;
        let bytes = response.to_bytes();
        self.respond(now, server, &response);
        let until = Self::ack_deadline(now);
        self.await_ack(now, id, Unacknowledged { cseq, bytes, pause: T1, until, our_offer: None });
        self.tell_media(now, id, agreed);
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
        let waits = |leg: &Leg| matches!(leg.state, LegState::Undecided | LegState::Ringing);
        if self.legs.get(&id).is_some_and(waits) {
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
        if let Some(seconds) = retry_after_s {
            response.headers.push(HeaderName::RetryAfter, seconds.to_string());
        }
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        self.respond(now, server, &response);
    }

    /// The caller no longer wants to (RFC 3261 §9.2).
    pub(super) fn on_cancel(&mut self, now: Instant, reply: Flow, cancel: &Request) {
        let mut invite = cancel.clone();
        invite.method = Method::Invite;
        let server = crate::transaction::server_key(&invite)
            .and_then(|key| self.server_keys.get(&key).copied());
        let Some(leg) =
            server.and_then(|id| self.servers.get(&id)).map(|transaction| transaction.leg)
        else {
            return self.refuse(reply, cancel, 481, "", &[]);
        };
        self.refuse(reply, cancel, 200, "", &[]);
        let waits = |leg: &Leg| matches!(leg.state, LegState::Undecided | LegState::Ringing);
        if let Some(id) = leg.filter(|id| self.legs.get(id).is_some_and(waits)) {
            let reason = reason_text(cancel);
            self.refuse_leg(now, id, 487, "", None);
            self.end_leg(now, id, 487, EndedBy::Peer, &reason);
            self.drop_leg(id);
        }
    }

    /// The caller has our 2xx.
    pub(super) fn on_ack(&mut self, now: Instant, ack: &Request) {
        let call_id = ack.headers.text(&HeaderName::CallId);
        let Some(id) = to_tag(ack).and_then(|tag| self.leg_of_tag(&tag, call_id)) else {
            self.counters.strays += 1;
            return;
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let number = ack.cseq().map(|cseq| cseq.number);
        let Some(waiting) = leg.unacknowledged.take_if(|waiting| Some(waiting.cseq) == number)
        else {
            return;
        };
        if let Some(offered) = waiting.our_offer {
            self.accept_late_answer(now, id, &offered, &ack.body);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        match leg.state {
            LegState::Accepted => {
                leg.state = LegState::Confirmed;
                self.tell(now, Event::Answered(id));
            }
            LegState::Leaving => {
                self.send_bye(now, id, "");
                self.drop_leg(id);
            }
            _ => {}
        }
    }
}

impl Leg {
    /// A leg of which nothing is known yet.
    pub(super) fn new(id: LegId, flow: Flow) -> Self {
        Self {
            id,
            state: LegState::Calling,
            call_id: String::new(),
            local_tag: String::new(),
            local: String::new(),
            remote: String::new(),
            remote_target: String::new(),
            routes: Vec::new(),
            flow,
            local_cseq: 0,
            remote_cseq: None,
            contact_user: String::new(),
            trunk: None,
            session: None,
            offered: Vec::new(),
            offer: None,
            agreed: None,
            invite: None,
            server: None,
            client: None,
            unacknowledged: None,
            ack: None,
            early_answer: None,
            authorized: 0,
            answered: false,
            rings: false,
            merge_key: None,
        }
    }
}

/// The offer of an INVITE, or how to refuse it.
type BadOffer = (u16, Vec<(HeaderName, String)>);

fn read_offer(request: &Request) -> Result<SessionDescription, BadOffer> {
    let warning = |text: &str| (488, vec![(HeaderName::Warning, format!("399 tandem \"{text}\""))]);
    if request
        .headers
        .line(&HeaderName::ContentEncoding)
        .is_some_and(|e| !e.eq_ignore_ascii_case(b"identity"))
    {
        return Err((415, vec![(HeaderName::Other("accept-encoding".into()), "identity".into())]));
    }
    if request.body.is_empty() {
        return Err(warning("an INVITE without an offer is not supported"));
    }
    let body =
        sdp_body(request).ok_or((415, vec![(HeaderName::Accept, "application/sdp".to_owned())]))?;
    let offer = SessionDescription::parse(&body)
        .map_err(|why| (400, vec![(HeaderName::Warning, format!("399 tandem \"{why}\""))]))?;
    if !offer.media.iter().any(|line| line.is_audio() && line.rtp().is_some()) {
        return Err(warning("only audio over RTP/AVP"));
    }
    Ok(offer)
}

/// The session description in a body: the body itself, or the first such part of several (RFC 5621).
pub(super) fn sdp_body(request: &Request) -> Option<Bytes> {
    let kind = request.headers.text(&HeaderName::ContentType)?;
    let (kind, params) = kind.split_once(';').unwrap_or((kind, ""));
    let kind = kind.trim();
    if kind.eq_ignore_ascii_case("application/sdp") {
        return Some(request.body.clone());
    }
    if !kind.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return None;
    }
    let boundary = crate::wire::Params::of(params).value("boundary")?.to_owned();
    let text = String::from_utf8_lossy(&request.body).into_owned();
    text.split(&format!("--{boundary}")).skip(1).find_map(|part| {
        let (head, body) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        head.to_ascii_lowercase().contains("application/sdp").then(|| Bytes::from(body.to_owned()))
    })
}

fn incoming(leg: LegId, request: &Request, sender: &Sender, offered: &[Codec]) -> Incoming {
    let asserted = request.headers.values(&HeaderName::PAssertedIdentity).next();
    let from = request.headers.line(&HeaderName::From).cloned();
    let (company, device, trunk, identity) = match sender {
        Sender::Device(account) => {
            (account.company.clone(), Some(account.device.clone()), None, from)
        }
        Sender::Trunk(trunk) => {
            (trunk.company.clone(), None, Some(trunk.id.clone()), asserted.or(from))
        }
    };
    let address = identity.as_deref().and_then(Address::parse);
    let number = address.as_ref().and_then(|a| a.parsed_uri()?.user()).unwrap_or_default();
    let name = address.as_ref().map(Address::display_name).unwrap_or_default();
    let called = Uri::parse(&request.uri).and_then(|uri| uri.user()).unwrap_or_default();
    Incoming {
        leg,
        company,
        device,
        trunk,
        caller: CallerId { number: display_text(number.as_bytes()), name },
        called: display_text(called.as_bytes()),
        call_id: lossy(request, &HeaderName::CallId),
        codecs: offered.iter().map(|codec| codec.name.clone()).collect(),
    }
}

/// From tag, Call-ID and CSeq of a new call (RFC 3261 §8.2.2.2).
fn merge_key(request: &Request) -> Option<String> {
    let from = request.headers.line(&HeaderName::From)?;
    let tag = Address::parse(from)?.tag()?.to_owned();
    Some(format!("{} {tag} {}", lossy(request, &HeaderName::CallId), request.cseq()?.number))
}

pub(super) fn copy_record_routes(request: &Request, response: &mut crate::wire::Response) {
    for value in request.headers.lines(&HeaderName::RecordRoute) {
        response.headers.push(HeaderName::RecordRoute, value.clone());
    }
}

/// The text of a Reason header (RFC 3326), "" without one.
pub(super) fn reason_text(request: &Request) -> String {
    let reason = request.headers.text(&HeaderName::Reason).unwrap_or("");
    let text = crate::wire::Params::of(reason).value("text").unwrap_or("");
    display_text(text.as_bytes())
}

fn lossy(request: &Request, name: &HeaderName) -> String {
    request
        .headers
        .line(name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

/// Requests to a device go back by the flow of its own; only the port may be another, where it asked for one.
fn reply_or(flow: Flow, reply: Flow) -> Flow {
    if flow.transport.is_reliable() { flow } else { reply }
}

impl From<Refused> for u16 {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed(_) => 400,
            Refused::NoAudio | Refused::NoCodec => 488,
        }
    }
}
