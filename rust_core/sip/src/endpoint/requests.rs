//! Takes requests in: repetitions, dialogs, the gate (RFC 3261 §8.2, §16.3).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::config::RETRY_AFTER_S;
use super::{Account, Endpoint, Flow, Trunk};
use crate::auth::Verdict;
use crate::wire::{Address, HeaderName, Method, Request, Scheme, Uri, Via};

/// Who sent a request.
#[derive(Clone, Debug)]
pub(super) enum Sender {
    /// A device that proved itself.
    Device(Arc<Account>),
    /// A trunk, known by its address.
    Trunk(Arc<Trunk>),
}

impl Endpoint {
    pub(super) fn on_request(&mut self, now: Instant, flow: Flow, mut request: Request) {
        request.note_source(flow.peer);
        let reply = reply_flow(flow, &request);
        if request.method == Method::Ack {
            if !self.absorb_ack(now, &request) {
                self.on_ack(now, &request);
            }
            return;
        }
        if self.absorb_repetition(&request) {
            return;
        }
        if request.method == Method::Cancel {
            return self.on_cancel(now, reply, &request);
        }
        if to_tag(&request).is_some() {
            return self.on_request_in_dialog(now, flow, reply, request);
        }
        if let Some((status, extra)) = self.refusal_at_sight(&request) {
            return self.refuse(reply, &request, status, "", &extra);
        }
        match request.method {
            Method::Options => self.refuse(reply, &request, 200, "OK", &capabilities()),
            Method::Register => self.on_register(now, flow, reply, &request),
            Method::Invite => {
                if let Some(sender) = self.gate(now, flow, reply, &request) {
                    self.on_invite(now, flow, reply, request, sender);
                }
            }
            // An unknown user must not see whether a dialog of this name was ever there.
            Method::Bye | Method::Update | Method::Info | Method::Prack => {
                self.refuse(reply, &request, 481, "", &[]);
            }
            _ => {
                let status = if matches!(request.method, Method::Other(_)) { 501 } else { 405 };
                self.refuse(reply, &request, status, "", &[allow()]);
            }
        }
    }

    /// What can be said without knowing who asks: load, loops, what we don't support.
    fn refusal_at_sight(&mut self, request: &Request) -> Option<(u16, Vec<(HeaderName, String)>)> {
        let busy = match request.method {
            Method::Options => self.overload >= 1,
            Method::Register => self.overload >= 2,
            Method::Invite => self.overload >= 3,
            _ => false,
        };
        if busy || self.closing {
            if request.method == Method::Invite {
                self.counters.shed_invites += 1;
            } else {
                self.counters.shed_others += 1;
            }
            return Some((503, vec![(HeaderName::RetryAfter, RETRY_AFTER_S.to_string())]));
        }
        let has_scheme = Uri::parse(&request.uri)
            .is_some_and(|uri| uri.scheme != Scheme::Tel || request.method == Method::Invite);
        if !has_scheme {
            return Some((416, vec![]));
        }
        if request.headers.text(&HeaderName::MaxForwards).is_some_and(|hops| hops.trim() == "0") {
            let ends_here = request.method == Method::Options;
            if !ends_here {
                return Some((483, vec![]));
            }
        }
        if self.has_been_here(request) {
            return Some((482, vec![]));
        }
        let mut unsupported = Vec::new();
        for name in [HeaderName::Require, HeaderName::ProxyRequire] {
            unsupported.extend(
                request.headers.values(&name).map(|v| String::from_utf8_lossy(&v).into_owned()),
            );
        }
        if !unsupported.is_empty() {
            return Some((420, vec![(HeaderName::Unsupported, unsupported.join(", "))]));
        }
        None
    }

    /// RFC 3261 §16.3 step 4: one of the Vias is ours.
    fn has_been_here(&self, request: &Request) -> bool {
        request.headers.values(&HeaderName::Via).any(|value| {
            let Some(via) = Via::parse(&value) else { return false };
            let Ok(ip) = via.host.parse() else { return false };
            let sent_by = SocketAddr::new(ip, via.port.unwrap_or(5060));
            self.config.listeners.iter().any(|listener| listener.advertised == sent_by)
        })
    }

    /// Everything but OPTIONS passes here: a known trunk, or a device that proves itself. Otherwise the request has
    /// been answered.
    fn gate(&mut self, now: Instant, flow: Flow, reply: Flow, request: &Request) -> Option<Sender> {
        let user = Uri::parse(&request.uri).and_then(|uri| uri.user());
        if let Some(trunk) = self.trunks.of_source(flow.peer.ip(), user.as_deref()) {
            // A phone beside a trunk on one address shows who it is.
            if request.headers.line(&HeaderName::ProxyAuthorization).is_none()
                && !self.is_own_user(request)
            {
                return Some(Sender::Trunk(trunk.clone()));
            }
        }
        self.authenticate(now, flow, reply, request, 407).map(Sender::Device)
    }

