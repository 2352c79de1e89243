//! The side that asks (RFC 7616 §3.3, §3.5).
//!
//! A nonce is its time, a serial number and an HMAC over both and the source address: it needs no memory until
//! it is used. Used ones are kept, bounded, with the highest count seen, so that nothing can be replayed.
//! Unknown users are answered like known ones with a wrong password, after the same work.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::digest::{Algorithm, Fields, Inputs, is_equal, response, to_hex};
use crate::wire::{HeaderName, Request};

/// What is stored of an account, hex.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Secrets {
    /// H(username:realm:password) by MD5.
    pub ha1_md5: String,
    /// The same by SHA-256, if the account may use it.
    pub ha1_sha256: Option<String>,
}

/// What the credentials of a request are worth.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is this user.
    Accepted {
        /// The user name of the credentials.
        username: String,
        /// What they were made for: whoever serves the request compares it with its address (RFC 7616 §3.4.6).
        uri: String,
    },
    /// Ask (again): values for WWW-Authenticate or Proxy-Authenticate, in order.
    Challenge(Vec<String>),
    /// The same, and they were a wrong password from who really is where it seems to be.
    Wrong {
        /// The user name of the credentials.
        username: String,
        /// As of `Challenge`.
        challenge: Vec<String>,
    },
}

/// Makes and checks nonces.
#[derive(Debug)]
pub struct Challenger {
    key: [u8; 32],
    epoch: Instant,
    serial: u64,
    used: HashMap<String, Used>,
    by_age: VecDeque<(Instant, String)>,
}

#[derive(Debug, Default)]
struct Used {
    highest: u32,
    /// Bit i: `highest - i` was seen. Requests over UDP may overtake each other.
    window: u64,
}

impl Challenger {
    /// `key` must be secret and random.
    pub fn new(key: [u8; 32], now: Instant) -> Self {
        Self { key, epoch: now, serial: 0, used: HashMap::new(), by_age: VecDeque::new() }
    }

    /// Checks the credentials of a request in `header` for `realm`. `secrets` looks a user up. A challenge names
    /// SHA-256 too, and first (RFC 8760 §2.4), if `with_sha256`; old phones fail on two.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the question")]
    pub fn verify<'a>(
        &mut self,
        now: Instant,
        request: &Request,
        header: &HeaderName,
        realm: &str,
        source: IpAddr,
        with_sha256: bool,
        secrets: impl Fn(&str) -> Option<&'a Secrets>,
    ) -> Verdict {
        let given = request.headers.lines(header).filter_map(|value| Fields::parse(value));
        let Some(fields) = given.into_iter().find(|f| f.value("realm") == Some(realm)) else {
            let challenge = self.challenge(now, realm, source, false, with_sha256);
            return Verdict::Challenge(challenge);
        };
        let username = fields.value("username").unwrap_or("");
        let secrets = secrets(username);
        let algorithm = Algorithm::parse(fields.value("algorithm"));
        let is_right = is_right(&fields, request.method.as_str(), algorithm, secrets);
        let nonce = fields.value("nonce").unwrap_or("");
        let is_fresh = self.is_fresh(now, nonce, source);
        if is_fresh && is_right && self.count(now, nonce, fields.count()) {
            let uri = fields.value("uri").unwrap_or("").to_owned();
            return Verdict::Accepted { username: username.to_owned(), uri };
        }
        let username = username.to_owned();
        // Stale is said only to who knows the secret; else it would tell that the user exists. It is said too of a
        // nonce of another source or of an earlier run: a phone would otherwise take its password for wrong.
        let challenge = self.challenge(now, realm, source, is_right, with_sha256);
        match is_fresh && !is_right {
            true => Verdict::Wrong { username, challenge },
            false => Verdict::Challenge(challenge),
        }
    }

    fn challenge(
        &mut self,
        now: Instant,
        realm: &str,
        source: IpAddr,
        stale: bool,
        with_sha256: bool,
    ) -> Vec<String> {
        let nonce = self.nonce(now, source);
        let line = |algorithm: Algorithm| {
            let stale = if stale { ", stale=true" } else { "" };
            format!(
                "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                algorithm.as_str()
            )
        };
        let algorithms: &[Algorithm] =
            if with_sha256 { &[Algorithm::Sha256, Algorithm::Md5] } else { &[Algorithm::Md5] };
        algorithms.iter().map(|&algorithm| line(algorithm)).collect()
    }

    fn nonce(&mut self, now: Instant, source: IpAddr) -> String {
        self.serial += 1;
        let age_s = now.saturating_duration_since(self.epoch).as_secs();
        format!("{age_s:x}.{:x}.{}", self.serial, self.seal(age_s, self.serial, source))
    }

    fn seal(&self, age_s: u64, serial: u64, source: IpAddr) -> String {
        // A 32-byte key is always of the right length for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        mac.update(format!("{age_s}.{serial}.{source}").as_bytes());
        to_hex(&mac.finalize().into_bytes()[..16])
    }

    /// Whether it is one that we gave to this source, and not too long ago.
    fn is_fresh(&self, now: Instant, nonce: &str, source: IpAddr) -> bool {
        let mut parts = nonce.splitn(3, '.');
        let mut hex = || parts.next().and_then(|part| u64::from_str_radix(part, 16).ok());
        let (Some(made_s), Some(serial)) = (hex(), hex()) else { return false };
        let is_ours = is_equal(parts.next().unwrap_or(""), &self.seal(made_s, serial, source));
        let age_s = now.saturating_duration_since(self.epoch).as_secs().saturating_sub(made_s);
        is_ours && age_s <= NONCE_LIFE.as_secs()
    }

    /// Whether this use of the nonce is a new one; remembers it. Without a count (RFC 2069) the response covers none:
    /// then the nonce must be unused, and has served.
    fn count(&mut self, now: Instant, nonce: &str, count: Option<u32>) -> bool {
        if count == Some(0) || count.is_none() && self.used.contains_key(nonce) {
            return false;
        }
        while let Some((at, _)) = self.by_age.front() {
            let is_over = now.saturating_duration_since(*at) > NONCE_LIFE + Duration::from_secs(1);
            if !is_over && self.by_age.len() < MAX_USED {
                break;
            }
            if let Some((_, oldest)) = self.by_age.pop_front() {
                self.used.remove(&oldest);
            }
        }
        if !self.used.contains_key(nonce) {
            self.by_age.push_back((now, nonce.to_owned()));
        }
        let used = self.used.entry(nonce.to_owned()).or_default();
        let Some(count) = count else {
            *used = Used { highest: u32::MAX, window: u64::MAX };
            return true;
        };
        if count > used.highest {
            let shift = count - used.highest;
            used.window = if shift < 64 { used.window << shift | 1 } else { 1 };
            used.highest = count;
            return true;
        }
        let behind = used.highest - count;
        if behind >= 64 || used.window & 1 << behind != 0 {
            return false;
        }
        used.window |= 1 << behind;
        true
    }
}

