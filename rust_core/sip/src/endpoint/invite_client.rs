//! What becomes of the calls that we make (RFC 3261 §13.2.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client_transactions::{CREDENTIALS, copy};
use super::legs::owner_of_bye;
use super::redirect::moved_to;
use super::requests::reason_phrase;
use super::{ClientId, EndedBy, Endpoint, Event, Flow, LegId, Trunk};
use crate::auth::ClientDigest;
use crate::dialog::{self, Farewell};
use crate::leg::{Leg, LegState};
use crate::offer_answer::{Direction, Refused, SessionDescription, accept_answer};
use crate::session_timer::{self, SessionTimer};
use crate::transaction::{Acknowledged, Owner};
use crate::way;
use crate::wire::{HeaderName, Request, Response};

impl Endpoint {
    /// 1xx. The first one lets a CANCEL go that waited for it.
    pub(super) fn on_provisional(
        &mut self,
        now: Instant,
        id: LegId,
        client: u64,
        response: &Response,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.state == LegState::Leaving {
            let reason = leg.reason.clone();
            return self.send_cancel(now, client, reason.as_deref());
        }
        let is_first = leg.state == LegState::Calling;
        if is_first {
            leg.state = LegState::Proceeding;
        }
        if response.status > 100 {
            // It has reached somebody: who else is tried could ring twice.
            leg.hops = None;
        }
        if is_first {
            self.trunk_answers(now, id);
        }
        if !self.acknowledge_provisional(now, id, response) {
            return;
        }
        if response.status > 100 && !response.body.is_empty() {
            self.on_early_answer(now, id, response);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if matches!(response.status, 180 | 183) && !leg.rings {
            leg.rings = true;
            self.tell(now, Event::Ringing(id));
        }
    }

    /// The first 2xx.
    pub(super) fn on_dial_answered(
        &mut self,
        now: Instant,
        id: LegId,
        client: ClientId,
        response: &Response,
    ) {
        if !self.is_wanted(id) {
            // It crossed our CANCEL.
            let trunk = self.legs.get(&id).and_then(|leg| leg.trunk.clone());
            self.say_farewell(now, trunk, client, response);
            return self.drop_leg(id);
        }
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let tag = remote_tag(response);
        leg.remote = response
            .headers
            .line(&HeaderName::To)
            .map_or_else(String::new, |to| String::from_utf8_lossy(to).into_owned());
        if let Some(target) = way::target_of(&response.headers) {
            leg.remote_target = target;
        }
        leg.routes = dialog::routes_of_response(response);
        leg.remote_tag = Some(tag.clone());
        leg.remote_cseq = None; // Each fork counts for itself.
        leg.state = LegState::Confirmed;
        leg.hops = None;
        leg.session_timer = SessionTimer::of_response(&response.headers, now);
        leg.takes_update = dialog::allows_update(&response.headers);
        let early = leg.early.take().filter(|early| early.tag == tag);
        let before = leg.agreed.take();
        let agreed = match (early, before) {
            (Some(early), Some(agreed)) if early.is_updated => Ok(agreed),
            (early, _) => {
                leg.agreed_first = None;
                let early = early.filter(|_| response.body.is_empty());
                let body = early.map_or_else(|| response.body.clone(), |early| early.body);
                SessionDescription::parse(&body)
                    .map_err(Refused::Malformed)
                    .and_then(|theirs| accept_answer(&leg.offered, Direction::SendRecv, &theirs))
            }
        };
        let flow = way::of_leg(leg);
        let ack = dialog::ack(leg, response);
        self.acknowledge(client, tag, flow, ack);
        self.rings_no_more(id);
        self.trunk_answers(now, id);
        self.sweep_later(now);
        match agreed {
            Ok(agreed) => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.agree(agreed.clone());
                }
                self.counters.answered += 1;
                self.tell_media(now, id, agreed);
                self.tell(now, Event::Answered(id));
            }
            Err(_) => {
                self.send_bye(now, id);
                self.end_leg(now, id, 488, EndedBy::Us, "the answer fits no offer");
                self.drop_leg(id);
            }
        }
    }

    /// A 2xx after the first: the same again wants its ACK again, another fork has to go.
    pub(super) fn on_further_answer(
        &mut self,
        now: Instant,
        trunk: Option<Arc<Trunk>>,
        client: ClientId,
        response: &Response,
    ) {
        let Some(transaction) = self.clients.get(&client) else { return };
        let tag = remote_tag(response);
        match transaction.acks.iter().find(|acknowledged| acknowledged.tag == tag) {
            Some(acknowledged) => {
                let (flow, ack) = (acknowledged.flow, acknowledged.ack.clone());
                self.counters.retransmitted += 1;
                self.send(flow, ack);
            }
            None if transaction.acks.len() < MAX_FORKS => {
                self.say_farewell(now, trunk, client, response);
            }
            None => self.counters.strays += 1,
        }
    }

    /// ACK and BYE for an answer that nobody wants.
    pub(super) fn say_farewell(
        &mut self,
        now: Instant,
        trunk: Option<Arc<Trunk>>,
        client: ClientId,
        response: &Response,
    ) {
        let Some(transaction) = self.clients.get(&client) else { return };
        let farewell = dialog::farewell(transaction.flow, trunk.as_deref(), response);
        let Some(Farewell { ack, bye, flow }) = farewell else { return };
        self.acknowledge(client, remote_tag(response), flow, ack);
        self.open_client(now, flow, bye, owner_of_bye(trunk.as_ref()));
    }

    /// Sends the ACK of a 2xx and keeps it for when that 2xx comes again.
    pub(super) fn acknowledge(
        &mut self,
        client: ClientId,
        tag: String,
        flow: Flow,
        mut ack: Request,
    ) {
        let invite = self.clients.get(&client).and_then(|client| client.request.as_deref());
        if let Some(invite) = invite {
            copy(invite, &mut ack, &CREDENTIALS);
        }
        let ack = self.send_ack(flow, ack);
        if let Some(transaction) = self.clients.get_mut(&client) {
            transaction.acks.push(Acknowledged { tag, flow, ack });
        }
    }

    /// A final refusal; a challenge of our trunk is answered once.
    pub(super) fn on_dial_refused(
        &mut self,
        now: Instant,
        id: LegId,
        invite: &Request,
        response: &Response,
    ) {
        let Some(leg) = self.legs.get(&id) else { return };
        if leg.state == LegState::Leaving {
            return self.drop_leg(id);
        }
        if leg.digest.is_none()
            && let Some(trunk) = leg.trunk.clone()
            && let Some((again, digest)) = self.with_credentials(&trunk, invite, response)
        {
            if let Some(leg) = self.legs.get_mut(&id) {
                leg.digest = Some(Box::new(digest));
            }
            return self.dial_again(now, id, again);
        }
        if response.status == 422
            && let Some(mut again) = with_longer_session(invite, response)
        {
            if let Some(leg) = self.legs.get_mut(&id) {
                count_credentials(leg, &mut again);
            }
            return self.dial_again(now, id, again);
        }
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.moved_to = moved_to(leg, &self.config.listeners, response);
        }
        let reason = match response.reason.as_str() {
            "" => reason_phrase(response.status),
            reason => reason,
        };
        let reason = crate::wire::display_text(reason.as_bytes());
        if response.status == 503 {
            self.let_rest(now, id, response);
            if self.try_next(now, id, 503, &reason) {
                return;
            }
        } else {
            self.trunk_answers(now, id);
        }
        self.end_leg(now, id, response.status, EndedBy::Peer, &reason);
        self.drop_leg(id);
    }

    fn dial_again(&mut self, now: Instant, id: LegId, invite: Request) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.local_cseq += 1;
        leg.state = LegState::Calling;
        let flow = leg.flow;
        self.open_dial(now, id, flow, invite);
    }

    /// The trunk challenges our BYE.
    pub(super) fn on_bye_response(
        &mut self,
        now: Instant,
        client: ClientId,
        trunk: &Trunk,
        bye: Option<Box<Request>>,
        response: &Response,
    ) {
        let flow = self.clients.get(&client).map(|transaction| transaction.flow);
        let servers = trunk.hosts.addresses();
        let is_host = |flow: &Flow| servers.iter().any(|server| server.ip() == flow.peer.ip());
        let (Some(bye), Some(flow)) = (bye, flow.filter(is_host)) else { return };
        if let Some((again, _)) = self.with_credentials(trunk, &bye, response) {
            self.open_client(now, flow, again, Owner::Nobody);
        }
    }

    /// The same request once more with credentials, if the response is a challenge that this trunk may make; and what
    /// makes credentials for that challenge.
    pub(super) fn with_credentials(
        &mut self,
        trunk: &Trunk,
        request: &Request,
        response: &Response,
    ) -> Option<(Request, ClientDigest)> {
        let (challenge, header) = match response.status {
            401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
            _ => return None,
        };
        let credentials = trunk.credentials.as_ref()?;
        let values: Vec<_> = response.headers.lines(&challenge).cloned().collect();
        let mut digest = ClientDigest::new(self.random_hex());
        if !digest.accept_challenge(&values, credentials) {
            return None;
        }
        let method = request.method.as_str();
        let number = request.cseq()?.number.checked_add(1)?;
        let mut again = request.clone();
        again.headers.remove(&HeaderName::Via);
        again.headers.set(HeaderName::CSeq, format!("{number} {method}"));
        again.headers.push(header, digest.authorize(method, &request.uri, credentials)?);
        Some((again, digest))
    }
}

