//! Makes calls (RFC 3261 §13.2.1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::config::MAX_TRANSACTIONS;
use super::requests::ALLOWED;
use super::reserve::Holder;
use super::{
    Account, CallerId, EndedBy, Endpoint, Event, FIRST_DIALLED_LEG, Flow, LegEnd, LegId, Target,
    Transport, Trunk, diversion, identity,
};
use crate::dialog;
use crate::leg::{Hop, Hops, Leg, LegState, MAX_FORWARDS};
use crate::offer_answer::{Codec, Direction, offer, own_codecs, permitted};
use crate::session_timer::{self, OUR_INTERVAL};
use crate::transaction::Owner;
use crate::trunk_hosts::TrunkHost;
use crate::way;
use crate::wire::{HeaderName, Method, Request, encode_user};

/// Why there is no way: status, who is to blame, words.
type NoWay = (u16, EndedBy, &'static str);

/// How to reach a target, and how it is named.
struct Way {
    hop: Hop,
    /// The servers of a trunk that are tried after that.
    others: VecDeque<Hop>,
    to: String,
    domain: String,
    routes: Vec<String>,
    contact_user: String,
    trunk: Option<Arc<Trunk>>,
    /// What is offered.
    codecs: Vec<Codec>,
    account: Option<Arc<Account>>,
    instance: Option<String>,
    /// Whose share of the reserve it takes.
    reserve_of: Option<Holder>,
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
        if let Some(other) = offer_of {
            self.led_on(now, other);
        }
        let served = offer_of.and_then(|other| self.legs.get(&other));
        let hops = served.map_or(Some(MAX_FORWARDS), Leg::hops_left);
        let codecs = match served.map(Leg::speakable) {
            Some(codecs) if codecs.iter().any(|codec| !codec.is_events()) => codecs,
            _ => own_codecs(self.config.only_playable),
        };
        let way = hops
            .ok_or((483, EndedBy::Us, "too many hops"))
            .and_then(|hops| Ok((hops, self.way_to(now, target, caller, offer_of, codecs)?)));
        let (max_forwards, way) = match way {
            Ok(way) => way,
            Err((status, by, why)) => {
                let end = LegEnd { status, by, reason: why.to_owned(), moved_to: String::new() };
                self.counters.ended += 1;
                return self.tell(now, Event::Ended(id, end));
            }
        };
        let (local, mut said) = identity::told(caller, &way.domain, way.trunk.as_deref());
        if let Some(trunk) = &way.trunk {
            let forwarding = trunk.profile.forwarding;
            said.extend(diversion::told(caller, &way.domain, &way.hop.uri, forwarding));
        }
        let mut leg = Leg {
            state: LegState::Calling,
            call_id: self.random_hex(),
            local_tag: self.new_tag(id),
            local,
            said,
            remote: way.to,
            is_sips: way::is_sips(&way.hop.uri),
            remote_target: way.hop.uri.clone(),
            routes: way.routes,
            contact_user: way.contact_user,
            trunk: way.trunk,
            account: way.account,
            instance: way.instance,
            max_forwards,
            serves: offer_of,
            offered: way.codecs,
            ..Leg::new(id, way.hop.flow)
        };
        if !way.others.is_empty() {
            leg.hops = Some(Box::new(Hops { current: way.hop, rest: way.others, rtp }));
        }
        self.add_leg(leg);
        if let Some(served) = offer_of.and_then(|other| self.legs.get_mut(&other)) {
            served.rung += 1;
        }
        if let Some(holder) = way.reserve_of {
            self.reserve.enter(id, holder);
        }
        self.send_invite(now, id, rtp);
    }

    /// The first INVITE of a leg to where it is tried now.
    pub(super) fn send_invite(&mut self, now: Instant, id: LegId, rtp: SocketAddr) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let session = leg.next_session(rtp);
        let body = offer(&session, &leg.offered, Direction::SendRecv);
        let mut invite = dialog::request(leg, Method::Invite);
        invite.headers.set(HeaderName::MaxForwards, leg.max_forwards.to_string());
        let leg = &*leg;
        invite.headers.push(
            HeaderName::Contact,
            way::contact(&self.config.listeners, &leg.contact_user, leg.flow, leg.is_sips),
        );
        for (name, value) in &leg.said {
            invite.headers.push(name.clone(), value.clone());
        }
        invite.headers.push(HeaderName::Allow, ALLOWED);
        for (name, value) in session_timer::offering(OUR_INTERVAL) {
            invite.headers.push(name, value);
        }
        invite.headers.set(HeaderName::Supported, "100rel, timer");
        invite.headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        invite.headers.push(HeaderName::ContentType, "application/sdp");
        invite.body = body.into();
        let flow = leg.flow;
        self.open_dial(now, id, flow, invite);
    }

    /// Sends an INVITE of a leg. A server that stays silent has to be quick while there are others.
    pub(super) fn open_dial(&mut self, now: Instant, id: LegId, flow: Flow, invite: Request) {
        let client = self.open_client(now, flow, invite, Owner::Dial(id));
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.client = Some(client);
        let has_others = leg.hops.as_ref().is_some_and(|hops| !hops.rest.is_empty());
        if let Some(trunk) = leg.trunk.as_ref().filter(|_| has_others) {
            let patience = trunk.hosts.patience;
            self.hurry_client(now + patience, (client, false));
        }
    }

    fn way_to(
        &mut self,
        now: Instant,
        target: &Target,
        caller: &CallerId,
        served: Option<LegId>,
        codecs: Vec<Codec>,
    ) -> Result<Way, NoWay> {
        if self.closing {
            return Err((503, EndedBy::Shutdown, "shutting down"));
        }
        let helped = self.helped(target, caller, served);
        let has_room = self.has_room();
        if !(has_room || helped.is_some()) || self.clients.len() >= MAX_TRANSACTIONS {
            return Err((503, EndedBy::Us, "no room for another leg"));
        }
        let fails = |status, why| (status, EndedBy::Timeout, why);
        // Whoever called a sips: URI is led on inside TLS only (RFC 5630 §3).
        let is_sips = served.and_then(|leg| self.legs.get(&leg)).is_some_and(|leg| leg.is_sips);
        let in_clear = |flow: &Flow| is_sips && !flow.transport.is_secure();
        match target {
            Target::Binding(binding) => {
                let (place, account) =
                    self.registrar.place(*binding).ok_or(fails(480, "no longer registered"))?;
                if in_clear(&place.flow) {
                    return Err(fails(480, NOT_SECURE));
                }
                Ok(Way {
                    hop: Hop { flow: place.flow, uri: place.contact.clone(), shown: String::new() },
                    others: VecDeque::new(),
                    to: format!("<sip:{}@{}>", encode_user(&account.username), account.realm),
                    domain: account.realm.clone(),
                    routes: place.path.clone(),
                    contact_user: "tandem".to_owned(),
                    trunk: None,
                    codecs,
                    account: Some(account.clone()),
                    instance: place.instance.clone(),
                    reserve_of: helped.filter(|_| !has_room),
                })
            }
            Target::Trunk { number, .. } if number.is_empty() => Err(fails(404, "no number")),
            Target::Trunk { company, trunk, number } => {
                let trunk = self
                    .trunks
                    .named(company, trunk)
                    .cloned()
                    .ok_or(fails(404, "no such trunk"))?;
                let mut hops =
                    self.hops_of(now, &trunk, number, is_sips).map_err(|why| fails(503, why))?;
                let hop = hops.pop_front().ok_or(fails(503, NO_LISTENER))?;
                if in_clear(&hop.flow) {
                    return Err(fails(480, NOT_SECURE));
                }
                let codecs = permitted(codecs, &trunk.profile.codecs);
                if !codecs.iter().any(Codec::is_sound) {
                    return Err((488, EndedBy::Us, NO_CODEC));
                }
                let has_place = self.trunks.enter(&trunk, false);
                if !(has_place || helped.is_some() && self.trunks.enter(&trunk, true)) {
                    return Err((503, EndedBy::Us, "the trunk is full"));
                }
                Ok(Way {
                    hop,
                    others: hops,
                    to: format!("<sip:{}@{}>", encode_user(number), bracketed(&trunk.domain)),
                    domain: bracketed(&trunk.domain),
                    routes: Vec::new(),
                    contact_user: trunk.contact_user.clone(),
                    trunk: Some(trunk),
                    codecs,
                    account: None,
                    instance: None,
                    reserve_of: helped.filter(|_| !(has_room && has_place)),
                })
            }
        }
    }
}

