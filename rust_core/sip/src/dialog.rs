//! Requests inside a dialog (RFC 3261 §12.2.1), and what a response tells about its dialog.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use crate::endpoint::{Flow, Trunk};
use crate::leg::Leg;
use crate::wire::{Address, HeaderName, Limits, Method, Request, Response, Uri, split_commas};

/// The next request of a leg, without Via and Contact.
pub(crate) fn request(leg: &mut Leg, method: Method) -> Request {
    if method != Method::Ack {
        leg.local_cseq += 1;
    }
    let identity = Identity {
        target: &leg.remote_target,
        routes: &leg.routes,
        from: &format!("{};tag={}", leg.local, leg.local_tag),
        to: &leg.remote,
        call_id: &leg.call_id,
    };
    identity.request(method, leg.local_cseq)
}

/// Who talks to whom.
struct Identity<'a> {
    target: &'a str,
    routes: &'a [String],
    from: &'a str,
    to: &'a str,
    call_id: &'a str,
}

impl Identity<'_> {
    fn request(&self, method: Method, cseq: u32) -> Request {
        let is_loose = |route: &String| {
            Address::parse(route.as_bytes())
                .and_then(|a| Some(a.parsed_uri()?.params.has("lr")))
                .unwrap_or(true)
        };
        let mut routes = self.routes.to_vec();
        let mut uri = self.target.to_owned();
        if routes.first().is_some_and(|first| !is_loose(first)) {
            // RFC 3261 §12.2.1.1: a strict router wants to be the Request-URI itself.
            let first = routes.remove(0);
            let strict =
                Address::parse(first.as_bytes()).map_or_else(String::new, |a| a.uri.to_owned());
            routes.push(format!("<{uri}>"));
            uri = strict;
        }
        let name = method.as_str().to_owned();
        let mut request = Request::new(method, without_headers(&uri));
        for route in routes {
            request.headers.push(HeaderName::Route, route);
        }
        request.headers.push(HeaderName::MaxForwards, "70");
        request.headers.push(HeaderName::From, self.from.to_owned());
        request.headers.push(HeaderName::To, self.to.to_owned());
        request.headers.push(HeaderName::CallId, self.call_id.to_owned());
        request.headers.push(HeaderName::CSeq, format!("{cseq} {name}"));
        request
    }
}

/// RFC 3261 §19.1.1: the part after the question mark has no place in a Request-URI.
fn without_headers(uri: &str) -> &str {
    let headers = Uri::parse(uri).and_then(|uri| uri.headers);
    headers.map_or(uri, |headers| &uri[..uri.len() - headers.len() - 1])
}

/// What ends a 2xx that nobody waits for any more: a late fork, or one that crossed our CANCEL.
pub(crate) struct Farewell {
    pub(crate) ack: Request,
    pub(crate) bye: Request,
    /// Where both go.
    pub(crate) flow: Flow,
}

/// ACK and BYE for such a 2xx, which came over `flow`. `None` if it lacks what a dialog needs.
pub(crate) fn farewell(flow: Flow, trunk: Option<&Trunk>, response: &Response) -> Option<Farewell> {
    let text = |name| response.headers.text(&name);
    let (target, routes) = (contact_of(&response.headers)?, routes_of_response(response));
    let cseq = response.cseq()?.number;
    let identity = Identity {
        target: &target,
        routes: &routes,
        from: text(HeaderName::From)?,
        to: text(HeaderName::To)?,
        call_id: text(HeaderName::CallId)?,
    };
    Some(Farewell {
        ack: identity.request(Method::Ack, cseq),
        bye: identity.request(Method::Bye, cseq.saturating_add(1)),
        flow: next_hop(flow, trunk, &routes, &target),
    })
}

/// The tag of a From or To value, "" without one.
pub(crate) fn tag_of(value: Option<&Bytes>) -> String {
    let address = value.and_then(|value| Address::parse(value));
    address.and_then(|address| address.tag()).unwrap_or("").to_owned()
}

/// The address of the first Contact.
pub(crate) fn contact_of(headers: &crate::wire::Headers) -> Option<String> {
    let contact = headers.values(&HeaderName::Contact).next()?;
    let uri = Address::parse(&contact)?.uri.to_owned();
    (uri.len() <= Limits::DATAGRAM.uri && Uri::parse(&uri).is_some()).then_some(uri)
}

/// Whether who wrote this takes an UPDATE (RFC 3311 §4).
pub(crate) fn allows_update(headers: &crate::wire::Headers) -> bool {
    headers.has_token(&HeaderName::Allow, "UPDATE")
}

/// The route set that a response gives to who asked: Record-Route, turned round (RFC 3261 §12.1.2).
pub(crate) fn routes_of_response(response: &Response) -> Vec<String> {
    let mut routes = record_routes(&response.headers);
    routes.reverse();
    routes
}

/// The route set that a request gives to who was asked (RFC 3261 §12.1.1).
pub(crate) fn record_routes(headers: &crate::wire::Headers) -> Vec<String> {
    let lines = headers.values(&HeaderName::RecordRoute).take(MAX_ROUTES);
    let lines = lines.filter(|line| line.len() <= Limits::DATAGRAM.uri);
    lines.map(|line: Bytes| String::from_utf8_lossy(&line).into_owned()).collect()
}

/// Where the next request of the dialog goes. Devices are where they were seen; a trunk's requests go to the address
/// that it names, if it names one. A stream stays on its connection; where that has gone, a new one is opened to the
/// port that the same host names, because its end of the old one is no place to listen.
pub(crate) fn next_hop(flow: Flow, trunk: Option<&Trunk>, routes: &[String], target: &str) -> Flow {
    let Some(trunk) = trunk else { return flow };
    let has_lost = flow.connection.is_none() && trunk.address != Some(flow.peer);
    let route =
        routes.first().and_then(|route| Some(Address::parse(route.as_bytes())?.uri.to_owned()));
    let uri = route.unwrap_or_else(|| target.to_owned());
    let address = Uri::parse(&uri).and_then(|uri| {
        let is_one_host = |ip: &IpAddr| !(ip.is_unspecified() || ip.is_multicast());
        let ip: IpAddr = uri.host.parse().ok().filter(is_one_host)?;
        Some(SocketAddr::new(ip, uri.port.unwrap_or(5060)))
    });
    match address {
        Some(peer) if !flow.transport.is_reliable() => Flow { peer, ..flow },
        Some(peer) if has_lost && peer.ip() == flow.peer.ip() => Flow { peer, ..flow },
        _ => flow,
    }
}

/// Route values of a message, each its own; commas inside brackets don't count.
pub(crate) fn split_routes(values: &[Bytes]) -> Vec<String> {
    let all = values.iter().flat_map(split_commas).filter(|v| v.len() <= Limits::DATAGRAM.uri);
    all.take(MAX_ROUTES).map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
}

/// More proxies than this are a loop or an attack.
const MAX_ROUTES: usize = 16;
