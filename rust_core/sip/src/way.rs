//! Where what we send goes, and over what. All of it is decided here:
//!
//! | what | where |
//! | --- | --- |
//! | a response | back by the way of its request: [`of_response`]; a 2xx that is repeated [`of_repeated_ok`] |
//! | the first request to a device | to its place, as it was seen; after a restart [`to_restored`] |
//! | the first request to a trunk | to its address, from a listener that fits: [`to_address`] |
//! | a request inside a dialog, the ACK of a 2xx | [`of_leg`], addressed as [`lay`] says |
//! | what a peer sends us | to our [`contact`] |

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::endpoint::{Flow, Listener, RestoredBinding, Transport, Trunk};
use crate::leg::Leg;
use crate::wire::{Address, HeaderName, Headers, Limits, Request, Scheme, Uri, Via, encode_user};

/// Where a response goes: back to the source, and on UDP to the port that the sender asks for (RFC 3261 §18.2.2,
/// RFC 3581 §4).
pub(crate) fn of_response(flow: Flow, request: &Request) -> Flow {
    if flow.transport.is_reliable() {
        return flow;
    }
    let top = request.headers.values(&HeaderName::Via).next();
    let Some(via) = top.as_deref().and_then(Via::parse) else { return flow };
    // Who names another address than we see is behind NAT, where only the way that it came leads back: *deviation*,
    // such a sender gets its answer there even if it doesn't ask for it.
    let is_seen_as_named = via.host.parse() == Ok(flow.peer.ip());
    if via.params.has("rport") || !is_seen_as_named {
        return flow;
    }
    Flow {
        peer: SocketAddr::new(flow.peer.ip(), via.port.unwrap_or(flow.transport.default_port())),
        ..flow
    }
}

/// Where a 2xx goes again that went to `first`: a phone may have come back by another connection than it asked by.
pub(crate) fn of_repeated_ok(first: Flow, leg: &Leg) -> Flow {
    if first.transport.is_reliable() { leg.flow } else { first }
}

/// The way to an address that has not written to us. `None` if we listen for nothing of the kind.
pub(crate) fn to_address(
    listeners: &[Listener],
    transport: Transport,
    peer: SocketAddr,
) -> Option<Flow> {
    let fits = |l: &Listener| l.transport == transport && l.advertised.is_ipv4() == peer.is_ipv4();
    let listener = listeners.iter().position(fits)?;
    Some(Flow { listener, transport, peer, connection: None })
}

/// Where a device of an earlier run can be reached. The connection of a stream is gone; a new one is made only to the
/// address that the register came from, at the port that its contact, or the proxy before it (RFC 3327 §5.3), names.
/// Whoever is behind NAT has to come back by itself, and no contact makes us connect to third parties. So has whoever
/// speaks TLS: no phone has a certificate that would show who has its address now. Browsers listen nowhere.
pub(crate) fn to_restored(binding: &RestoredBinding) -> Option<SocketAddr> {
    match binding.transport {
        Transport::Udp => Some(binding.source),
        Transport::Tcp => first_hop(binding.transport, &binding.path, &binding.contact)
            .filter(|hop| hop.ip() == binding.source.ip()),
        Transport::Tls | Transport::Ws | Transport::Wss => None,
    }
}

/// Where the next request of a leg goes.
pub(crate) fn of_leg(leg: &Leg) -> Flow {
    if !leg.is_proven {
        return leg.flow;
    }
    in_dialog(leg.flow, leg.trunk.as_deref(), &leg.routes, &leg.remote_target)
}

/// Where a request inside a dialog goes (RFC 3261 §12.2.1.1, §8.1.2). Devices are where they were seen: NATs let nothing
/// in by other ways. A trunk's requests go to the address that it names, if it names one of the family that we reach it
/// by. A stream stays on its connection; where that has gone, a new one is opened to the port that the same host names,
/// because its end of the old one is no place to listen.
pub(crate) fn in_dialog(
    flow: Flow,
    trunk: Option<&Trunk>,
    routes: &[String],
    target: &str,
) -> Flow {
    let Some(trunk) = trunk else { return flow };
    let has_lost = flow.connection.is_none() && !trunk.hosts.has(flow.peer);
    let is_ipv4 = |peer: SocketAddr| peer.ip().to_canonical().is_ipv4();
    let hop =
        first_hop(flow.transport, routes, target).filter(|hop| is_ipv4(*hop) == is_ipv4(flow.peer));
    match hop {
        Some(peer) if !flow.transport.is_reliable() => Flow { peer, ..flow },
        Some(peer) if has_lost && peer.ip() == flow.peer.ip() => Flow { peer, ..flow },
        _ => flow,
    }
}

