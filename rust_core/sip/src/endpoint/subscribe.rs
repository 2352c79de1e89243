//! Answers SUBSCRIBE (RFC 6665 §4.2.1): a device subscribes to the messages of its own account (RFC 3842).
//!
//! ```text
//! SUBSCRIBE ──► 200, NOTIFY with the state ──► NOTIFY whenever it has changed ──► NOTIFY terminated
//!     └───► 4xx                     └── again inside the dialog: for longer, or with Expires: 0 no more
//! ```
//!
//! After a restart nothing is known of them: the phone's next refresh hears 481 and it subscribes anew (§4.1.2.2). What is
//! asked of another than the own account is 404, whether that exists or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::Sender;
use super::incoming::lossy;
use super::requests::{Refusal, retry_after, to_tag};
use super::{Account, Endpoint, Flow};
use crate::dialog;
use crate::subscription::Subscription;
use crate::way;
use crate::wire::{Address, HeaderName, Params, Request, display_text};

impl Endpoint {
    /// A SUBSCRIBE outside of a dialog, of somebody who has shown who that is.
    pub(super) fn on_subscribe(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: &Request,
        sender: &Sender,
        called: &str,
    ) {
        let subscription = self.read_subscribe(now, flow, request, sender, called);
        let mut subscription = match subscription.and_then(|one| self.make_room(one)) {
            Ok(subscription) => subscription,
            Err((status, extra)) => {
                return self.answer_once(now, reply, request, status, "", &extra);
            }
        };
        let Some(server) = self.open_server(now, reply, request) else {
            return self.refuse(reply, request, 503, "", &[retry_after()]);
        };
        let tag = self.random_hex();
        subscription.local_tag.clone_from(&tag);
        let is_fetch = subscription.until <= now;
        self.subscriptions.insert(subscription);
        self.accept(now, server, request, &tag);
        if is_fetch {
            self.end_subscription(now, &tag, "timeout")
        } else {
            self.tell_state(now, &tag)
        }
    }

    /// The tag of the subscription that a request belongs to.
    pub(super) fn subscription_of(&mut self, request: &Request) -> Option<String> {
        let tag = to_tag(request)?;
        let from = dialog::tag_of(request.headers.line(&HeaderName::From));
        let call_id = lossy(request, &HeaderName::CallId);
        let known = self.subscriptions.with_tag(&tag)?;
        let is_theirs = known.call_id == call_id && known.remote_tag == from;
        (is_theirs && known.over.is_none()).then_some(tag)
    }

    /// A SUBSCRIBE inside the dialog of a subscription: for longer, or no more.
    pub(super) fn on_resubscribe(
        &mut self,
        now: Instant,
        flow: Flow,
        reply: Flow,
        request: &Request,
        tag: &str,
    ) {
        let number = request.cseq().map_or(0, |cseq| cseq.number);
        let Some(known) = self.subscriptions.with_tag(tag) else { return };
        if number <= known.remote_cseq {
            let why = "Server Internal Error (CSeq out of order)";
            return self.refuse(reply, request, 500, why, &[]);
        }
        let is_same = event_of(request).is_ok_and(|event| event == known.event);
        let Some(server) = self.open_server(now, reply, request) else {
            return self.refuse(reply, request, 503, "", &[retry_after()]);
        };
        self.prove(now, flow);
        let lasts = self.duration(request);
        let Some(known) = self.subscriptions.with_tag(tag) else { return };
        known.remote_cseq = number;
        // Another one in the same dialog (RFC 6665 §4.5.1) is none that we have.
        if !is_same {
            return self.respond_plainly(now, server, request, 481, &[]);
        }
        let lasts = match lasts {
            Ok(lasts) => lasts,
            Err((status, extra)) => {
                return self.respond_plainly(now, server, request, status, &extra);
            }
        };
        known.flow = flow;
        if let Some(target) = short_target(request) {
            known.target = target;
        }
        self.subscriptions.extend(tag, now + lasts);
        self.accept(now, server, request, tag);
        if lasts.is_zero() {
            self.end_subscription(now, tag, "timeout");
        } else {
            self.tell_state(now, tag);
        }
    }

    /// What a SUBSCRIBE asks for, or how it is refused.
    fn read_subscribe(
        &self,
        now: Instant,
        flow: Flow,
        request: &Request,
        sender: &Sender,
        called: &str,
    ) -> Result<Subscription, Refusal> {
        let Sender::Device(account) = sender else {
            return Err((403, warning("only phones of a company subscribe")));
        };
        let event = event_of(request)?;
        if called != account.username {
            return Err((404, vec![]));
        }
        if !takes_summary(request) {
            return Err((406, vec![(HeaderName::Accept, SUMMARY.to_owned())]));
        }
        let lasts = self.duration(request)?;
        let target = short_target(request);
        let target = target.ok_or_else(|| (400, warning("Contact is no SIP address")))?;
        let (local, remote) = (lossy(request, &HeaderName::To), lossy(request, &HeaderName::From));
        let remote_tag = dialog::tag_of(request.headers.line(&HeaderName::From));
        if remote_tag.is_empty() || local.len().max(remote.len()) > MAX_VALUE {
            return Err((400, warning("From and To need a tag of From and at most 512 bytes")));
        }
        let routes = way::routes_of(&request.headers);
        if routes.iter().map(String::len).sum::<usize>() > MAX_ROUTES {
            return Err((400, warning("Record-Route is longer than 1024 bytes")));
        }
        Ok(Subscription {
            account: Arc::clone(account),
            flow,
            event,
            call_id: lossy(request, &HeaderName::CallId),
            local,
            local_tag: String::new(),
            remote,
            remote_tag,
            target,
            routes,
            local_cseq: 0,
            remote_cseq: request.cseq().map_or(0, |cseq| cseq.number),
            until: now + lasts,
            is_telling: false,
            is_owed: false,
            over: None,
        })
    }

