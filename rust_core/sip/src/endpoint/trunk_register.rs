//! Our own registrations at trunks (RFC 3261 §10.2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::rand_core::RngCore as _;

use super::dial::{NO_ADDRESS, NO_LISTENER, bracketed};
use super::failover::retry_after;
use super::requests::reason_phrase;
use super::{Due, Endpoint, Flow, Host, Server, Trunk};
use crate::auth::{ClientDigest, realm_of};
use crate::transaction::Owner;
use crate::trunk::{Registration, Told, TrunkKey};
use crate::way;
use crate::wire::{Address, HeaderName, Method, Request, Response, display_text, encode_user};

impl Endpoint {
    pub(super) fn set_trunks(&mut self, now: Instant, trunks: Vec<Trunk>) {
        let (left, new) = self.trunks.set(trunks);
        for trunk in left {
            self.leave_trunk(now, &trunk);
        }
        self.begin_health(now);
        for trunk in new {
            self.start_registration(now, &trunk);
        }
    }

    /// The servers of a host are known, or others than before.
    pub(super) fn resolved(&mut self, now: Instant, host: &Host, servers: &[Server]) {
        let changed = self.trunks.resolved(host, servers);
        if !changed.is_empty() {
            self.begin_health(now);
        }
        for trunk in changed {
            let key = key_of(&trunk);
            let Some(own) = self.trunks.registration(&key) else {
                self.tell_trunk_state(now, &trunk);
                continue;
            };
            let is_there = own.asked.is_some_and(|flow| trunk.hosts.has(flow.peer));
            if trunk.hosts.list.iter().all(|d| d.servers.as_ref().is_some_and(Vec::is_empty)) {
                self.tell_trunk(now, &key, false, 503, NO_ADDRESS);
            } else if is_there {
                self.tell_trunk_state(now, &trunk);
            } else {
                self.begin_register(now, &trunk);
            }
        }
    }

    fn start_registration(&mut self, now: Instant, trunk: &Trunk) {
        if self.closing {
            return;
        }
        let key = key_of(trunk);
        // With nothing but another secret it is the same registration to the carrier.
        let old = self.trunks.take_registration(&key);
        let registration = Registration {
            told: old.as_ref().and_then(|old| old.told.clone()),
            until: old.as_ref().and_then(|old| old.until),
            home: old.and_then(|old| old.home),
            asked: None,
            others: VecDeque::new(),
            call_id: self.random_hex(),
            cseq: 0,
            digest: ClientDigest::new(self.random_hex()),
            credentials_in: HeaderName::Authorization,
            failures: 0,
            challenges: 0,
            expires: trunk.expires,
            awaited: 0,
            is_asking: false,
        };
        self.trunks.put_registration(key, registration);
        if !trunk.hosts.addresses().is_empty() {
            self.begin_register(now, trunk);
        }
    }

    /// Asks the servers of a trunk, one after the other until one answers.
    fn begin_register(&mut self, now: Instant, trunk: &Trunk) {
        let key = key_of(trunk);
        let order = self.trunks.order(&mut self.rng, now, trunk, false);
        let listeners = &self.config.listeners;
        let mut flows: VecDeque<Flow> = order
            .iter()
            .filter_map(|(_, server)| way::to_address(listeners, trunk.transport, server.address))
            .collect();
        let is_nowhere = order.is_empty();
        let Some(registration) = self.trunks.registration(&key) else { return };
        registration.asked = flows.pop_front();
        registration.others = flows;
        if registration.asked.is_some() {
            return self.send_register(now, trunk);
        }
        let why = if is_nowhere { NO_ADDRESS } else { NO_LISTENER };
        self.on_registration_failed(now, &key, 503, why);
    }

    pub(super) fn trunk_register_due(&mut self, now: Instant, key: &TrunkKey, timer: u64) {
        let Some(trunk) = self.trunks.named(&key.0, &key.1).cloned() else { return };
        let is_newest = self.trunks.registration(key).is_some_and(|r| r.awaited == timer);
        if is_newest && trunk.register {
            self.begin_register(now, &trunk);
        }
    }

    /// Forgets our registration there, and takes it back if there is one or may yet be.
    pub(super) fn leave_trunk(&mut self, now: Instant, trunk: &Arc<Trunk>) {
        let key = key_of(trunk);
        let Some(mut registration) = self.trunks.take_registration(&key) else { return };
        let anew = self.trunks.named(&key.0, &key.1).filter(|new| new.register).cloned();
        if let Some(anew) = anew.filter(|_| registration.told.is_some() && !self.closing) {
            self.tell_trunk_state(now, &anew);
        }
        if registration.is_good() {
            registration.asked = registration.home;
        }
        if registration.is_good() || registration.is_asking {
            self.send_leave(now, trunk.clone(), registration);
        }
    }

    fn send_leave(&mut self, now: Instant, trunk: Arc<Trunk>, mut registration: Registration) {
        registration.expires = Duration::ZERO;
        if let Some((flow, request)) = self.register(&trunk, &mut registration) {
            self.open_client(now, flow, request, Owner::Leave(Box::new((trunk, registration))));
        }
    }

