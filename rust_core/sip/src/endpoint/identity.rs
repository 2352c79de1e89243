//! Who calls: what From, P-Asserted-Identity, Remote-Party-ID and Privacy say (RFC 3261 §8.1.1.3, RFC 3323, RFC 3325).

use super::gate::Sender;
use super::profile::Identity;
use super::{CallerId, Trunk};
use crate::wire::{Address, HeaderName, Request, display_text, encode_user, quoted};

/// Our From, without tag, and what else an INVITE says of who calls.
pub(super) fn told(
    caller: &CallerId,
    domain: &str,
    trunk: Option<&Trunk>,
) -> (String, Vec<(HeaderName, String)>) {
    let name = match caller.name.is_empty() {
        true => String::new(),
        false => format!("{} ", quoted(&caller.name)),
    };
    let number = if caller.number.is_empty() { ANONYMOUS } else { &caller.number };
    let address = format!("{name}<sip:{}@{domain}>", encode_user(number));
    let Some(profile) = trunk.map(|trunk| &trunk.profile) else { return (address, Vec::new()) };
    let mut headers = Vec::new();
    // Nobody but the trust domain learns who hides (RFC 3325 §7).
    if !caller.number.is_empty() && (profile.is_trusted || !caller.is_hidden) {
        let privacy = if caller.is_hidden { "full" } else { "off" };
        let identity = match profile.identity {
            Identity::From => None,
            Identity::Asserted => Some((HeaderName::PAssertedIdentity, address.clone())),
            Identity::Preferred => Some((HeaderName::PPreferredIdentity, address.clone())),
            Identity::RemoteParty => {
                let value = format!("{address};party=calling;privacy={privacy};screen=yes");
                Some((HeaderName::RemotePartyId, value))
            }
        };
        headers.extend(identity);
    }
    if !caller.is_hidden {
        return (address, headers);
    }
    headers.push((HeaderName::Privacy, "id".to_owned()));
    (UNNAMED.to_owned(), headers)
}

/// Who calls by this INVITE; who hides has neither number nor name.
pub(super) fn caller(request: &Request, sender: &Sender) -> CallerId {
    let from = request.headers.line(&HeaderName::From).cloned();
    let (identity, hides) = match sender {
        // Whoever is not trusted may assert anything.
        Sender::Trunk(trunk) if trunk.profile.is_trusted => {
            let asserted = request.headers.values(&HeaderName::PAssertedIdentity).next();
            let is = |line: &[u8], name, wanted: &[&str], missing| {
                let value = Address::parse(line).and_then(|party| party.params.value(name));
                value.map_or(missing, |value| wanted.iter().any(|w| value.eq_ignore_ascii_case(w)))
            };
            let mut parties = request.headers.lines(&HeaderName::RemotePartyId);
            let calling = parties.find(|line| is(line, "party", &["calling"], true));
            let hides =
                calling.is_some_and(|line| is(line, "privacy", &["full", "name", "uri"], false));
            (asserted.or(calling.cloned()).or(from), hides)
        }
        _ => (from, false),
    };
    let address = identity.as_deref().and_then(Address::parse);
    let number = address.as_ref().and_then(|a| a.parsed_uri()?.user()).unwrap_or_default();
    let from_hides = request
        .headers
        .line(&HeaderName::From)
        .and_then(|from| Address::parse(from)?.parsed_uri()?.user())
        .is_some_and(|user| user.eq_ignore_ascii_case(ANONYMOUS));
    let name = address.as_ref().map(Address::display_name).unwrap_or_default();
    if hides || from_hides || is_private(request) || number.eq_ignore_ascii_case(ANONYMOUS) {
        return CallerId { is_hidden: true, ..CallerId::default() };
    }
    let number = match sender {
        // A device is who it has proved to be; its From may only ask not to be named.
        Sender::Device(account) => account.username.clone(),
        Sender::Trunk(_) => number,
    };
    CallerId { number: display_text(number.as_bytes()), name, ..CallerId::default() }
}

/// Whether the caller hides who they are (RFC 3323 §4.2, RFC 3325 §9.3). A carrier still asserts the number, for hosts
/// that it trusts not to pass it on; phones, records and events are no such hosts.
fn is_private(request: &Request) -> bool {
    let hides = |word: &str| ["id", "user", "header"].iter().any(|w| word.eq_ignore_ascii_case(w));
    request
        .headers
        .lines(&HeaderName::Privacy)
        .any(|line| String::from_utf8_lossy(line).split([';', ',']).any(|word| hides(word.trim())))
}

/// User part of who doesn't want to be named (RFC 3323 §4.1.1.3).
const ANONYMOUS: &str = "anonymous";
/// RFC 3323 §4.1.1.3: who is not named is nowhere either.
const UNNAMED: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
