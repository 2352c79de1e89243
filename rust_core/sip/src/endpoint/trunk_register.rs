//! Our own registrations at trunks (RFC 3261 §10.2).

use std::time::{Duration, Instant};

use rand_chacha::rand_core::RngCore as _;

use super::dial::bracketed;
use super::requests::reason_phrase;
use super::{Due, Endpoint, Event, Trunk};
use crate::auth::ClientDigest;
use crate::transaction::Owner;
use crate::trunk::{Registration, TrunkKey};
use crate::wire::{Address, HeaderName, Method, Request, Response, encode_user};

impl Endpoint {
    pub(super) fn set_trunks(&mut self, now: Instant, trunks: Vec<Trunk>) {
        let (left, new) = self.trunks.set(trunks);
        for trunk in left {
            self.unregister_trunk(now, &trunk);
            self.trunks.take_registration(&key_of(&trunk));
        }
        for trunk in new {
            self.start_registration(now, &trunk);
        }
    }

    pub(super) fn resolved_trunk(
        &mut self,
        now: Instant,
        host: &str,
        port: u16,
        address: std::net::SocketAddr,
    ) {
        for trunk in self.trunks.resolved(host, port, address) {
            self.start_registration(now, &trunk);
        }
    }

    fn start_registration(&mut self, now: Instant, trunk: &Trunk) {
        if trunk.address.is_none() {
            return;
        }
        let registration = Registration {
            call_id: self.random_hex(),
            cseq: 0,
            digest: ClientDigest::new(self.random_hex()),
            registered: None,
            failures: 0,
            challenges: 0,
            expires: trunk.expires,
            generation: 0,
        };
        self.trunks.put_registration(key_of(trunk), registration);
        self.send_register(now, trunk, None);
    }

    pub(super) fn trunk_register_due(&mut self, now: Instant, key: &TrunkKey, generation: u64) {
        let Some(trunk) = self.trunks.named(&key.0, &key.1).cloned() else { return };
        let is_newest = self.trunks.registration(key).is_some_and(|r| r.generation == generation);
        if is_newest && trunk.register && !self.closing {
            self.send_register(now, &trunk, None);
        }
    }

    pub(super) fn unregister_trunk(&mut self, now: Instant, trunk: &Trunk) {
        let is_registered =
            self.trunks.registration(&key_of(trunk)).is_some_and(|r| r.registered == Some(true));
        if is_registered {
            self.send_register(now, trunk, Some(Duration::ZERO));
        }
    }

    fn send_register(&mut self, now: Instant, trunk: &Trunk, expires: Option<Duration>) {
        let key = key_of(trunk);
        let flow = trunk.address.and_then(|address| self.flow_to(trunk.transport, address));
        let Some(flow) = flow else {
            let why = "nothing listens for this transport";
            return self.on_registration_failed(now, &key, 503, why);
        };
        let contact = format!("<{}>", self.register_contact(trunk, flow));
        let (tag, user_agent) = (self.random_hex(), self.config.user_agent.clone());
        let Some(registration) = self.trunks.registration(&key) else { return };
        registration.cseq += 1;
        let domain = bracketed(&trunk.domain);
        let user =
            trunk.credentials.as_ref().map_or(trunk.contact_user.as_str(), |c| c.username.as_str());
        let identity = format!("<sip:{}@{domain}>", encode_user(user));
        let uri = format!("sip:{domain}");
        let mut request = Request::new(Method::Register, uri.clone());
        request.headers.push(HeaderName::MaxForwards, "70");
        request.headers.push(HeaderName::From, format!("{identity};tag={tag}"));
        request.headers.push(HeaderName::To, identity);
        request.headers.push(HeaderName::CallId, registration.call_id.clone());
        request.headers.push(HeaderName::CSeq, format!("{} REGISTER", registration.cseq));
        request.headers.push(HeaderName::Contact, contact);
        request.headers.push(
            HeaderName::Expires,
            expires.unwrap_or(registration.expires).as_secs().to_string(),
        );
        request.headers.push(HeaderName::UserAgent, user_agent);
        let credentials = trunk.credentials.as_ref();
        if let Some(value) =
            credentials.and_then(|own| registration.digest.authorize("REGISTER", &uri, own))
        {
            request.headers.push(HeaderName::Authorization, value);
        }
        self.open_client(now, flow, request, Owner::Registration(key));
    }