    /// Asked who we are, we take the registration back once more; whatever else is answered, it is forgotten.
    pub(super) fn on_leave_response(
        &mut self,
        now: Instant,
        (trunk, mut registration): (Arc<Trunk>, Registration),
        response: &Response,
    ) {
        if accept_challenge(&mut registration, &trunk, response) {
            self.send_leave(now, trunk, registration);
        }
    }

    fn send_register(&mut self, now: Instant, trunk: &Trunk) {
        let key = key_of(trunk);
        let Some(mut registration) = self.trunks.take_registration(&key) else { return };
        let question = self.next_number();
        registration.awaited = question;
        registration.is_asking = true;
        let made = self.register(trunk, &mut registration);
        self.trunks.put_registration(key.clone(), registration);
        let Some((flow, request)) = made else { return };
        let has_others = self.trunks.registration(&key).is_some_and(|own| !own.others.is_empty());
        let client = self.open_client(now, flow, request, Owner::Registration(key, question));
        if has_others {
            self.hurry_client(now + trunk.hosts.patience, (client, false));
        }
    }

    /// The next REGISTER of a registration to the server that is asked; `None` if there is none.
    fn register(
        &mut self,
        trunk: &Trunk,
        registration: &mut Registration,
    ) -> Option<(Flow, Request)> {
        let flow = registration.asked?;
        let contact = way::contact(&self.config.listeners, &trunk.contact_user, flow, false);
        registration.cseq += 1;
        let domain = bracketed(&trunk.domain);
        let user =
            trunk.credentials.as_ref().map_or(trunk.contact_user.as_str(), |c| c.username.as_str());
        let identity = format!("<sip:{}@{domain}>", encode_user(user));
        let uri = format!("sip:{domain}");
        let mut request = Request::new(Method::Register, uri.clone());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, format!("{identity};tag={}", self.random_hex()));
        headers.push(HeaderName::To, identity);
        headers.push(HeaderName::CallId, registration.call_id.clone());
        headers.push(HeaderName::CSeq, format!("{} REGISTER", registration.cseq));
        headers.push(HeaderName::Contact, contact);
        headers.push(HeaderName::Expires, registration.expires.as_secs().to_string());
        headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        let credentials = trunk.credentials.as_ref();
        if let Some(value) =
            credentials.and_then(|own| registration.digest.authorize("REGISTER", &uri, own))
        {
            headers.push(registration.credentials_in.clone(), value);
        }
        Some((flow, request))
    }

    pub(super) fn on_registration_response(
        &mut self,
        now: Instant,
        key: TrunkKey,
        question: u64,
        response: &Response,
    ) {
        let Some(trunk) = self.trunks.named(&key.0, &key.1).cloned() else { return };
        let Some(registration) = self.trunks.registration(&key) else { return };
        let Some(asked) = registration.asked.filter(|_| registration.awaited == question) else {
            return;
        };
        let listeners = &self.config.listeners;
        let contact = way::contact(listeners, &trunk.contact_user, asked, false);
        let server = (asked.transport, asked.peer);
        let (status, reason) = (response.status, response.reason.as_str());
        match status {
            200..300 => {
                registration.failures = 0;
                registration.challenges = 0;
                let granted = granted(response, &contact).unwrap_or(registration.expires);
                registration.until = Some(now + granted);
                registration.home = Some(asked);
                registration.others.clear();
                self.schedule(now, &key, refresh_after(granted));
                let is_back = self.trunks.health.answered(server, false);
                if !self.tell_trunk(now, &key, true, status, reason) && is_back {
                    self.tell_trunks_at(now, server);
                }
            }
            401 | 407 if registration.challenges < MAX_CHALLENGES => {
                if accept_challenge(registration, &trunk, response) {
                    self.send_register(now, &trunk);
                } else {
                    let why = why_unanswered(&trunk, response);
                    self.on_registration_failed(now, &key, status, &why);
                }
            }
            423 => match longer(response, registration.expires) {
                Some(least) => {
                    registration.expires = least;
                    self.send_register(now, &trunk);
                }
                None => self.on_registration_failed(now, &key, status, reason),
            },
            503 => {
                if let Some(pause) = retry_after(response) {
                    self.trunks.rest(&trunk, asked.peer, now + pause);
                }
                self.on_server_refused(now, &key, status, reason);
            }
            _ => self.on_registration_failed(now, &key, status, reason),
        }
    }

    /// A question of ours got no answer and will get none.
    pub(super) fn on_no_registration(
        &mut self,
        now: Instant,
        key: &TrunkKey,
        question: u64,
        status: u16,
        why: &str,
    ) {
        if self.trunks.registration(key).is_some_and(|r| r.awaited == question) {
            self.on_server_refused(now, key, status, why);
        }
    }

    /// The server that is asked cannot serve: asks the next one, if there is one.
    fn on_server_refused(&mut self, now: Instant, key: &TrunkKey, status: u16, why: &str) {
        let trunk = self.trunks.named(&key.0, &key.1).cloned();
        let (Some(trunk), Some(registration)) = (trunk, self.trunks.registration(key)) else {
            return;
        };
        let Some(next) = registration.others.pop_front() else {
            return self.on_registration_failed(now, key, status, why);
        };
        registration.asked = Some(next);
        registration.challenges = 0;
        self.counters.trunk_failovers += 1;
        self.send_register(now, &trunk);
    }

    fn on_registration_failed(&mut self, now: Instant, key: &TrunkKey, status: u16, reason: &str) {
        let jitter = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        let Some(registration) = self.trunks.registration(key) else { return };
        registration.challenges = 0;
        registration.failures += 1;
        let pause = FIRST_RETRY * 2_u32.saturating_pow(registration.failures.min(10) - 1);
        self.schedule(now, key, pause.min(LAST_RETRY).mul_f64(0.8 + 0.4 * jitter));
        self.tell_trunk(now, key, false, status, reason);
    }

    fn schedule(&mut self, now: Instant, key: &TrunkKey, pause: Duration) {
        let timer = self.next_number();
        let Some(registration) = self.trunks.registration(key) else { return };
        registration.awaited = timer;
        registration.is_asking = false;
        self.timers.set(now + pause, Due::TrunkRegister(Box::new((key.clone(), timer))));
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last_transaction += 1;
        self.last_transaction
    }

    /// Only news are told; whether these were.
    fn tell_trunk(
        &mut self,
        now: Instant,
        key: &TrunkKey,
        registered: bool,
        status: u16,
        reason: &str,
    ) -> bool {
        let trunk = self.trunks.named(&key.0, &key.1).cloned();
        let (Some(trunk), Some(registration)) = (trunk, self.trunks.registration(key)) else {
            return false;
        };
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let reason = display_text(reason.as_bytes());
        let home = registration.home.filter(|_| registered).map(|flow| flow.peer);
        let news = Told { registered, status, reason, home };
        if registration.told.as_ref().is_some_and(|old| news.repeats(old)) {
            return false;
        }
        registration.told = Some(news);
        self.tell_trunk_state(now, &trunk);
        true
    }
}