fn is_right(
    fields: &Fields,
    method: &str,
    algorithm: Option<Algorithm>,
    secrets: Option<&Secrets>,
) -> bool {
    let (ha1, nobody) = match algorithm {
        Some(Algorithm::Sha256) => (secrets.and_then(|s| s.ha1_sha256.as_deref()), NOBODY),
        _ => (secrets.map(|s| s.ha1_md5.as_str()), &NOBODY[..32]),
    };
    let value = |name| fields.value(name).unwrap_or("");
    let qop = match fields.value("qop") {
        Some(qop) if qop.eq_ignore_ascii_case("auth") => Some((value("nc"), value("cnonce"))),
        Some(_) => return false,
        None => None,
    };
    let inputs = Inputs { method, uri: value("uri"), nonce: value("nonce"), qop };
    let expected = response(algorithm.unwrap_or(Algorithm::Md5), ha1.unwrap_or(nobody), inputs);
    is_equal(&expected, &value("response").to_ascii_lowercase())
        && ha1.is_some()
        && algorithm.is_some()
}

/// Stands in for the secret of an unknown user, so that refusing takes as long: of SHA-256, and its half of MD5.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// Used nonces remembered, the oldest forgotten first. Only who knows a secret can add one.
const MAX_USED: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::super::digest::ha1;
    use super::*;
    use crate::auth::{ClientDigest, Credentials};
    use crate::wire::Method;

    const REALM: &str = "demo";

    struct Side {
        challenger: Challenger,
        secrets: Secrets,
        now: Instant,
    }

    impl Side {
        fn new() -> Self {
            let secrets = Secrets {
                ha1_md5: ha1("anna", REALM, "pw", Algorithm::Md5),
                ha1_sha256: Some(ha1("anna", REALM, "pw", Algorithm::Sha256)),
            };
            let now = crate::timers::tests::epoch();
            Self { challenger: Challenger::new([7; 32], now), secrets, now }
        }

        fn verify(&mut self, request: &Request, source: &str, with_sha256: bool) -> Verdict {
            let secrets = &self.secrets;
            self.challenger.verify(
                self.now,
                request,
                &HeaderName::Authorization,
                REALM,
                source.parse().unwrap(),
                with_sha256,
                |user| (user == "anna").then_some(secrets),
            )
        }
    }

    fn register() -> Request {
        Request::new(Method::Register, "sip:demo")
    }

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials {
            username: user.into(),
            realm: REALM.into(),
            secrets: Secrets {
                ha1_md5: ha1(user, REALM, password, Algorithm::Md5),
                ha1_sha256: Some(ha1(user, REALM, password, Algorithm::Sha256)),
            },
        }
    }

    fn accepted() -> Verdict {
        Verdict::Accepted { username: "anna".into(), uri: "sip:demo".into() }
    }

    fn answered(verdict: Verdict, client: &mut ClientDigest, credentials: &Credentials) -> Request {
        let Verdict::Challenge(lines) = verdict else { panic!("no challenge") };
        let values: Vec<_> = lines.into_iter().map(bytes::Bytes::from).collect();
        assert!(client.accept_challenge(&values, credentials));
        let mut request = register();
        let value = client.authorize("REGISTER", "sip:demo", credentials).unwrap();
        request.headers.push(HeaderName::Authorization, value);
        request
    }

    #[test]
    fn the_right_password_is_accepted_once_per_count_with_both_hashes() {
        for with_sha256 in [false, true] {
            let mut side = Side::new();
            let (mut client, anna) = (ClientDigest::new("cn".into()), credentials("anna", "pw"));
            let challenge = side.verify(&register(), "192.0.2.1", with_sha256);
            let request = answered(challenge, &mut client, &anna);
            let text = String::from_utf8(
                request.headers.line(&HeaderName::Authorization).unwrap().to_vec(),
            )
            .unwrap();
            assert_eq!(text.contains("SHA-256"), with_sha256);
            assert_eq!(side.verify(&request, "192.0.2.1", with_sha256), accepted());
            assert!(
                matches!(side.verify(&request, "192.0.2.1", with_sha256), Verdict::Challenge(_)),
                "replayed"
            );
            let mut next = register();
            next.headers.push(
                HeaderName::Authorization,
                client.authorize("REGISTER", "sip:demo", &anna).unwrap(),
            );
            assert!(matches!(
                side.verify(&next, "192.0.2.1", with_sha256),
                Verdict::Accepted { .. }
            ));
        }
    }

    #[test]
    fn a_wrong_password_and_an_unknown_user_get_the_same() {
        let mut side = Side::new();
        let shape = |verdict: Verdict| {
            let Verdict::Wrong { challenge, .. } = verdict else { panic!("not wrong") };
            challenge
                .iter()
                .map(|l| {
                    l.split("nonce").next().unwrap().to_owned() + &l[l.find("algorithm").unwrap()..]
                })
                .collect::<Vec<_>>()
        };
        let mut shapes = Vec::new();
        for wrong in [credentials("anna", "x"), credentials("nobody", "pw")] {
            let challenge = side.verify(&register(), "192.0.2.1", false);
            let request = answered(challenge, &mut ClientDigest::new("cn".into()), &wrong);
            shapes.push(shape(side.verify(&request, "192.0.2.1", false)));
        }
        assert_eq!(shapes[0], shapes[1]);
        assert!(!shapes[0][0].contains("stale"));
    }

    #[test]
    fn a_nonce_without_count_serves_once_and_only_if_it_is_unused() {
        let mut side = Side::new();
        let old_form = |nonce: &str, extra: &str| {
            let inputs = Inputs { method: "REGISTER", uri: "sip:demo", nonce, qop: None };
            let ha1 = ha1("anna", REALM, "pw", Algorithm::Md5);
            let response = response(Algorithm::Md5, &ha1, inputs);
            let mut request = register();
            let value = format!(
                "Digest username=\"anna\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"sip:demo\", \
                 response=\"{response}\"{extra}"
            );
            request.headers.push(HeaderName::Authorization, value);
            request
        };
        let nonce_of = |verdict: Verdict| {
            let Verdict::Challenge(lines) = verdict else { panic!("no challenge") };
            lines[0].split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        let first = nonce_of(side.verify(&register(), "192.0.2.1", false));
        assert_eq!(side.verify(&old_form(&first, ""), "192.0.2.1", false), accepted());
        for extra in ["", ", nc=00000001", ", nc=00000002", ", nc=ffffffff"] {
            let again = side.verify(&old_form(&first, extra), "192.0.2.1", false);
            assert!(matches!(again, Verdict::Challenge(_)), "{extra}");
        }
        let challenge = side.verify(&register(), "192.0.2.1", false);
        let second = nonce_of(challenge.clone());
        let anna = credentials("anna", "pw");
        let counted = answered(challenge, &mut ClientDigest::new("cn".into()), &anna);
        assert_eq!(side.verify(&counted, "192.0.2.1", false), accepted());
        let after = side.verify(&old_form(&second, ""), "192.0.2.1", false);
        assert!(matches!(after, Verdict::Challenge(_)), "it was used");
    }

    #[test]
    fn a_nonce_is_bound_to_its_source_and_grows_old() {
        let mut side = Side::new();
        let anna = credentials("anna", "pw");
        let challenge = side.verify(&register(), "192.0.2.1", false);
        let request = answered(challenge, &mut ClientDigest::new("cn".into()), &anna);
        let is_stale = |verdict: Verdict| {
            let Verdict::Challenge(lines) = verdict else { panic!("accepted") };
            lines[0].contains("stale=true")
        };
        assert!(is_stale(side.verify(&request, "192.0.2.2", false)), "another source");
        let mut wrong = register();
        let text = request.headers.text(&HeaderName::Authorization).unwrap();
        wrong.headers.push(HeaderName::Authorization, text.replace("cnonce=\"cn", "cnonce=\"x"));
        assert!(!is_stale(side.verify(&wrong, "192.0.2.2", false)));
        side.now += NONCE_LIFE + Duration::from_secs(2);
        assert!(is_stale(side.verify(&request, "192.0.2.1", false)), "too old");
        side.challenger = Challenger::new([8; 32], side.now);
        assert!(is_stale(side.verify(&request, "192.0.2.1", false)), "of an earlier run");
    }
}