    /// Whether From names a device of ours: then it must prove itself, wherever it calls from.
    fn is_own_user(&self, request: &Request) -> bool {
        let Some(from) = request.headers.line(&HeaderName::From) else { return false };
        let uri = Address::parse(from).and_then(|from| {
            Some((from.parsed_uri()?.host.to_owned(), from.parsed_uri()?.user()?))
        });
        uri.is_some_and(|(host, user)| self.registrar.account(&host, &user).is_some())
    }

    /// Digest. Asks with `status` and gives `None` until the credentials are right.
    pub(super) fn authenticate(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: &Request,
        status: u16,
    ) -> Option<Arc<Account>> {
        let (credentials, challenge) = match status {
            401 => (HeaderName::Authorization, HeaderName::WwwAuthenticate),
            _ => (HeaderName::ProxyAuthorization, HeaderName::ProxyAuthenticate),
        };
        let claimed = claimed_user(request);
        let realm = match &claimed {
            Some((host, _)) if self.registrar.is_realm(host) => host.to_ascii_lowercase(),
            _ => self.config.default_realm.to_ascii_lowercase(),
        };
        let user = claimed.map(|(_, user)| user).unwrap_or_default();
        let with_sha256 = match self.registrar.account(&realm, &user) {
            Some(account) => account.secrets.ha1_sha256.is_some(),
            None => unknown_takes_sha256(&user, self.registrar.sha256_share()),
        };
        let registrar = &self.registrar;
        let realm_of_accounts = realm.as_str();
        let find = |username: &str| {
            registrar.account(realm_of_accounts, username).map(|account| &account.secrets)
        };
        let verdict = self.challenger.verify(
            now,
            request,
            &credentials,
            &realm,
            flow.peer.ip(),
            with_sha256,
            find,
        );
        match verdict {
            Verdict::Accepted { username } => self.registrar.account(&realm, &username).cloned(),
            Verdict::Challenge(lines) => {
                self.counters.unauthorized += 1;
                let extra: Vec<_> =
                    lines.into_iter().map(|line| (challenge.clone(), line)).collect();
                self.refuse(reply, request, status, "", &extra);
                None
            }
        }
    }

    /// Answers without keeping anything: what comes again is answered again.
    pub(super) fn refuse(
        &mut self,
        flow: Flow,
        request: &Request,
        status: u16,
        reason: &str,
        extra: &[(HeaderName, String)],
    ) {
        if request.method == Method::Ack {
            return;
        }
        let reason = if reason.is_empty() { reason_phrase(status) } else { reason };
        let tag = self.random_hex();
        let mut response = request.response(status, reason, Some(&tag));
        for (name, value) in extra {
            response.headers.push(name.clone(), value.clone());
        }
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        let bytes = response.to_bytes();
        self.send(flow, bytes);
    }
}

/// Where responses go: back to the source, and on UDP to the port that the sender asks for (RFC 3261 §18.2.2,
/// RFC 3581 §4).
pub(super) fn reply_flow(flow: Flow, request: &Request) -> Flow {
    if flow.transport.is_reliable() {
        return flow;
    }
    let top = request.headers.values(&HeaderName::Via).next();
    let Some(via) = top.as_deref().and_then(Via::parse) else { return flow };
    if via.params.has("rport") {
        return flow;
    }
    let peer = SocketAddr::new(flow.peer.ip(), via.port.unwrap_or(5060));
    Flow { peer, ..flow }
}

/// The tag of To: ours, if the request belongs to a dialog.
pub(super) fn to_tag(request: &Request) -> Option<String> {
    let to = request.headers.line(&HeaderName::To)?;
    Address::parse(to)?.tag().map(str::to_owned)
}

/// Who a request says to come from: host and user of From, for a register of To.
fn claimed_user(request: &Request) -> Option<(String, String)> {
    let name = if request.method == Method::Register { HeaderName::To } else { HeaderName::From };
    let uri = Address::parse(request.headers.line(&name)?)?.parsed_uri()?;
    Some((uri.host.to_owned(), uri.user()?))
}

/// Unknown users take SHA-256 as often as known ones, and always the same ones, so that nothing shows.
fn unknown_takes_sha256(user: &str, share: f64) -> bool {
    let hash = user
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    ((hash >> 11) as f64) < share * (1_u64 << 53) as f64
}

/// What OPTIONS tells (RFC 3261 §11.2).
fn capabilities() -> Vec<(HeaderName, String)> {
    vec![allow(), (HeaderName::Accept, "application/sdp".into())]
}

/// The methods that we understand.
pub(super) fn allow() -> (HeaderName, String) {
    (HeaderName::Allow, ALLOWED.into())
}

pub(super) const ALLOWED: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, INFO";

/// The usual words for a status (RFC 3261 §21).
pub(super) fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        300..400 => "Redirected",
        600..700 => "Refused Everywhere",
        _ => "Refused",
    }
}
