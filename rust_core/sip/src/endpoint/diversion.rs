//! For whom a call was before it was forwarded: Diversion (RFC 5806) and History-Info (RFC 7044), told and read.

use super::profile::Forwarding;
use super::{CallerId, Diverted};
use crate::wire::{Address, HeaderName, Request, display_text, encode_user};

/// The headers that tell a trunk of it; `target` is the Request-URI that the call goes to.
pub(super) fn told(
    caller: &CallerId,
    domain: &str,
    target: &str,
    forwarding: Forwarding,
) -> Vec<(HeaderName, String)> {
    let Some(diverted) = &caller.diverted else { return Vec::new() };
    let first = format!("sip:{}@{domain}", encode_user(&diverted.number));
    let reason = known(&diverted.reason);
    let mut headers = Vec::new();
    if matches!(forwarding, Forwarding::Diversion | Forwarding::Both) {
        let value = format!("<{first}>;reason={};counter={}", reason.0, diverted.count.max(1));
        headers.push((HeaderName::Diversion, value));
    }
    if matches!(forwarding, Forwarding::HistoryInfo | Forwarding::Both) {
        // RFC 4458 §2: why stands in the address that the call was led to.
        let value = format!("<{first}>;index=1, <{target};cause={}>;index=1.1;mp=1", reason.1);
        headers.push((HeaderName::HistoryInfo, value));
    }
    headers
}

/// What a carrier says of it; `None`: the call is for whom it was from the beginning.
pub(super) fn read(request: &Request) -> Option<Diverted> {
    let diversion = of_diversion(request);
    let history = of_history(request);
    match (diversion, history) {
        (Some(one), Some(other)) => Some(Diverted { count: one.count.max(other.count), ..one }),
        (one, other) => one.or(other),
    }
}

/// The newest stands first, the one who was called first last (RFC 5806 §4).
fn of_diversion(request: &Request) -> Option<Diverted> {
    let lines: Vec<_> = request.headers.values(&HeaderName::Diversion).take(MAX_ENTRIES).collect();
    let entries: Vec<_> = lines.iter().filter_map(|line| Address::parse(line)).collect();
    let count = entries.iter().map(|entry| {
        let counter = entry.params.value("counter").and_then(|counter| counter.parse().ok());
        counter.unwrap_or(1_u32).clamp(1, MAX_COUNT)
    });
    let count = count.sum::<u32>().min(MAX_COUNT);
    let reason = known(entries.first()?.params.value("reason").unwrap_or("")).0;
    let number = user_of(entries.last()?)?;
    Some(Diverted { number, reason: reason.to_owned(), count })
}

/// An entry that the call was led to for a reason is a diversion of the one before it (RFC 7044 §9.1, RFC 4458).
fn of_history(request: &Request) -> Option<Diverted> {
    let lines: Vec<_> =
        request.headers.values(&HeaderName::HistoryInfo).take(MAX_ENTRIES).collect();
    let entries: Vec<_> = lines.iter().filter_map(|line| Address::parse(line)).collect();
    let causes: Vec<u16> = entries.iter().filter_map(|entry| cause_in(entry.uri)).collect();
    let reason = REASONS.iter().find(|(_, cause)| Some(cause) == causes.last());
    let number = user_of(entries.first().filter(|_| !causes.is_empty())?)?;
    let count = u32::try_from(causes.len()).unwrap_or(MAX_COUNT);
    let reason = reason.map_or(UNKNOWN, |(name, _)| name);
    Some(Diverted { number, reason: reason.to_owned(), count })
}

/// `cause=486` of an address, as a parameter (RFC 4458) or inside an escaped Reason (RFC 7044 §10.2).
fn cause_in(uri: &str) -> Option<u16> {
    let text = uri.to_ascii_lowercase().replace("%3d", "=");
    let (_, rest) = text.split_once("cause=")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn user_of(entry: &Address<'_>) -> Option<String> {
    let user = entry.parsed_uri()?.user()?;
    Some(display_text(user.as_bytes()))
}

/// A reason that RFC 5806 §4.3 knows, with its cause (RFC 4458 §2).
fn known(reason: &str) -> (&'static str, u16) {
    let known = REASONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(reason));
    known.copied().unwrap_or((UNKNOWN, 404))
}

const UNKNOWN: &str = "unknown";
const REASONS: [(&str, u16); 8] = [
    ("unconditional", 302),
    ("user-busy", 486),
    ("no-answer", 408),
    ("unavailable", 503),
    ("deflection", 480),
    // Those without a cause of their own are told as what comes nearest.
    ("do-not-disturb", 486),
    ("follow-me", 302),
    ("time-of-day", 302),
];
/// More entries than a call can have gone through.
const MAX_ENTRIES: usize = 32;
const MAX_COUNT: u32 = 1_000;
