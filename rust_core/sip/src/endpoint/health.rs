//! Asks the servers of trunks for a sign of life by OPTIONS (RFC 3261 §11), and tells how trunks stand.
//!
//! Questions are spread by chance over their interval, and each server is asked once for all trunks that have it: a
//! thousand trunks that are set at once make no burst.

use std::time::{Duration, Instant};

use rand_chacha::rand_core::RngCore as _;

use super::dial::{NO_ADDRESS, bracketed};
use super::requests::reason_phrase;
use super::{Due, Endpoint, Event, Flow, ServerState, Standing, Trunk, TrunkState};
use crate::health::ServerKey;
use crate::transaction::Owner;
use crate::trunk::TrunkKey;
use crate::way;
use crate::wire::{HeaderName, Method, Request, Response, display_text};

impl Endpoint {
    /// Takes over which servers are asked.
    pub(super) fn begin_health(&mut self, now: Instant) {
        let trunks: Vec<_> = self.trunks.all().cloned().collect();
        let begun = self.trunks.health.set(trunks.iter().map(AsRef::as_ref));
        for (server, interval) in begun {
            let chance = self.chance();
            self.ask_later(now, server, interval.mul_f64(chance));
        }
    }

    pub(super) fn health_due(&mut self, now: Instant, server: ServerKey, timer: u64) {
        let Some((key, interval)) = self.trunks.health.asks(server, timer) else { return };
        if self.closing {
            return;
        }
        let trunk = self.trunks.named(&key.0, &key.1).cloned();
        let flow = way::to_address(&self.config.listeners, server.0, server.1);
        let (Some(trunk), Some(flow)) = (trunk, flow) else { return };
        let question = self.next_number();
        self.trunks.health.await_only(server, question);
        let options = self.options(&trunk, flow);
        self.counters.trunk_probes += 1;
        let client = self.open_client(now, flow, options, Owner::Health(server, question));
        self.hurry_client(now + interval.min(PATIENCE), (client, false));
    }

    fn options(&mut self, trunk: &Trunk, flow: Flow) -> Request {
        let shown = trunk.hosts.list.iter().find(|d| d.holds(flow.peer));
        let host = shown.map_or_else(|| flow.peer.ip().to_string(), |d| d.host.clone());
        let uri = format!(
            "sip:{}:{}{}",
            bracketed(&host),
            flow.peer.port(),
            flow.transport.uri_parameter()
        );
        let mut options = Request::new(Method::Options, uri.clone());
        let contact = way::contact(&self.config.listeners, &trunk.contact_user, flow, false);
        let own = contact.trim_matches(['<', '>']).to_owned();
        let headers = &mut options.headers;
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, format!("<{own}>;tag={}", self.random_hex()));
        headers.push(HeaderName::To, format!("<{uri}>"));
        headers.push(HeaderName::CallId, self.random_hex());
        headers.push(HeaderName::CSeq, "1 OPTIONS");
        headers.push(HeaderName::Contact, contact);
        headers.push(HeaderName::Accept, "application/sdp");
        headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        options
    }

    /// Whoever answers is there, whatever the answer says; but a 503 says that it cannot serve.
    pub(super) fn on_health(
        &mut self,
        now: Instant,
        server: ServerKey,
        question: u64,
        response: &Response,
    ) {
        let Some((_, interval)) = self.trunks.health.asks(server, question) else { return };
        let is_news = if response.status == 503 {
            let reason =
                if response.reason.is_empty() { reason_phrase(503) } else { &response.reason };
            let reason = display_text(reason.as_bytes());
            self.trunks.health.failed(now, server, 503, &reason)
        } else {
            self.trunks.health.answered(server, true)
        };
        self.ask_again(now, server, interval, is_news);
    }

    pub(super) fn on_no_health(
        &mut self,
        now: Instant,
        server: ServerKey,
        question: u64,
        status: u16,
        why: &str,
    ) {
        let Some((_, interval)) = self.trunks.health.asks(server, question) else { return };
        let is_news = self.trunks.health.failed(now, server, status, why);
        self.ask_again(now, server, interval, is_news);
    }

    fn ask_again(&mut self, now: Instant, server: ServerKey, interval: Duration, is_news: bool) {
        let pause = interval.mul_f64(0.8 + 0.4 * self.chance());
        self.ask_later(now, server, pause);
        if is_news {
            self.tell_trunks_at(now, server);
        }
    }

    fn ask_later(&mut self, now: Instant, server: ServerKey, pause: Duration) {
        let timer = self.next_number();
        self.trunks.health.await_only(server, timer);
        self.timers.set(now + pause, Due::Health(server, timer));
    }

    /// A call or register got no answer from a server of a trunk.
    pub(super) fn server_failed(&mut self, now: Instant, flow: Flow, status: u16, why: &str) {
        let server = (flow.transport, flow.peer);
        if self.trunks.health.failed(now, server, status, why) {
            self.tell_trunks_at(now, server);
        }
    }

    /// A server is gone or back: tells all trunks that have it.
    pub(super) fn tell_trunks_at(&mut self, now: Instant, (transport, peer): ServerKey) {
        for trunk in self.trunks.at(transport, peer) {
            self.tell_trunk_state(now, &trunk);
        }
    }

    /// How a trunk stands now.
    pub(super) fn tell_trunk_state(&mut self, now: Instant, trunk: &Trunk) {
        let key: TrunkKey = (trunk.company.clone(), trunk.id.clone());
        let registration = self.trunks.registration(&key);
        let told = registration.as_ref().and_then(|own| own.told.clone());
        let home = registration.filter(|own| own.is_good()).and_then(|own| own.home);
        let mut servers = Vec::new();
        for own in &trunk.hosts.list {
            let host = own.host.clone();
            match own.servers.as_deref() {
                None => servers.push(ServerState { host, ..nowhere(Standing::Unknown, "") }),
                Some([]) => {
                    servers.push(ServerState { host, ..nowhere(Standing::Down, NO_ADDRESS) })
                }
                Some(found) => servers.extend(found.iter().map(|server| {
                    let address = server.address;
                    let key = (trunk.transport, address);
                    let (standing, status, reason) = self.trunks.health.standing(key);
                    ServerState {
                        host: host.clone(),
                        address: Some(address),
                        standing,
                        is_home: home.is_some_and(|home| home.peer == address),
                        status,
                        reason: reason.to_owned(),
                    }
                })),
            }
        }
        let (company, id) = key;
        let state = TrunkState {
            company,
            trunk: id,
            registers: trunk.register,
            registered: told.as_ref().is_some_and(|told| told.registered),
            status: told.as_ref().map_or(0, |told| told.status),
            reason: told.map_or_else(String::new, |told| told.reason),
            servers,
        };
        self.tell(now, Event::TrunkChanged(Box::new(state)));
    }

    /// From 0 to 1.
    fn chance(&mut self) -> f64 {
        f64::from(self.rng.next_u32()) / f64::from(u32::MAX)
    }
}

fn nowhere(standing: Standing, reason: &str) -> ServerState {
    let status = if reason.is_empty() { 0 } else { 503 };
    let reason = reason.to_owned();
    ServerState { host: String::new(), address: None, standing, is_home: false, status, reason }
}

/// So long a server may take for an answer to OPTIONS: four times asked over UDP.
const PATIENCE: Duration = Duration::from_secs(8);
