//! Who may ask for what: known trunks, and devices that prove themselves (RFC 3261 §22).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{Account, Endpoint, Flow, Trunk, banning};
use crate::auth::Verdict;
use crate::trunk::Whose;
use crate::wire::{Address, HeaderName, Method, Request, Uri};

/// Who sent a request.
#[derive(Clone, Debug)]
pub(super) enum Sender {
    /// A device that proved itself.
    Device(Arc<Account>),
    /// A trunk, known by its address.
    Trunk(Arc<Trunk>),
}

impl Endpoint {
    /// Every request outside of a dialog passes here, whatever its method: of a known trunk, or of a device that proves
    /// itself. Otherwise it has been answered. Only OPTIONS is answered to anybody (RFC 3261 §11.2), and a REGISTER is
    /// asked as a registrar does (401).
    pub(super) fn gate(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: &Request,
        called: &str,
    ) -> Option<Sender> {
        // A phone beside a trunk on one address shows who it is.
        // Pages in the browser of a trunk's host are no trunk.
        let is_phone = || {
            flow.transport.is_web_socket()
                || request.headers.line(&HeaderName::ProxyAuthorization).is_some()
                || self.is_own_user(request)
        };
        match self.trunks.of_source(now, flow.peer.ip(), called) {
            Whose::Of(trunk) if !is_phone() => {
                let trunk = trunk.clone();
                self.prove(now, flow);
                return Some(Sender::Trunk(trunk));
            }
            Whose::Unclear if !is_phone() => self.counters.unclear_trunks += 1,
            _ => {}
        }
        let account = self.authenticate(now, flow, reply, request, 407)?;
        self.prove(now, flow);
        Some(Sender::Device(account))
    }

    /// Whether From names a device of ours: then it must prove itself, wherever it calls from.
    fn is_own_user(&self, request: &Request) -> bool {
        let Some(from) = request.headers.line(&HeaderName::From) else { return false };
        let uri = Address::parse(from).and_then(|from| {
            Some((from.parsed_uri()?.host.to_owned(), from.parsed_uri()?.user()?))
        });
        uri.is_some_and(|(host, user)| self.registrar.account(&host, &user).is_some())
    }

    /// Digest; what is made of it is the caller's. Asks with `status` and gives `None` until the credentials are right.
    pub(super) fn authenticate(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: &Request,
        status: u16,
    ) -> Option<Arc<Account>> {
        let credentials = match status {
            401 => HeaderName::Authorization,
            _ => HeaderName::ProxyAuthorization,
        };
        let claimed = claimed_user(request);
        let realm = match &claimed {
            Some((host, _)) if self.registrar.is_realm(host) => host.to_ascii_lowercase(),
            _ => self.config.default_realm.to_ascii_lowercase(),
        };
        let user = claimed.map(|(_, user)| user).unwrap_or_default();
        // Worked out for known users too: what is done for unknown ones alone, a stopwatch would tell.
        let share = self.registrar.sha256_share();
        let as_unknown = unknown_takes_sha256(&self.config.secret, &realm, &user, share);
        let known = self.registrar.account(&realm, &user);
        let with_sha256 = known.map_or(as_unknown, |known| known.secrets.ha1_sha256.is_some());
        let (registrar, guesses) = (&self.registrar, &self.guesses);
        let may_look =
            |username: &str| banning::may_look(now, registrar, guesses, flow, username, &realm);
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
            may_look,
            find,
        );
        match verdict {
            Verdict::Accepted { uri, .. } if !self.is_made_for(&uri, &request.uri) => {
                self.counters.unauthorized += 1;
                let warning = "399 tandem \"credentials for another address\"".to_owned();
                self.refuse(reply, request, 400, "", &[(HeaderName::Warning, warning)]);
                None
            }
            Verdict::Accepted { username, .. } => {
                self.registrar.account(&realm, &username).cloned()
            }
            Verdict::Challenge(lines) => {
                self.challenge(reply, request, status, lines);
                None
            }
            Verdict::MadeUp(lines) => {
                self.counters.made_up_nonces += 1;
                self.challenge(reply, request, status, lines);
                None
            }
            Verdict::Wrong { username, challenge } => {
                self.counters.wrong_passwords += 1;
                self.note_guess(now, flow, &username, &realm);
                self.challenge(reply, request, status, challenge);
                None
            }
            Verdict::NotLookedAt { username } => {
                self.counters.unauthorized += 1;
                self.counters.slowed += 1;
                self.note_guess(now, flow, &username, &realm);
                self.refuse(reply, request, 503, "", &[banning::retry_after()]);
                None
            }
        }
    }

    /// Asks with `status`, 401 or 407, for credentials.
    fn challenge(&mut self, reply: Flow, request: &Request, status: u16, lines: Vec<String>) {
        self.counters.unauthorized += 1;
        let name = match status {
            401 => HeaderName::WwwAuthenticate,
            _ => HeaderName::ProxyAuthenticate,
        };
        let extra: Vec<_> = lines.into_iter().map(|line| (name.clone(), line)).collect();
        self.refuse(reply, request, status, "", &extra);
    }

    /// Whether credentials for `uri` were meant for a request to `target` (RFC 7616 §3.4.6): the same user, or none, of
    /// the same host, or of another name of ours: of an address, or, where the request has that, of a company's domain.
    /// Ports and parameters are left out of the one or the other by many.
    fn is_made_for(&self, uri: &str, target: &str) -> bool {
        let (Some(uri), Some(target)) = (Uri::parse(uri), Uri::parse(target)) else { return false };
        let is_ours = |host: &str| {
            let ip: Option<IpAddr> = host.parse().ok();
            ip.is_some_and(|ip| self.config.listeners.iter().any(|l| l.advertised.ip() == ip))
        };
        (uri.user().is_none() || uri.user() == target.user())
            && (uri.host.eq_ignore_ascii_case(target.host)
                || is_ours(uri.host)
                || is_ours(target.host) && self.registrar.is_realm(uri.host))
    }
}

/// Who a request says to come from: host and user of From, for a register of To.
fn claimed_user(request: &Request) -> Option<(String, String)> {
    let name = if request.method == Method::Register { HeaderName::To } else { HeaderName::From };
    let uri = Address::parse(request.headers.line(&name)?)?.parsed_uri()?;
    Some((uri.host.to_owned(), uri.user()?))
}

/// The key of our nonces: of the secret, so that those of an earlier run are known to be ours.
pub(super) fn nonce_key(secret: &[u8; 32]) -> [u8; 32] {
    // A 32-byte key is always of the right length for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return [0; 32] };
    mac.update(b"nonces");
    mac.finalize().into_bytes().into()
}

/// Unknown users take SHA-256 as often as known ones, and always the same ones, after a restart too, so that nothing
/// shows. Who they are only the secret tells: whoever could compute it would know the others to exist.
fn unknown_takes_sha256(secret: &[u8; 32], realm: &str, user: &str, share: f64) -> bool {
    crate::auth::note_hash();
    // A 32-byte key is always of the right length for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(realm.as_bytes());
    mac.update(b"\0");
    mac.update(user.as_bytes());
    let bytes = mac.finalize().into_bytes();
    let first: [u8; 8] = std::array::from_fn(|i| bytes[i]);
    ((u64::from_le_bytes(first) >> 11) as f64) < share * (1_u64 << 53) as f64
}
