//! The side that answers: our trunks, and our test phones.

use bytes::Bytes;

use super::digest::{Algorithm, Fields, Inputs, response};
use super::server::Secrets;

/// Who we are towards one peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// User name of the digest.
    pub username: String,
    /// The only realm that we answer to: a peer must not make us prove a secret of somebody else's.
    pub realm: String,
    /// The secret.
    pub secrets: Secrets,
}

/// The newest challenge of one peer, and how often it was used.
#[derive(Clone, Debug)]
pub struct ClientDigest {
    challenge: Option<Challenge>,
    cnonce: String,
    count: u32,
}

#[derive(Clone, Debug)]
struct Challenge {
    algorithm: Algorithm,
    nonce: String,
    opaque: Option<String>,
    with_qop: bool,
}

/// The realm that a digest challenge names.
pub(crate) fn realm_of(value: &[u8]) -> Option<String> {
    Some(Fields::parse(value)?.value("realm")?.to_owned())
}

impl ClientDigest {
    /// `cnonce` must be random.
    pub fn new(cnonce: String) -> Self {
        Self { challenge: None, cnonce, count: 0 }
    }

    /// Takes the first challenge that we can and may answer (RFC 8760 §2.4). False if there is none.
    pub fn accept_challenge(&mut self, values: &[Bytes], credentials: &Credentials) -> bool {
        let usable = values.iter().filter_map(|value| Fields::parse(value)).find_map(|fields| {
            let algorithm = Algorithm::parse(fields.value("algorithm"))?;
            let qop = fields.value("qop");
            let with_qop = qop
                .is_some_and(|qop| qop.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
            let is_ours = fields.value("realm") == Some(credentials.realm.as_str());
            let has_secret =
                algorithm == Algorithm::Md5 || credentials.secrets.ha1_sha256.is_some();
            let nonce = fields
                .value("nonce")
                .filter(|nonce| !nonce.is_empty() && !nonce.contains('"'))?
                .to_owned();
            let opaque = fields.value("opaque").map(str::to_owned);
            (is_ours && has_secret && (with_qop || qop.is_none())).then_some(Challenge {
                algorithm,
                nonce,
                opaque,
                with_qop,
            })
        });
        if let Some(challenge) = usable {
            if self.challenge.as_ref().is_none_or(|old| old.nonce != challenge.nonce) {
                self.count = 0;
            }
            self.challenge = Some(challenge);
            return true;
        }
        false
    }

    /// The value of Authorization or Proxy-Authorization for the next request; `None` before any challenge.
    pub fn authorize(
        &mut self,
        method: &str,
        uri: &str,
        credentials: &Credentials,
    ) -> Option<String> {
        let Challenge { algorithm, nonce, opaque, with_qop } = self.challenge.as_ref()?;
        let ha1 = match algorithm {
            Algorithm::Md5 => &credentials.secrets.ha1_md5,
            Algorithm::Sha256 => credentials.secrets.ha1_sha256.as_ref()?,
        };
        self.count += 1;
        let nc = format!("{:08x}", self.count);
        let qop = with_qop.then_some((nc.as_str(), self.cnonce.as_str()));
        let hash = response(*algorithm, ha1, Inputs { method, uri, nonce, qop });
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{hash}\", algorithm={}",
            credentials.username,
            credentials.realm,
            algorithm.as_str()
        );
        if let Some((nc, cnonce)) = qop {
            value.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        let secrets = Secrets { ha1_md5: "a".into(), ha1_sha256: None };
        Credentials { username: "u".into(), realm: "mine".into(), secrets }
    }

    #[test]
    fn only_the_pinned_realm_and_known_hashes_are_answered() {
        let mut client = ClientDigest::new("cn".into());
        for foreign in [
            "Digest realm=\"other\", nonce=\"n\"",
            "Digest realm=\"mine\", nonce=\"n\", algorithm=SHA-256",
            "Digest realm=\"mine\", nonce=\"n\", qop=\"auth-int\"",
            "Basic realm=\"mine\"",
        ] {
            assert!(!client.accept_challenge(&[Bytes::from(foreign)], &credentials()), "{foreign}");
            assert_eq!(client.authorize("INVITE", "sip:x", &credentials()), None);
        }
        assert!(
            client.accept_challenge(&["Digest realm=\"mine\", nonce=\"n\"".into()], &credentials())
        );
    }

    #[test]
    fn the_count_goes_up_and_starts_anew_with_a_new_nonce() {
        let mut client = ClientDigest::new("cn".into());
        let challenge = |nonce: &str| {
            [Bytes::from(format!("Digest realm=\"mine\", nonce=\"{nonce}\", qop=\"auth\""))]
        };
        let mut counts = Vec::new();
        for nonce in ["1", "1", "2"] {
            assert!(client.accept_challenge(&challenge(nonce), &credentials()));
            let value = client.authorize("INVITE", "sip:x", &credentials()).unwrap();
            counts.push(value.split("nc=").nth(1).unwrap()[..8].to_owned());
        }
        assert_eq!(counts, ["00000001", "00000002", "00000001"]);
    }
}
