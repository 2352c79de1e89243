//! The side that asks (RFC 7616 §3.3, §3.5).
//!
//! A nonce is its run, its time, a serial number and two HMACs, of these and of these with the source address: it needs
//! no memory until it is used. Used ones are kept, bounded, with the highest count seen, so that nothing can be
//! replayed. A password is looked at only with a nonce that serves, so that whoever guesses really is where the guesses
//! seem to come from, and each is counted. Unknown users are answered like known ones with a wrong password, after the
//! same work.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::digest::{Algorithm, Fields, Inputs, is_equal, note_hash, response, to_hex};
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
    /// The same, and they were made with a nonce that is none of ours: nobody has looked at them.
    MadeUp(Vec<String>),
    /// The same, and they were a wrong password from who really is where it seems to be.
    Wrong {
        /// The user name of the credentials.
        username: String,
        /// As of `Challenge`.
        challenge: Vec<String>,
    },
    /// They came from who really is where it seems to be, and nobody has looked at them.
    NotLookedAt {
        /// As of `Wrong`.
        username: String,
    },
}

/// Makes and checks nonces.
#[derive(Debug)]
pub struct Challenger {
    key: [u8; 32],
    /// Tells the nonces of this run from those of earlier ones.
    run: u64,
    epoch: Instant,
    serial: u64,
    used: HashMap<String, Used>,
    by_age: VecDeque<(Instant, String)>,
    /// The highest serial of those that were forgotten while they could still serve: they, and all that are older, serve
    /// only if they are remembered.
    forgotten: u64,
    /// Used ones remembered.
    max_used: usize,
}

#[derive(Debug, Default)]
struct Used {
    highest: u32,
    /// Bit i: `highest - i` was seen. Requests over UDP may overtake each other.
    window: u64,
}

impl Challenger {
    /// `key` must be secret and random, and the same in each run; `run` another one in each.
    pub fn new(key: [u8; 32], run: u64, now: Instant) -> Self {
        let (used, by_age) = (HashMap::new(), VecDeque::new());
        Self { key, run, epoch: now, serial: 0, used, by_age, forgotten: 0, max_used: MAX_USED }
    }