/// Whether a leg goes on over `flow`, by which its device has registered anew with the phone `instance`, and not over the
/// connections that this phone has `left`. One that doesn't say which it is counts as the one that was at the same
/// address.
pub(crate) fn follows(leg: &Leg, flow: Flow, instance: Option<&str>, left: &[u64]) -> bool {
    let is_same_phone = match (leg.instance.as_deref(), instance) {
        (Some(one), Some(other)) => one == other,
        _ => leg.flow.peer.ip() == flow.peer.ip(),
    };
    match leg.flow.connection {
        // It may know before we do that the old one is broken.
        Some(connection) => left.contains(&connection),
        None => leg.flow.transport.is_reliable() && is_same_phone,
    }
}

/// Request-URI and Route values of a request inside a dialog (RFC 3261 §12.2.1.1).
pub(crate) fn lay(routes: &[String], target: &str) -> (String, Vec<String>) {
    let target = without_headers(target);
    if let Some((first, rest)) = routes.split_first()
        && let Some(strict) = Address::parse(first.as_bytes())
        && strict.parsed_uri().is_some_and(|uri| !uri.params.has("lr"))
    {
        // A strict router wants to be the Request-URI itself.
        let rest = rest.iter().cloned().chain([format!("<{target}>")]);
        return (without_headers(strict.uri).to_owned(), rest.collect());
    }
    (target.to_owned(), routes.to_vec())
}

/// What a peer on this flow is told about where we are.
pub(crate) fn advertised(listeners: &[Listener], flow: Flow) -> SocketAddr {
    let listener = listeners.get(flow.listener).or(listeners.first());
    listener.map_or(flow.peer, |listener| listener.advertised)
}

/// Our Contact for a peer on this flow; `sips:` where the call is (RFC 3261 §12.1.1).
pub(crate) fn contact(listeners: &[Listener], user: &str, flow: Flow, is_sips: bool) -> String {
    let user = encode_user(user);
    let at = if user.is_empty() { "" } else { "@" };
    let scheme = if is_sips { "sips" } else { "sip" };
    let transport = flow.transport.uri_parameter();
    format!("<{scheme}:{user}{at}{}{transport}>", advertised(listeners, flow))
}

/// Whether a URI asks for TLS on each hop (RFC 5630 §3).
pub(crate) fn is_sips(uri: &str) -> bool {
    Uri::parse(uri).is_some_and(|uri| uri.scheme == Scheme::Sips)
}

/// Where a peer wants requests: the address of the first Contact (RFC 3261 §12.1).
pub(crate) fn target_of(headers: &Headers) -> Option<String> {
    let contact = headers.values(&HeaderName::Contact).next()?;
    let uri = Address::parse(&contact)?.uri.to_owned();
    (uri.len() <= Limits::DATAGRAM.uri && Uri::parse(&uri).is_some()).then_some(uri)
}

/// The route set that a message gives to who was asked (RFC 3261 §12.1.1). Who asked turns it round (§12.1.2).
pub(crate) fn routes_of(headers: &Headers) -> Vec<String> {
    bounded(headers.values(&HeaderName::RecordRoute))
}

/// The way back to who registers through proxies (RFC 3327 §5.3).
pub(crate) fn path_of(headers: &Headers) -> Vec<String> {
    bounded(headers.values(&HeaderName::Path))
}

fn bounded(values: impl Iterator<Item = Bytes>) -> Vec<String> {
    let values = values.filter(|value| value.len() <= Limits::DATAGRAM.uri).take(MAX_ROUTES);
    values.map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
}