    /// Lets it take the place of the one that the same phone had: it has started anew and knows nothing of that.
    fn make_room(&mut self, new: Subscription) -> Result<Subscription, Refusal> {
        let tags = self.subscriptions.of(&new.account);
        let is_old = |tag: &String| {
            let old = self.subscriptions.with_tag(tag);
            old.is_some_and(|old| (&old.target, &old.event) == (&new.target, &new.event))
        };
        let (old, others): (Vec<_>, Vec<_>) = tags.into_iter().partition(is_old);
        for tag in old {
            self.subscriptions.remove(&tag);
        }
        if others.len() >= MAX_OF_DEVICE {
            self.counters.subscriptions_refused += 1;
            return Err((403, warning("this device has too many subscriptions")));
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            self.counters.subscriptions_refused += 1;
            return Err((503, vec![retry_after()]));
        }
        Ok(new)
    }

    /// How long it shall last (RFC 6665 §4.2.1.1): zero where it is wanted no more, or only once.
    fn duration(&self, request: &Request) -> Result<Duration, Refusal> {
        let Some(line) = request.headers.line(&HeaderName::Expires) else {
            return Ok(self.config.max_expires);
        };
        let asked = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse::<u32>().ok());
        let asked = asked.ok_or_else(|| (400, warning("Expires is no number of seconds")))?;
        let asked = Duration::from_secs(asked.into());
        if !asked.is_zero() && asked < self.config.min_expires {
            let least = self.config.min_expires.as_secs().to_string();
            return Err((423, vec![(HeaderName::MinExpires, least)]));
        }
        Ok(asked.min(self.config.max_expires))
    }

    fn accept(&mut self, now: Instant, server: u64, request: &Request, tag: &str) {
        let Some(known) = self.subscriptions.with_tag(tag) else { return };
        let (left, flow) = (known.until.saturating_duration_since(now).as_secs(), known.flow);
        let contact = self.subscription_contact(tag, flow);
        let mut response = request.response(200, "OK", Some(tag));
        for line in request.headers.lines(&HeaderName::RecordRoute) {
            response.headers.push(HeaderName::RecordRoute, line.clone());
        }
        response.headers.push(HeaderName::Expires, left.to_string());
        response.headers.push(HeaderName::Contact, contact);
        response.headers.push(HeaderName::Server, self.config.user_agent.clone());
        self.respond(now, server, &response);
    }

    /// A phone has come back by another connection: it is told over that one.
    pub(super) fn lead_subscriptions(&mut self, flow: Flow, account: &Account, left: &[u64]) {
        for tag in self.subscriptions.of(account) {
            let Some(known) = self.subscriptions.with_tag(&tag) else { continue };
            let is_left = |id: u64| left.contains(&id) || !self.proven.contains(&id);
            if known.flow.connection.is_some_and(is_left) && known.flow.peer.ip() == flow.peer.ip()
            {
                known.flow = flow;
            }
        }
    }
}

/// Package and `id` of Event; 489 where we have no such package (RFC 6665 §8.3.2).
fn event_of(request: &Request) -> Result<String, Refusal> {
    let event = lossy(request, &HeaderName::Event);
    let (package, params) = event.split_once(';').unwrap_or((&event, ""));
    let id = Params::of(params).value("id").map(|id| format!(";id={id}")).unwrap_or_default();
    if !package.trim().eq_ignore_ascii_case(PACKAGE) {
        return Err((489, vec![allow_events()]));
    }
    if id.len() > MAX_ID {
        return Err((400, warning("the id of Event is longer than 64 bytes")));
    }
    Ok(format!("{PACKAGE}{id}"))
}

/// Whether who subscribes takes what we tell; without Accept it does (RFC 3842 §3.4).
fn takes_summary(request: &Request) -> bool {
    let mut lines = request.headers.lines(&HeaderName::Accept).peekable();
    let takes = |line: &bytes::Bytes| {
        let line = display_text(line).to_ascii_lowercase();
        [SUMMARY, "application/*", "*/*"].iter().any(|kind| line.contains(kind))
    };
    lines.peek().is_none() || lines.any(takes)
}

fn short_target(request: &Request) -> Option<String> {
    let contact = request.headers.values(&HeaderName::Contact).next()?;
    let is_sip = Address::parse(&contact)?.parsed_uri()?.scheme != crate::wire::Scheme::Tel;
    way::target_of(&request.headers).filter(|target| is_sip && target.len() <= MAX_VALUE)
}

fn warning(why: &str) -> Vec<(HeaderName, String)> {
    vec![(HeaderName::Warning, format!("399 tandem \"{why}\""))]
}

/// The packages that can be subscribed to.
pub(super) fn allow_events() -> (HeaderName, String) {
    (HeaderName::Other("Allow-Events".to_owned()), PACKAGE.to_owned())
}

const PACKAGE: &str = "message-summary";
pub(super) const SUMMARY: &str = "application/simple-message-summary";
/// A phone has one; a device is a handful of phones.
const MAX_OF_DEVICE: usize = 16;
/// About a kilobyte each.
const MAX_SUBSCRIPTIONS: usize = 100_000;
const MAX_VALUE: usize = 512;
const MAX_ROUTES: usize = 1024;
const MAX_ID: usize = 68;