impl Endpoint {
    /// The servers of a trunk in the order in which they are tried, or why there are none.
    fn hops_of(
        &mut self,
        now: Instant,
        trunk: &Trunk,
        number: &str,
        is_sips: bool,
    ) -> Result<VecDeque<Hop>, &'static str> {
        let order = self.trunks.order(&mut self.rng, now, trunk, true);
        if order.is_empty() {
            return Err(NO_ADDRESS);
        }
        let hops = order.into_iter().filter_map(|(host, server)| {
            let address = server.address;
            let flow = way::to_address(&self.config.listeners, trunk.transport, address)?;
            let uri = uri_at(host, trunk.transport, number, is_sips);
            Some(Hop { flow, uri, shown: host.shown(address) })
        });
        Ok(hops.collect())
    }
}

/// A number at a host of a trunk (RFC 3261 §19.1.1).
fn uri_at(host: &TrunkHost, transport: Transport, number: &str, is_sips: bool) -> String {
    let scheme = if is_sips { "sips" } else { "sip" };
    let port = host.port.filter(|port| *port != transport.default_port());
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let (user, host) = (encode_user(number), bracketed(&host.host));
    format!("{scheme}:{user}@{host}{port}{}", transport.uri_parameter())
}

/// A host as it stands in a URI.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// Why nobody can be sent to.
pub(super) const NO_ADDRESS: &str = "the trunk's host has no address";
pub(super) const NO_LISTENER: &str = "nothing listens for this transport";
const NO_CODEC: &str = "no codec in common with the trunk";
const NOT_SECURE: &str = "not reachable over TLS, as sips: demands";
