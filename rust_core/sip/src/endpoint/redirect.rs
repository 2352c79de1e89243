//! Phones that send callers on (RFC 3261 §8.1.3.4, §21.3): we follow no Contact, but tell the number that it names.

use std::net::IpAddr;

use super::Listener;
use crate::leg::Leg;
use crate::wire::{Address, HeaderName, Response, Scheme, display_text};

/// The number to which a device sends its callers, at the exchange or in its company's domain; "" for none. What a trunk
/// names is for its own proxies, and another host's addresses are none that we call.
pub(super) fn moved_to(leg: &Leg, listeners: &[Listener], response: &Response) -> String {
    let number = || {
        let account = leg.account.as_ref().filter(|_| (300..=302).contains(&response.status))?;
        let contact = response.headers.values(&HeaderName::Contact).next()?;
        let address = Address::parse(&contact)?;
        let uri = address.parsed_uri()?;
        let host = uri.host.trim_start_matches('[').trim_end_matches(']');
        let is_ours = |ip: IpAddr| listeners.iter().any(|listener| listener.advertised.ip() == ip);
        let is_here = uri.scheme == Scheme::Tel
            || uri.host.eq_ignore_ascii_case(&account.realm)
            || host.parse().is_ok_and(is_ours);
        uri.user().filter(|_| is_here)
    };
    number().map_or_else(String::new, |number| display_text(number.as_bytes()))
}
