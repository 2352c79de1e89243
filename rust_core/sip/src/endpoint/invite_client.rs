//! Calls that we make (RFC 3261 §13.2, §9.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::config::RING_LIMIT;
use super::requests::{ALLOWED, reason_phrase};
use super::{
    CallerId, Due, EndedBy, Endpoint, Event, FIRST_DIALLED_LEG, Flow, LegEnd, LegId, Target,
    Transport, Trunk,
};
use crate::auth::ClientDigest;
use crate::dialog;
use crate::leg::{Leg, LegState};
use crate::offer_answer::{
    Codec, Direction, OWN_CODECS, Refused, SessionDescription, accept_answer, offer,
};
use crate::transaction::Owner;
use crate::wire::{HeaderName, Method, Request, Response, encode_user, quoted};

/// How to reach a target, and how it is named.
struct Way {
    flow: Flow,
    uri: String,
    to: String,
    domain: String,
    routes: Vec<String>,
    contact_user: String,
    trunk: Option<Arc<Trunk>>,
}

impl Endpoint {
    pub(super) fn dial(
        &mut self,
        now: Instant,
        id: LegId,
        target: &Target,
        caller: &CallerId,
        offer_of: Option<LegId>,
        rtp: SocketAddr,
    ) {
        if id.0 < FIRST_DIALLED_LEG || self.legs.contains_key(&id) {
            return;
        }
        self.counters.dialled += 1;
        let way = if self.closing { Err((503, "shutting down")) } else { self.way_to(target) };
        let way = match way {
            Ok(way) => way,
            Err((status, why)) => {
                let end = LegEnd { status, by: EndedBy::Timeout, reason: why.to_owned() };
                self.counters.ended += 1;
                return self.tell(now, Event::Ended(id, end));
            }
        };
        let codecs = match offer_of.and_then(|other| self.legs.get(&other)) {
            Some(other) => other.speakable(),
            None => own_codecs(),
        };
        let name = if caller.name.is_empty() {
            String::new()
        } else {
            format!("{} ", quoted(&caller.name))
        };
        let mut leg = Leg {
            state: LegState::Calling,
            call_id: self.random_hex(),
            local_tag: self.new_tag(id),
            local: format!("{name}<sip:{}@{}>", encode_user(&caller.number), way.domain),
            remote: way.to,
            remote_target: way.uri,
            routes: way.routes,
            contact_user: way.contact_user,
            trunk: way.trunk,
            offered: codecs,
            ..Leg::new(id, way.flow)
        };
        let session = leg.next_session(rtp);
        let body = offer(&session, &leg.offered, Direction::SendRecv);
        let invite = self.invite(&mut leg, body.into());
        let flow = leg.flow;
        self.legs.insert(id, leg);
        let client = self.open_client(now, flow, invite, Owner::Dial(id));
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.client = Some(client);
        }
        self.timers.set(now + RING_LIMIT, Due::RingLimit(id));
    }

    fn way_to(&mut self, target: &Target) -> Result<Way, (u16, &'static str)> {
        match target {
            Target::Binding(binding) => {
                let (place, account) =
                    self.registrar.place(*binding).ok_or((480, "no longer registered"))?;
                Ok(Way {
                    flow: place.flow,
                    uri: place.contact.clone(),
                    to: format!("<sip:{}@{}>", encode_user(&account.username), account.realm),
                    domain: account.realm.clone(),
                    routes: place.path.clone(),
                    contact_user: "tandem".to_owned(),
                    trunk: None,
                })
            }
            Target::Trunk { company, trunk, number } => {
                let trunk =
                    self.trunks.named(company, trunk).cloned().ok_or((404, "no such trunk"))?;
                let peer = trunk.address.ok_or((503, "the trunk's host has no address yet"))?;
                let flow = self
                    .flow_to(trunk.transport, peer)
                    .ok_or((503, "nothing listens for this transport"))?;
                if !self.trunks.enter(&trunk) {
                    return Err((503, "the trunk is full"));
                }
                let tcp = if trunk.transport == Transport::Tcp { ";transport=tcp" } else { "" };
                let port =
                    if trunk.port == 5060 { String::new() } else { format!(":{}", trunk.port) };
                let uri =
                    format!("sip:{}@{}{port}{tcp}", encode_user(number), bracketed(&trunk.host));
                Ok(Way {
                    flow,
                    to: format!("<sip:{}@{}>", encode_user(number), bracketed(&trunk.domain)),
                    uri,
                    domain: bracketed(&trunk.domain),
                    routes: Vec::new(),
                    contact_user: trunk.contact_user.clone(),
                    trunk: Some(trunk),
                })
            }
        }
    }

    /// A way to an address that has not written to us.
    pub(super) fn flow_to(&self, transport: Transport, peer: SocketAddr) -> Option<Flow> {
        let fits = |l: &super::Listener| {
            l.transport == transport && l.advertised.is_ipv4() == peer.is_ipv4()
        };
        let listener = self.config.listeners.iter().position(fits)?;
        Some(Flow { listener, transport, peer, connection: None })
    }

    fn invite(&self, leg: &mut Leg, body: Bytes) -> Request {
        let mut invite = dialog::request(leg, Method::Invite);
        invite.headers.push(HeaderName::Contact, self.contact(leg));
        invite.headers.push(HeaderName::Allow, ALLOWED);
        invite.headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        invite.headers.push(HeaderName::ContentType, "application/sdp");
        invite.body = body;
        invite
    }

    /// 1xx. The first one lets a CANCEL go that waited for it.
    pub(super) fn on_provisional(
        &mut self,
        now: Instant,
        id: LegId,
        client: u64,
        is_first: bool,
        response: &Response,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.state == LegState::Leaving {
            if is_first {
                self.send_cancel(now, client);
            }
            return;
        }
        if leg.state == LegState::Calling {
            leg.state = LegState::Proceeding;
        }
        if response.status > 100 && !response.body.is_empty() {
            leg.early_answer = Some(response.body.clone());
        }
        if matches!(response.status, 180 | 183) && !leg.rings {
            leg.rings = true;
            self.tell(now, Event::Ringing(id));
        }
    }

    /// The first 2xx.
    pub(super) fn on_dial_answered(&mut self, now: Instant, id: LegId, response: &Response) {
        let still_wanted = self.legs.get(&id).is_some_and(|leg| leg.state != LegState::Leaving);
        if !still_wanted {
            // It crossed our CANCEL.
            self.say_farewell(now, id, response);
            return self.drop_leg(id);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.remote = response
            .headers
            .text(&HeaderName::To)
            .map_or_else(|| leg.remote.clone(), str::to_owned);
        if let Some(target) = dialog::contact_of(&response.headers) {
            leg.remote_target = target;
        }
        leg.routes = dialog::routes_of_response(response);
        leg.state = LegState::Confirmed;
        leg.answered = true;
        let flow =
            dialog::next_hop(leg.flow, leg.trunk.as_deref(), &leg.routes, &leg.remote_target);
        let ack = dialog::request(leg, Method::Ack);
        let body = if response.body.is_empty() {
            leg.early_answer.take().unwrap_or_default()
        } else {
            response.body.clone()
        };
        leg.early_answer = None;
        let agreed = SessionDescription::parse(&body)
            .map_err(Refused::Malformed)
            .and_then(|theirs| accept_answer(&leg.offered, Direction::SendRecv, &theirs));
        let bytes = self.send_ack(flow, ack);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.ack = Some(bytes);
        match agreed {
            Ok(agreed) => {
                leg.agreed = Some(agreed.clone());
                self.counters.answered += 1;
                self.tell_media(now, id, agreed);
                self.tell(now, Event::Answered(id));
            }
            Err(refused) => {
                self.send_bye(now, id, "no codec in common");
                self.end_leg(now, id, refused.into(), EndedBy::Us, "the answer fits no offer");
                self.drop_leg(id);
            }
        }
    }

    /// A 2xx after the first: the same again wants its ACK again, another fork has to go.
    pub(super) fn on_repeated_answer(&mut self, now: Instant, id: LegId, response: &Response) {
        let same = |leg: &&Leg| response.headers.text(&HeaderName::To) == Some(leg.remote.as_str());
        let ours = self.legs.get(&id).filter(same);
        match ours.and_then(|leg| {
            Some((
                leg.flow,
                leg.trunk.clone(),
                leg.routes.clone(),
                leg.remote_target.clone(),
                leg.ack.clone()?,
            ))
        }) {
            Some((flow, trunk, routes, target, ack)) => {
                self.counters.retransmitted += 1;
                self.send(dialog::next_hop(flow, trunk.as_deref(), &routes, &target), ack);
            }
            None => self.say_farewell(now, id, response),
        }
    }

    /// ACK and BYE for an answer that nobody wants.
    fn say_farewell(&mut self, now: Instant, id: LegId, response: &Response) {
        let leg = self.legs.get(&id).map(|leg| leg.flow);
        let client = self.clients.values().find(|c| c.owner == Owner::Dial(id)).map(|c| c.flow);
        let (Some(flow), Some((ack, bye))) = (leg.or(client), dialog::farewell(response)) else {
            return;
        };
        self.send_ack(flow, ack);
        self.open_client(now, flow, bye, Owner::Nobody);
    }

    /// A final refusal; a challenge of our trunk is answered once.
    pub(super) fn on_dial_refused(
        &mut self,
        now: Instant,
        id: LegId,
        invite: Option<Box<Request>>,
        response: &Response,
    ) {
        let Some(leg) = self.legs.get(&id) else { return };
        if leg.state == LegState::Leaving {
            return self.drop_leg(id);
        }
        if matches!(response.status, 401 | 407)
            && leg.authorized == 0
            && let Some(request) =
                invite.and_then(|invite| self.authorized_again(id, &invite, response))
        {
            let flow = self.legs.get(&id).map(|leg| leg.flow);
            if let Some(flow) = flow {
                let client = self.open_client(now, flow, request, Owner::Dial(id));
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.client = Some(client);
                    leg.state = LegState::Calling;
                }
                return;
            }
        }
        let reason = if response.reason.is_empty() {
            reason_phrase(response.status)
        } else {
            &response.reason
        };
        let reason = crate::wire::display_text(reason.as_bytes());
        self.end_leg(now, id, response.status, EndedBy::Peer, &reason);
        self.drop_leg(id);
    }

    /// The same INVITE with credentials, if the challenge is one that this trunk may make.
    fn authorized_again(
        &mut self,
        id: LegId,
        invite: &Request,
        response: &Response,
    ) -> Option<Request> {
        let cnonce = self.random_hex();
        let leg = self.legs.get_mut(&id)?;
        let credentials = leg.trunk.as_ref()?.credentials.clone()?;
        let (challenge, header) = match response.status {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            _ => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
        };
        let values: Vec<_> = response.headers.lines(&challenge).cloned().collect();
        let mut digest = ClientDigest::new(cnonce);
        if !digest.accept_challenge(&values, &credentials) {
            return None;
        }
        leg.authorized += 1;
        leg.local_cseq += 1;
        let mut again = invite.clone();
        again.headers.remove(&HeaderName::Via);
        again.headers.set(HeaderName::CSeq, format!("{} INVITE", leg.local_cseq));
        again.headers.push(header, digest.authorize("INVITE", &invite.uri, &credentials)?);
        Some(again)
    }
}

fn own_codecs() -> Vec<Codec> {
    let codec = |&(payload_type, name, clock_rate, channels, fmtp): &(u8, &str, u32, u8, &str)| {
        Codec { fmtp: fmtp.to_owned(), ..Codec::new(payload_type, name, clock_rate, channels) }
    };
    OWN_CODECS.iter().map(codec).collect()
}

/// A host as it stands in a URI.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}