    /// Checks the credentials of a request in `header` for `realm`. `secrets` looks a user up. A challenge names
    /// SHA-256 too, and first (RFC 8760 §2.4), if `with_sha256`; old phones fail on two. Whether the password of a user is
    /// looked at at all, `may_look` says.
    #[expect(clippy::too_many_arguments, reason = "each is one fact of the question")]
    pub fn verify<'a>(
        &mut self,
        now: Instant,
        request: &Request,
        header: &HeaderName,
        realm: &str,
        source: IpAddr,
        with_sha256: bool,
        may_look: impl Fn(&str) -> bool,
        secrets: impl Fn(&str) -> Option<&'a Secrets>,
    ) -> Verdict {
        let given = request.headers.lines(header).filter_map(|value| Fields::parse(value));
        let Some(fields) = given.into_iter().find(|f| f.value("realm") == Some(realm)) else {
            let challenge = self.challenge(now, realm, source, false, with_sha256);
            return Verdict::Challenge(challenge);
        };
        let nonce = fields.value("nonce").unwrap_or("");
        match self.provenance(now, nonce, source) {
            Provenance::Serves => {}
            // RFC 7616 §3.3. A phone that moves, or an exchange that starts anew, makes nonces stale too: a phone would
            // otherwise take its password for wrong. Whether it is right is not said by that.
            Provenance::Stale => {
                return Verdict::Challenge(self.challenge(now, realm, source, true, with_sha256));
            }
            Provenance::MadeUp => {
                return Verdict::MadeUp(self.challenge(now, realm, source, false, with_sha256));
            }
        }
        let username = fields.value("username").unwrap_or("").to_owned();
        if !may_look(&username) {
            return Verdict::NotLookedAt { username };
        }
        let algorithm = Algorithm::parse(fields.value("algorithm"));
        if !is_right(&fields, request.method.as_str(), algorithm, secrets(&username)) {
            let challenge = self.challenge(now, realm, source, false, with_sha256);
            return Verdict::Wrong { username, challenge };
        }
        if self.count(now, nonce, fields.count()) {
            let uri = fields.value("uri").unwrap_or("").to_owned();
            return Verdict::Accepted { username, uri };
        }
        Verdict::Challenge(self.challenge(now, realm, source, true, with_sha256))
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
        let facts = format!("{:x}.{age_s:x}.{:x}", self.run, self.serial);
        let (seal, seal_here) = (self.seal(&facts, None), self.seal(&facts, Some(source)));
        format!("{facts}.{seal}.{seal_here}")
    }

    fn seal(&self, facts: &str, source: Option<IpAddr>) -> String {
        note_hash();
        // A 32-byte key is always of the right length for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return String::new() };
        // A seal of one kind must not pass for one of the other.
        let sealed = match source {
            None => format!("made {facts}"),
            Some(source) => format!("given {facts} {source}"),
        };
        mac.update(sealed.as_bytes());
        to_hex(&mac.finalize().into_bytes()[..16])
    }

    fn provenance(&self, now: Instant, nonce: &str, source: IpAddr) -> Provenance {
        let mut from_end = nonce.rsplitn(3, '.');
        let mut next = || from_end.next().unwrap_or("");
        let (seal_here, seal, facts) = (next(), next(), next());
        if !is_equal(seal, &self.seal(facts, None)) {
            return Provenance::MadeUp;
        }
        let mut hex = facts.split('.').map(|part| u64::from_str_radix(part, 16).ok());
        let (Some(Some(run)), Some(Some(made_s)), Some(Some(serial))) =
            (hex.next(), hex.next(), hex.next())
        else {
            return Provenance::MadeUp;
        };
        let age_s = now.saturating_duration_since(self.epoch).as_secs().saturating_sub(made_s);
        let is_young = run == self.run && age_s <= NONCE_LIFE.as_secs();
        let is_clear = serial > self.forgotten || self.used.contains_key(nonce);
        match is_young && is_clear && is_equal(seal_here, &self.seal(facts, Some(source))) {
            true => Provenance::Serves,
            false => Provenance::Stale,
        }
    }

    /// Whether this use of the nonce is a new one; remembers it. Without a count (RFC 2069) the response covers none:
    /// then the nonce must be unused, and has served.
    fn count(&mut self, now: Instant, nonce: &str, count: Option<u32>) -> bool {
        if count == Some(0) || count.is_none() && self.used.contains_key(nonce) {
            return false;
        }
        while let Some((at, _)) = self.by_age.front() {
            let is_over = now.saturating_duration_since(*at) > NONCE_LIFE + Duration::from_secs(1);
            if !is_over && self.by_age.len() < self.max_used {
                break;
            }
            if let Some((_, oldest)) = self.by_age.pop_front() {
                self.used.remove(&oldest);
                if !is_over {
                    self.forgotten = self.forgotten.max(serial_of(&oldest));
                }
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

/// The serial of a nonce of ours.
fn serial_of(nonce: &str) -> u64 {
    nonce.split('.').nth(2).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
}

/// Whose a nonce is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Provenance {
    /// One that we gave to this source, not too long ago.
    Serves,
    /// One of ours that is too old, of an earlier run, of another source or perhaps forgotten.
    Stale,
    /// None that we gave to anybody.
    MadeUp,
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
            Self { challenger: Challenger::new([7; 32], 1, now), secrets, now }
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
                |_| true,
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
    fn a_used_nonce_that_was_forgotten_serves_no_more() {
        let mut side = Side::new();
        side.challenger.max_used = 10;
        let anna = credentials("anna", "pw");
        let use_one = |side: &mut Side| {
            let challenge = side.verify(&register(), "192.0.2.1", false);
            let request = answered(challenge, &mut ClientDigest::new("cn".into()), &anna);
            assert_eq!(side.verify(&request, "192.0.2.1", false), accepted());
            request
        };
        let first = use_one(&mut side);
        let waiting = side.verify(&register(), "192.0.2.1", false);
        let requests: Vec<_> = (0..10).map(|_| use_one(&mut side)).collect();
        let replayed = side.verify(&first, "192.0.2.1", false);
        assert!(
            matches!(&replayed, Verdict::Challenge(lines) if lines[0].contains("stale=true")),
            "{replayed:?}"
        );
        assert_eq!(side.challenger.used.len(), 10);
        // Those that are younger are as good as ever.
        let unused = answered(waiting, &mut ClientDigest::new("cn".into()), &anna);
        assert_eq!(side.verify(&unused, "192.0.2.1", false), accepted());
        assert!(matches!(side.verify(&requests[9], "192.0.2.1", false), Verdict::Challenge(_)));
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
        side.now += NONCE_LIFE + Duration::from_secs(2);
        assert!(is_stale(side.verify(&request, "192.0.2.1", false)), "too old");
        side.challenger = Challenger::new([7; 32], 2, side.now);
        assert!(is_stale(side.verify(&request, "192.0.2.1", false)), "of an earlier run");
    }

    /// The credentials of a client whose challenge is `challenge`, with or without the right password.
    fn guess(challenge: &str, password: &str) -> Request {
        let verdict = Verdict::Challenge(vec![challenge.to_owned()]);
        answered(verdict, &mut ClientDigest::new("cn".into()), &credentials("anna", password))
    }

    #[test]
    fn a_nonce_that_does_not_serve_tells_nothing_of_the_password() {
        let mut side = Side::new();
        let Verdict::Challenge(ours) = side.verify(&register(), "192.0.2.1", false) else {
            panic!("no challenge")
        };
        let made_up = ["0.0.aa", "1.0.1.aa.aa", "x"].map(|nonce| {
            format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"")
        });
        for challenge in &made_up {
            for password in ["pw", "x"] {
                let verdict = side.verify(&guess(challenge, password), "192.0.2.1", false);
                let Verdict::MadeUp(lines) = verdict else { panic!("{challenge}: {verdict:?}") };
                assert!(!lines[0].contains("stale"));
            }
        }
        for password in ["pw", "x"] {
            let verdict = side.verify(&guess(&ours[0], password), "192.0.2.2", false);
            let Verdict::Challenge(lines) = verdict else { panic!("{verdict:?}") };
            assert!(lines[0].contains("stale=true"), "{password}");
        }
        let verdict = side.verify(&guess(&ours[0], "x"), "192.0.2.1", false);
        assert!(matches!(verdict, Verdict::Wrong { .. }), "{verdict:?}");
    }
}