    fn register_contact(&self, trunk: &Trunk, flow: super::Flow) -> String {
        let transport = if flow.transport.is_reliable() { ";transport=tcp" } else { "" };
        format!("sip:{}@{}{transport}", encode_user(&trunk.contact_user), self.advertised(flow))
    }

    pub(super) fn on_registration_response(
        &mut self,
        now: Instant,
        key: TrunkKey,
        response: &Response,
    ) {
        let Some(trunk) = self.trunks.named(&key.0, &key.1).cloned() else { return };
        let flow = trunk.address.and_then(|address| self.flow_to(trunk.transport, address));
        let contact = flow.map(|flow| self.register_contact(&trunk, flow)).unwrap_or_default();
        let Some(registration) = self.trunks.registration(&key) else { return };
        match response.status {
            200..300 => {
                registration.failures = 0;
                registration.challenges = 0;
                let granted = granted(response, &contact).unwrap_or(registration.expires);
                self.schedule(now, &key, refresh_after(granted));
                if !self.closing {
                    self.tell_trunk(now, &key, true, response.status, &response.reason);
                }
            }
            401 | 407 if registration.challenges < MAX_CHALLENGES => {
                let name = if response.status == 401 {
                    HeaderName::WwwAuthenticate
                } else {
                    HeaderName::ProxyAuthenticate
                };
                let values: Vec<_> = response.headers.lines(&name).cloned().collect();
                registration.challenges += 1;
                let is_ours = trunk
                    .credentials
                    .as_ref()
                    .is_some_and(|c| registration.digest.accept_challenge(&values, c));
                if is_ours {
                    let expires = if self.closing { Some(Duration::ZERO) } else { None };
                    self.send_register(now, &trunk, expires);
                } else {
                    self.on_registration_failed(
                        now,
                        &key,
                        response.status,
                        "challenge of another realm",
                    );
                }
            }
            423 => {
                let min = response
                    .headers
                    .text(&HeaderName::MinExpires)
                    .and_then(|min| min.trim().parse().ok());
                match min
                    .map(Duration::from_secs)
                    .filter(|min| *min > registration.expires && *min <= MAX_EXPIRES)
                {
                    Some(min) => {
                        registration.expires = min;
                        self.send_register(now, &trunk, None);
                    }
                    None => self.on_registration_failed(now, &key, 423, &response.reason),
                }
            }
            _ => self.on_registration_failed(now, &key, response.status, &response.reason),
        }
    }

    pub(super) fn on_registration_failed(
        &mut self,
        now: Instant,
        key: &TrunkKey,
        status: u16,
        reason: &str,
    ) {
        let jitter = f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        let Some(registration) = self.trunks.registration(key) else { return };
        registration.challenges = 0;
        registration.failures += 1;
        let pause = FIRST_RETRY * 2_u32.saturating_pow(registration.failures.min(10) - 1);
        self.schedule(now, key, pause.min(LAST_RETRY).mul_f64(0.8 + 0.4 * jitter));
        self.tell_trunk(now, key, false, status, reason);
    }

    fn schedule(&mut self, now: Instant, key: &TrunkKey, pause: Duration) {
        self.last_transaction += 1;
        let generation = self.last_transaction;
        let Some(registration) = self.trunks.registration(key) else { return };
        registration.generation = generation;
        let due = Box::new((key.clone(), generation));
        self.timers.set(now + pause, Due::TrunkRegister(due));
    }

    /// Only news are told.
    fn tell_trunk(
        &mut self,
        now: Instant,
        key: &TrunkKey,
        registered: bool,
        status: u16,
        reason: &str,
    ) {
        let Some(registration) = self.trunks.registration(key) else { return };
        if registration.registered == Some(registered) {
            return;
        }
        registration.registered = Some(registered);
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason }.to_owned();
        self.tell(
            now,
            Event::TrunkChanged {
                company: key.0.clone(),
                trunk: key.1.clone(),
                registered,
                status,
                reason,
            },
        );
    }
}

/// For how long the registrar keeps us: our Contact's own time, else the Expires of the whole.
fn granted(response: &Response, contact: &str) -> Option<Duration> {
    let own = response.headers.values(&HeaderName::Contact).find_map(|value| {
        let address = Address::parse(&value)?;
        (address.uri == contact).then(|| address.params.value("expires")?.parse().ok())?
    });
    let whole = || {
        response.headers.text(&HeaderName::Expires).and_then(|expires| expires.trim().parse().ok())
    };
    own.or_else(whole).filter(|&seconds: &u64| seconds > 0).map(Duration::from_secs)
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