/// The address of the first route, else of the target. `None` where that is no single host's: names are not looked up.
fn first_hop(transport: Transport, routes: &[String], target: &str) -> Option<SocketAddr> {
    let route = routes.first().and_then(|route| Address::parse(route.as_bytes()));
    let uri = Uri::parse(route.as_ref().map_or(target, |route| route.uri))?;
    let is_one_host = |ip: &IpAddr| !(ip.is_unspecified() || ip.is_multicast());
    let ip = uri.host.parse().ok().filter(is_one_host)?;
    Some(SocketAddr::new(ip, uri.port.unwrap_or(transport.default_port())))
}

/// RFC 3261 §19.1.1: the part after the question mark has no place in a Request-URI.
fn without_headers(uri: &str) -> &str {
    let headers = Uri::parse(uri).and_then(|uri| uri.headers);
    headers.map_or(uri, |headers| &uri[..uri.len() - headers.len() - 1])
}

/// More proxies than this are a loop or an attack.
const MAX_ROUTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::LegId;
    use crate::endpoint::tests::{CARRIER, PHONE, peer, trunk, udp};
    use crate::wire::{Message, parse};
    use std::time::Duration;

    fn tcp(connection: Option<u64>, from: &str) -> Flow {
        Flow { listener: 1, transport: Transport::Tcp, peer: peer(from), connection }
    }

    fn listeners() -> [Listener; 3] {
        [
            (Transport::Udp, "192.0.2.1:5060"),
            (Transport::Tcp, "192.0.2.1:5070"),
            (Transport::Udp, "[2001:db8::1]:5060"),
        ]
        .map(|(transport, address)| Listener { transport, advertised: peer(address) })
    }

    #[test]
    fn responses_go_back_to_the_source_and_to_the_port_that_is_asked_for() {
        let reply = |flow, via: &str| {
            let text = format!(
                "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bK1\r\n\
                From: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"
            );
            let Ok(Message::Request(request)) = parse(text.into(), &Limits::DATAGRAM) else {
                panic!("no request")
            };
            of_response(flow, &request).peer.to_string()
        };
        let seen = "203.0.113.5:40000";
        assert_eq!(reply(udp(seen), "203.0.113.5:5080"), "203.0.113.5:5080");
        assert_eq!(reply(udp(seen), "203.0.113.5"), "203.0.113.5:5060");
        assert_eq!(reply(udp(seen), "203.0.113.5:5080;rport"), seen);
        assert_eq!(reply(udp(seen), "10.0.0.7:5080"), seen, "behind NAT");
        assert_eq!(reply(udp(seen), "pbx.example"), seen);
        assert_eq!(reply(tcp(Some(1), seen), "203.0.113.5:5080"), seen);
    }

    #[test]
    fn a_repeated_2xx_follows_a_phone_to_its_new_connection() {
        let asked = udp("203.0.113.5:5080");
        assert_eq!(of_repeated_ok(asked, &Leg::new(LegId(1), udp(PHONE))), asked);
        let moved = Leg::new(LegId(1), tcp(Some(2), PHONE));
        assert_eq!(of_repeated_ok(tcp(Some(1), PHONE), &moved), moved.flow);
    }

    #[test]
    fn an_address_is_reached_from_a_listener_of_its_kind() {
        let listener =
            |transport, address| Some(to_address(&listeners(), transport, peer(address))?.listener);
        assert_eq!(listener(Transport::Udp, CARRIER), Some(0));
        assert_eq!(listener(Transport::Tcp, CARRIER), Some(1));
        assert_eq!(listener(Transport::Udp, "[2001:db8::9]:5060"), Some(2));
        assert_eq!(listener(Transport::Tcp, "[2001:db8::9]:5060"), None);
    }

    #[test]
    fn a_phone_behind_a_nat_is_where_it_was_seen() {
        let routes = ["<sip:198.51.100.3;lr>".to_owned()];
        for flow in [udp(PHONE), tcp(Some(1), PHONE), tcp(None, PHONE)] {
            assert_eq!(in_dialog(flow, None, &[], "sip:anna@10.0.0.7:5060"), flow);
            assert_eq!(in_dialog(flow, None, &routes, "sip:anna@203.0.113.5"), flow);
        }
    }

    #[test]
    fn a_trunk_by_datagrams_is_where_it_says() {
        let trunk = trunk("carrier", CARRIER);
        let hop = |routes: &[&str], target| {
            let routes: Vec<String> = routes.iter().map(|r| (*r).to_owned()).collect();
            in_dialog(udp(CARRIER), Some(&trunk), &routes, target).peer.to_string()
        };
        assert_eq!(hop(&[], "sip:gw@198.51.100.20:5070"), "198.51.100.20:5070");
        assert_eq!(hop(&[], "sip:gw@198.51.100.20"), "198.51.100.20:5060");
        let loose = "<sip:198.51.100.30:5090;lr>";
        assert_eq!(hop(&[loose, "<sip:y>"], "sip:gw@198.51.100.20"), "198.51.100.30:5090");
        assert_eq!(hop(&["<sip:198.51.100.31>"], "sip:gw@198.51.100.20"), "198.51.100.31:5060");
        let nowheres = [
            "sip:gw@gw.example",
            "sip:gw@0.0.0.0",
            "sip:gw@239.1.1.1",
            "sip:gw@[2001:db8::1]",
            "tel:+7",
            "",
        ];
        for nowhere in nowheres {
            assert_eq!(hop(&[], nowhere), CARRIER, "{nowhere}");
        }
        assert_eq!(hop(&["<sip:proxy.example;lr>"], "sip:gw@198.51.100.20"), CARRIER);
        let mapped =
            in_dialog(udp("[::ffff:198.51.100.9]:5060"), Some(&trunk), &[], "sip:gw@198.51.100.20");
        assert_eq!(mapped.peer, peer("198.51.100.20:5060"), "one socket for both families");
    }

    #[test]
    fn a_trunk_by_stream_stays_on_its_connection_and_is_sought_on_its_host_when_that_is_gone() {
        let trunk = trunk("carrier", CARRIER);
        let hop = |flow, target| in_dialog(flow, Some(&trunk), &[], target);
        let (open, lost) = (tcp(Some(7), "198.51.100.9:41000"), tcp(None, "198.51.100.9:41000"));
        assert_eq!(hop(open, "sip:gw@198.51.100.9:5070"), open);
        assert_eq!(hop(lost, "sip:gw@198.51.100.9:5070"), tcp(None, "198.51.100.9:5070"));
        assert_eq!(hop(lost, "sip:gw@198.51.100.20:5070"), lost, "another host's");
        let ours = tcp(None, CARRIER);
        assert_eq!(hop(ours, "sip:gw@198.51.100.9:5070"), ours, "where we call it listens");
    }

    #[test]
    fn until_it_is_proven_a_leg_is_led_nowhere_else() {
        let mut leg = Leg::new(LegId(1), udp(CARRIER));
        leg.trunk = Some(trunk("carrier", CARRIER).into());
        leg.remote_target = "sip:gw@198.51.100.20".to_owned();
        leg.is_proven = false;
        assert_eq!(of_leg(&leg), udp(CARRIER));
        leg.is_proven = true;
        assert_eq!(of_leg(&leg), udp("198.51.100.20:5060"));
    }

    #[test]
    fn a_call_follows_its_own_phone_only() {
        let (new, elsewhere) = (tcp(Some(2), "203.0.113.5:50000"), "203.0.113.99:1");
        let follows = |connection, from, of_leg: Option<&str>, instance, left: &[u64]| {
            let mut leg = Leg::new(LegId(1), tcp(connection, from));
            leg.instance = of_leg.map(str::to_owned);
            follows(&leg, new, instance, left)
        };
        assert!(follows(Some(1), PHONE, None, None, &[1]), "it left the connection");
        assert!(!follows(Some(1), PHONE, None, None, &[3]), "that one is another phone's");
        assert!(follows(None, elsewhere, Some("a"), Some("a"), &[]), "the connection is gone");
        assert!(!follows(None, PHONE, Some("a"), Some("b"), &[]));
        assert!(follows(None, PHONE, None, Some("b"), &[]), "the same address");
        assert!(!follows(None, elsewhere, None, None, &[]));
        let datagrams = Leg::new(LegId(1), udp(PHONE));
        assert!(!super::follows(&datagrams, new, None, &[]), "nothing of it is gone");
    }

    #[test]
    fn a_strict_router_becomes_the_request_uri_and_a_loose_one_does_not() {
        let target = "sip:gw@198.51.100.20?Subject=x";
        let (bare, loose, strict) = ("sip:gw@198.51.100.20", "<sip:a;lr>", "<sip:b?x=y>");
        let laid = |routes: &[&str]| {
            let routes: Vec<String> = routes.iter().map(|r| (*r).to_owned()).collect();
            lay(&routes, target)
        };
        assert_eq!(laid(&[]), (bare.to_owned(), vec![]));
        let both = [loose, strict].map(str::to_owned).to_vec();
        assert_eq!(laid(&[loose, strict]), (bare.to_owned(), both));
        let after = vec![loose.to_owned(), format!("<{bare}>")];
        assert_eq!(laid(&[strict, loose]), ("sip:b".to_owned(), after));
        assert_eq!(laid(&["nonsense"]), (bare.to_owned(), vec!["nonsense".to_owned()]));
    }

    #[test]
    fn a_restored_stream_is_opened_only_to_where_the_register_came_from() {
        let found = |transport, path: &[&str], contact: &str| {
            let place = RestoredBinding {
                company: String::new(),
                device: String::new(),
                contact: contact.to_owned(),
                source: peer(PHONE),
                transport,
                expires_in: Duration::ZERO,
                call_id: String::new(),
                cseq: 1,
                user_agent: String::new(),
                path: path.iter().map(|hop| (*hop).to_owned()).collect(),
                instance: None,
            };
            to_restored(&place).map(|address| address.to_string())
        };
        let (own, other) = ("sip:a@203.0.113.5:5080", "sip:a@192.0.2.77:22");
        assert_eq!(found(Transport::Udp, &[], other).as_deref(), Some(PHONE));
        assert_eq!(found(Transport::Tcp, &[], own).as_deref(), Some("203.0.113.5:5080"));
        assert_eq!(found(Transport::Tcp, &[], other), None);
        assert_eq!(found(Transport::Tls, &[], own), None, "it has no certificate to show");
        assert_eq!(found(Transport::Ws, &[], own), None, "it does not listen");
        let proxy = "<sip:203.0.113.5:5090;lr>";
        assert_eq!(found(Transport::Tcp, &[proxy], other).as_deref(), Some("203.0.113.5:5090"));
    }

    #[test]
    fn our_contact_is_what_its_listener_is_known_as() {
        let listeners = listeners();
        let contact = |user, flow| contact(&listeners, user, flow, false);
        assert_eq!(contact("anna", udp(PHONE)), "<sip:anna@192.0.2.1:5060>");
        assert_eq!(contact("", tcp(None, PHONE)), "<sip:192.0.2.1:5070;transport=tcp>");
        let v6 = Flow { listener: 2, ..udp("[2001:db8::9]:5060") };
        assert_eq!(contact("a b", v6), "<sip:a%20b@[2001:db8::1]:5060>");
        let tls = Flow { transport: Transport::Tls, ..tcp(None, PHONE) };
        assert_eq!(contact("", tls), "<sip:192.0.2.1:5070;transport=tls>");
        let secure = super::contact(&listeners, "", tls, true);
        assert_eq!(secure, "<sips:192.0.2.1:5070;transport=tls>");
    }

    #[test]
    fn what_names_a_way_is_bounded() {
        let mut headers = Headers::new();
        let long = format!("<sip:{}@x;lr>", "y".repeat(5_000));
        headers.push(HeaderName::RecordRoute, format!("{long}, <sip:a;lr>, <sip:b,c@d;lr>"));
        headers.push(HeaderName::Path, ["<sip:p;lr>"; 40].join(","));
        headers.push(HeaderName::Contact, format!("<sip:{}@x>", "y".repeat(5_000)));
        assert_eq!(routes_of(&headers), ["<sip:a;lr>", "<sip:b,c@d;lr>"]);
        assert_eq!(path_of(&headers).len(), MAX_ROUTES);
        assert_eq!(target_of(&headers), None);
    }
}
