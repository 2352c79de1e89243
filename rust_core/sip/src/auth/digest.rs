//! What both sides compute (RFC 7616 §3.4), and how they write it.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::wire::Params;

/// The hash of a challenge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// What every phone knows.
    Md5,
    /// RFC 8760.
    Sha256,
}

impl Algorithm {
    /// Its name in a header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Reads a name; a header without one means MD5.
    pub fn parse(name: Option<&str>) -> Option<Self> {
        match name {
            None => Some(Self::Md5),
            Some(name) => [Self::Md5, Self::Sha256]
                .into_iter()
                .find(|a| a.as_str().eq_ignore_ascii_case(name)),
        }
    }

    /// Hash of `text` in lower-case hexadecimal.
    pub(super) fn hex(self, text: &str) -> String {
        note_hash();
        match self {
            Self::Md5 => to_hex(&Md5::digest(text)),
            Self::Sha256 => to_hex(&Sha256::digest(text)),
        }
    }
}

/// Counts a hash or HMAC, in tests only: they show that the same work is done for everybody.
#[inline]
pub(crate) fn note_hash() {
    #[cfg(test)]
    HASHES.with(|hashes| hashes.set(hashes.get() + 1));
}

/// Hashes and HMACs made by this thread.
#[cfg(test)]
pub(crate) fn hashes() -> u64 {
    HASHES.with(std::cell::Cell::get)
}

#[cfg(test)]
thread_local! {
    static HASHES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// H(username:realm:password): what is stored instead of the password.
pub fn ha1(username: &str, realm: &str, password: &str, algorithm: Algorithm) -> String {
    algorithm.hex(&format!("{username}:{realm}:{password}"))
}

/// What goes into a response beside the secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    /// nc, cnonce of qop=auth; `None` for the form of RFC 2069.
    pub(super) qop: Option<(&'a str, &'a str)>,
}

pub(super) fn response(algorithm: Algorithm, ha1: &str, inputs: Inputs<'_>) -> String {
    let Inputs { method, uri, nonce, qop } = inputs;
    let ha2 = algorithm.hex(&format!("{method}:{uri}"));
    algorithm.hex(&match qop {
        Some((nc, cnonce)) => format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}"),
        None => format!("{ha1}:{nonce}:{ha2}"),
    })
}

/// A `Digest` header value taken apart at its commas.
#[derive(Clone, Debug)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// `None` if the scheme is another one, or there are more fields than anybody sends.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.trim();
        let (scheme, rest) = text.split_once(|c: char| c.is_ascii_whitespace())?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let separated = crate::wire::split_commas(&bytes::Bytes::copy_from_slice(rest.as_bytes()));
        if separated.len() > MAX_FIELDS {
            return None;
        }
        let mut fields = Vec::with_capacity(separated.len());
        for part in &separated {
            let part = std::str::from_utf8(part).ok()?;
            for (name, value) in Params(part).iter() {
                fields.push((name.to_ascii_lowercase(), value?.to_owned()));
            }
        }
        Some(Self(fields))
    }

    /// Which use of the nonce this is (RFC 7616 §3.4). `None` in the form of RFC 2069, whatever else it says; 0, which
    /// no use has, if it cannot be read.
    pub(super) fn count(&self) -> Option<u32> {
        self.value("qop")?;
        let count = self.value("nc").and_then(|nc| u32::from_str_radix(nc, 16).ok());
        Some(count.unwrap_or(0))
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Compares without telling by its time where the difference is.
pub(super) fn is_equal(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(2 * bytes.len());
    for &byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

const MAX_FIELDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let inputs = Inputs {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            qop: Some(("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")),
        };
        let expected = [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, hash) in expected {
            let ha1 = ha1("Mufasa", "http-auth@example.org", "Circle of Life", algorithm);
            assert_eq!(response(algorithm, &ha1, inputs), hash);
        }
    }

    #[test]
    fn fields_are_read_with_commas_inside_quotes() {
        let fields =
            Fields::parse(b"Digest realm=\"a, b\", nonce=n,qop = \"auth,auth-int\"").unwrap();
        assert_eq!(fields.value("realm"), Some("a, b"));
        assert_eq!(fields.value("qop"), Some("auth,auth-int"));
        assert!(Fields::parse(b"Basic abc").is_none());
    }
}
