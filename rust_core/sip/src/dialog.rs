//! Requests inside a dialog (RFC 3261 §12.2.1), and what a response tells about its dialog.

use bytes::Bytes;

use crate::endpoint::{Flow, Trunk};
use crate::leg::Leg;
use crate::way;
use crate::wire::{Address, HeaderName, Method, Request, Response};

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
        let (uri, routes) = way::lay(self.routes, self.target);
        let name = method.as_str().to_owned();
        let mut request = Request::new(method, uri);
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

/// The ACK of a 2xx to our INVITE: it has the number of that INVITE, whatever was asked since (RFC 3261 §13.2.2.4).
pub(crate) fn ack(leg: &mut Leg, response: &Response) -> Request {
    let number = response.cseq().map_or(leg.local_cseq, |cseq| cseq.number);
    let mut ack = request(leg, Method::Ack);
    ack.headers.set(HeaderName::CSeq, format!("{number} ACK"));
    ack
}

/// PRACK for a reliable provisional response (RFC 3262 §4), and where it goes: to the fork that sent it. `None` if that
/// lacks what a dialog needs.
pub(crate) fn prack(leg: &mut Leg, response: &Response, rseq: u32) -> Option<(Request, Flow)> {
    let text = |name| response.headers.text(&name);
    let (target, routes) = (way::target_of(&response.headers)?, routes_of_response(response));
    let invite = response.cseq()?.number;
    let identity = Identity {
        target: &target,
        routes: &routes,
        from: text(HeaderName::From)?,
        to: text(HeaderName::To)?,
        call_id: text(HeaderName::CallId)?,
    };
    leg.local_cseq += 1;
    let mut prack = identity.request(Method::Prack, leg.local_cseq);
    prack.headers.push(HeaderName::RAck, format!("{rseq} {invite} INVITE"));
    Some((prack, way::in_dialog(leg.flow, leg.trunk.as_deref(), &routes, &target)))
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
    let (target, routes) = (way::target_of(&response.headers)?, routes_of_response(response));
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
        bye: identity.request(Method::Bye, cseq.saturating_add(GAP)),
        flow: way::in_dialog(flow, trunk, &routes, &target),
    })
}

/// More numbers than the PRACKs to such a fork have used, which nobody counts: gaps are no error (RFC 3261 §12.2.2).
const GAP: u32 = 1_000;

/// The tag of a From or To value, "" without one.
pub(crate) fn tag_of(value: Option<&Bytes>) -> String {
    let address = value.and_then(|value| Address::parse(value));
    address.and_then(|address| address.tag()).unwrap_or("").to_owned()
}

/// Whether who wrote this takes an UPDATE (RFC 3311 §4).
pub(crate) fn allows_update(headers: &crate::wire::Headers) -> bool {
    headers.has_token(&HeaderName::Allow, "UPDATE")
}

/// The route set that a response gives to who asked: Record-Route, turned round (RFC 3261 §12.1.2).
pub(crate) fn routes_of_response(response: &Response) -> Vec<String> {
    let mut routes = way::routes_of(&response.headers);
    routes.reverse();
    routes
}