/// New credentials for a request that goes out once more: a nonce serves each count once (RFC 7616 §3.4).
fn count_credentials(leg: &mut Leg, again: &mut Request) {
    let credentials = leg.trunk.as_ref().and_then(|trunk| trunk.credentials.as_ref());
    let (Some(digest), Some(credentials)) = (leg.digest.as_mut(), credentials) else { return };
    for header in CREDENTIALS {
        if again.headers.line(&header).is_some()
            && let Some(value) = digest.authorize(again.method.as_str(), &again.uri, credentials)
        {
            again.headers.set(header, value);
        }
    }
}

/// The same INVITE with the session interval that a 422 demands, if it demands more (RFC 4028 §7.3).
fn with_longer_session(invite: &Request, response: &Response) -> Option<Request> {
    let asked = invite.headers.text(&HeaderName::SessionExpires)?.parse().ok()?;
    let interval = session_timer::demanded(&response.headers, Duration::from_secs(asked))?;
    let number = invite.cseq()?.number.checked_add(1)?;
    let mut again = invite.clone();
    again.headers.remove(&HeaderName::Via);
    again.headers.set(HeaderName::CSeq, format!("{number} INVITE"));
    again.headers.set(HeaderName::SessionExpires, interval.as_secs().to_string());
    again.headers.set(HeaderName::MinSe, interval.as_secs().to_string());
    Some(again)
}

pub(super) fn remote_tag(response: &Response) -> String {
    dialog::tag_of(response.headers.line(&HeaderName::To))
}

/// Forks of one INVITE that are told to go; further ones are not answered, and give up by themselves.
pub(super) const MAX_FORKS: usize = 8;
