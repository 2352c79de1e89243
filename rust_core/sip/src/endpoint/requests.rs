//! Takes requests in: repetitions, dialogs, the gate (RFC 3261 §8.2, §16.3).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use super::config::RETRY_AFTER_S;
use super::{Endpoint, Flow};
use crate::way;
use crate::wire::{Address, HeaderName, Malformed, Method, Request, Scheme, Uri};

/// Status and header fields of a response that refuses.
pub(super) type Refusal = (u16, Vec<(HeaderName, String)>);

impl Endpoint {
    pub(super) fn on_request(&mut self, now: Instant, flow: Flow, mut request: Request) {
        request.note_source(flow.peer);
        let reply = way::of_response(flow, &request);
        if request.method == Method::Ack {
            if !self.absorb_ack(now, &request) {
                self.on_ack(now, &request);
            }
            return;
        }
        if self.absorb_repetition(&request) {
            return;
        }
        if request.method == Method::Cancel {
            return self.on_cancel(now, reply, &request);
        }
        if to_tag(&request).is_some() {
            return self.on_request_in_dialog(now, flow, reply, request);
        }
        let uri = Uri::parse(&request.uri);
        let called = uri.as_ref().and_then(Uri::user).unwrap_or_default();
        if let Some((status, extra)) = self.refusal_at_sight(now, flow, &request, uri, &called) {
            return self.refuse(reply, &request, status, "", &extra);
        }
        match request.method {
            Method::Options => self.refuse(reply, &request, 200, "OK", &capabilities()),
            Method::Register => self.on_register(now, flow, reply, &request),
            _ => self.on_gated(now, flow, reply, request, called),
        }
    }

    /// All the rest: whoever does not show who they are hears the same to every method, and it costs nothing but that.
    fn on_gated(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: Request,
        called: String,
    ) {
        let Some(sender) = self.gate(now, flow, reply, &request, &called) else { return };
        match request.method {
            Method::Invite => self.on_invite(now, flow, reply, request, sender, called),
            // RFC 3261 §12.2.2: outside of a dialog they are about nothing.
            Method::Bye | Method::Update | Method::Info | Method::Prack => {
                self.answer_once(now, reply, &request, 481, "", &[]);
            }
            Method::Refer => {
                let warning = "399 tandem \"REFER is for a call that goes on\"".to_owned();
                self.answer_once(now, reply, &request, 403, "", &[(HeaderName::Warning, warning)]);
            }
            _ => self.answer_once(now, reply, &request, 501, "", &[allow()]),
        }
    }

    /// What can be said without knowing who asks: load, what we don't support.
    fn refusal_at_sight(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Request,
        uri: Option<Uri<'_>>,
        called: &str,
    ) -> Option<Refusal> {
        if self.closing || self.sheds_at_sight(now, &request.method, called) {
            return Some((503, vec![retry_after()]));
        }
        let has_scheme = uri.is_some_and(|uri| match uri.scheme {
            Scheme::Sip => true,
            // Who asks for TLS on each hop (RFC 5630 §3) has not taken the first inside it.
            Scheme::Sips => flow.transport.is_secure(),
            Scheme::Tel => request.method == Method::Invite,
        });
        if !has_scheme {
            return Some((416, vec![]));
        }
        unsupported(request)
    }

    /// A tag of ours for a response that nothing is kept of: the same whenever the request comes again
    /// (RFC 3261 §8.2.7).
    pub(super) fn stateless_tag(&self, request: &Request) -> String {
        let mut hasher = DefaultHasher::new();
        self.tag_key.hash(&mut hasher);
        for name in [HeaderName::CallId, HeaderName::From] {
            request.headers.line(&name).hash(&mut hasher);
        }
        // Not the method: the ACK of a refusal has the same number.
        request.cseq().map(|cseq| cseq.number).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Counts what cannot be read, and answers it if it was a request with an address to answer to.
    pub(super) fn on_malformed(&mut self, now: Instant, flow: Flow, malformed: Malformed) {
        self.note_malformed(now, flow, malformed.why);
        if let Some(mut request) = malformed.partial {
            request.note_source(flow.peer);
            let warning = format!("399 tandem \"{}\"", malformed.why);
            let reply = way::of_response(flow, &request);
            let extra = [(HeaderName::Warning, warning)];
            self.refuse(reply, &request, malformed.status, "", &extra);
        }
    }
}

/// Refuses what demands an extension that we don't have (RFC 3261 §8.2.2.3). Proxy-Require is not for us: we end the
/// request (§20.29).
pub(super) fn unsupported(request: &Request) -> Option<Refusal> {
    let is_known = |value: &[u8]| {
        [&b"timer"[..], b"100rel", b"replaces"]
            .iter()
            .any(|known| value.eq_ignore_ascii_case(known))
            || request.method == Method::Register && value.eq_ignore_ascii_case(b"path")
            || request.method == Method::Refer && value.eq_ignore_ascii_case(b"norefersub")
    };
    let unknown = request.headers.values(&HeaderName::Require).filter(|value| !is_known(value));
    let unknown: Vec<_> =
        unknown.map(|value| String::from_utf8_lossy(&value).into_owned()).collect();
    (!unknown.is_empty()).then(|| (420, vec![(HeaderName::Unsupported, unknown.join(", "))]))
}

pub(super) fn retry_after() -> (HeaderName, String) {
    (HeaderName::RetryAfter, RETRY_AFTER_S.to_string())
}

/// The tag of To: ours, if the request belongs to a dialog.
pub(super) fn to_tag(request: &Request) -> Option<String> {
    let to = request.headers.line(&HeaderName::To)?;
    Address::parse(to)?.tag().map(str::to_owned)
}

/// What OPTIONS tells (RFC 3261 §11.2).
fn capabilities() -> Vec<(HeaderName, String)> {
    vec![
        allow(),
        (HeaderName::Accept, "application/sdp, application/dtmf-relay, application/dtmf".into()),
        (HeaderName::Supported, "100rel, norefersub, path, replaces, timer".into()),
    ]
}

/// The methods that we understand.
pub(super) fn allow() -> (HeaderName, String) {
    (HeaderName::Allow, ALLOWED.into())
}

pub(super) const ALLOWED: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, INFO, PRACK, REFER";

/// The usual words for a status (RFC 3261 §21).
pub(super) fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        300..400 => "Redirected",
        600..700 => "Refused Everywhere",
        _ => "Refused",
    }
}