/// Takes a challenge that we may answer. False for anything else, and for one too many.
fn accept_challenge(registration: &mut Registration, trunk: &Trunk, response: &Response) -> bool {
    let (challenge, credentials) = match response.status {
        401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
        407 => (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
        _ => return false,
    };
    registration.challenges += 1;
    registration.credentials_in = credentials;
    let values: Vec<_> = response.headers.lines(&challenge).cloned().collect();
    let own = trunk.credentials.as_ref().filter(|_| registration.challenges <= MAX_CHALLENGES);
    own.is_some_and(|own| registration.digest.accept_challenge(&values, own))
}

/// Why a challenge was not answered, for whoever wrote down the realm.
fn why_unanswered(trunk: &Trunk, response: &Response) -> String {
    let names = [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate];
    let realm = names.iter().find_map(|name| realm_of(response.headers.line(name)?));
    match (realm, trunk.credentials.as_ref().map(|own| &own.realm)) {
        (Some(theirs), Some(own)) if theirs != *own => {
            format!("the carrier's realm is {theirs:?}, not {own:?}")
        }
        _ => "no challenge that can be answered".to_owned(),
    }
}

/// The least time that a registrar asks for, if we may ask for that and did not yet (RFC 3261 §10.2.8).
fn longer(response: &Response, asked: Duration) -> Option<Duration> {
    let least = response.headers.text(&HeaderName::MinExpires)?.trim().parse().ok()?;
    let least = Duration::from_secs(least);
    (least > asked && least <= MAX_EXPIRES).then_some(least)
}

/// For how long the registrar keeps us: our Contact's own time, else the Expires of the whole; at most `MAX_EXPIRES`.
fn granted(response: &Response, contact: &str) -> Option<Duration> {
    let ours = Address::parse(contact.as_bytes()).and_then(|ours| ours.parsed_uri());
    let own = response.headers.values(&HeaderName::Contact).find_map(|value| {
        let address = Address::parse(&value)?;
        let is_ours = address.parsed_uri()?.is_same(ours.as_ref()?);
        is_ours.then(|| address.params.value("expires")?.parse().ok())?
    });
    let whole = || {
        response.headers.text(&HeaderName::Expires).and_then(|expires| expires.trim().parse().ok())
    };
    let seconds = own.or_else(whole).filter(|&seconds: &u64| seconds > 0)?;
    Some(Duration::from_secs(seconds).min(MAX_EXPIRES))
}

fn key_of(trunk: &Trunk) -> TrunkKey {
    (trunk.company.clone(), trunk.id.clone())
}

/// At 80 % of a registration, and at least `SAFETY` before its end where it is long enough for that.
fn refresh_after(granted: Duration) -> Duration {
    let pause = granted.mul_f64(0.8);
    let pause = if granted > 2 * SAFETY { pause.min(granted - SAFETY) } else { pause };
    pause.max(MIN_PAUSE)
}

const SAFETY: Duration = Duration::from_secs(30);
const MIN_PAUSE: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(120);
const MAX_EXPIRES: Duration = Duration::from_secs(86_400);
/// A second challenge says that the nonce went stale, a third that the secret is wrong.
const MAX_CHALLENGES: u8 = 2;
