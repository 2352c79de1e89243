//! Tells who has subscribed (RFC 6665 §4.2.2).

use std::time::{Duration, Instant};

use super::subscribe::SUMMARY;
use super::{Account, Due, Endpoint, Flow};
use crate::transaction::Owner;
use crate::way;
use crate::wire::{HeaderName, Response};

impl Endpoint {
    /// Tells the state as it is now, or later, if the phone has not taken the last word yet.
    pub(super) fn tell_state(&mut self, now: Instant, tag: &str) {
        let Some(known) = self.subscriptions.with_tag(tag) else { return };
        if known.is_telling {
            known.is_owed = true;
            return;
        }
        let flow = known.flow;
        // Its connection is closed. A phone that is still there subscribes anew by another one.
        if flow.connection.is_some_and(|id| !self.proven.contains(&id)) {
            self.lose_subscription(tag);
            return;
        }
        let (over, left) = (known.over, known.until.saturating_duration_since(now).as_secs());
        let mut request = known.request();
        let event = known.event.clone();
        let body = summary(&known.account);
        (known.is_telling, known.is_owed) = (true, false);
        let state = match over {
            None => format!("active;expires={left}"),
            Some(why) => format!("terminated;reason={why}"),
        };
        request.headers.push(HeaderName::Contact, self.subscription_contact(tag, flow));
        request.headers.push(HeaderName::Event, event);
        request.headers.push(HeaderName::SubscriptionState, state);
        request.headers.push(HeaderName::UserAgent, self.config.user_agent.clone());
        request.headers.push(HeaderName::ContentType, SUMMARY);
        request.body = body.into();
        let owner = if over.is_some() {
            self.subscriptions.remove(tag);
            Owner::Nobody
        } else {
            Owner::Notify(tag.into())
        };
        self.open_client(now, flow, request, owner);
    }

    /// It is over: the phone hears why, after what is under way to it.
    pub(super) fn end_subscription(&mut self, now: Instant, tag: &str, why: &'static str) {
        if let Some(known) = self.subscriptions.with_tag(tag) {
            known.over = Some(why);
            self.tell_state(now, tag);
        }
    }

    /// The phone has answered a NOTIFY. One that doesn't know the subscription, or doesn't want it, has none
    /// (RFC 6665 §4.2.2); we answer no challenge of a phone.
    pub(super) fn on_notify_response(&mut self, now: Instant, tag: &str, response: &Response) {
        let retry_after = response.headers.text(&HeaderName::RetryAfter);
        let pause = retry_after.and_then(|value| {
            let digits = value.split(|c: char| !c.is_ascii_digit()).next();
            digits?.parse().ok().map(Duration::from_secs)
        });
        match (response.status, pause) {
            (200..300, _) => self.told(now, tag),
            (500..600, Some(pause)) => {
                let pause = pause.clamp(Duration::from_secs(1), LONGEST_PAUSE);
                if let Some(known) = self.subscriptions.with_tag(tag) {
                    known.is_owed = true;
                    self.timers.set(now + pause, Due::Notify(tag.into()));
                }
            }
            _ => self.lose_subscription(tag),
        }
    }

    /// The last word has arrived, or its pause is over.
    pub(super) fn told(&mut self, now: Instant, tag: &str) {
        let Some(known) = self.subscriptions.with_tag(tag) else { return };
        known.is_telling = false;
        if known.is_owed || known.over.is_some() {
            self.tell_state(now, tag);
        }
    }

    /// Its phone cannot be told any more.
    pub(super) fn lose_subscription(&mut self, tag: &str) {
        self.counters.subscriptions_lost += u64::from(self.subscriptions.remove(tag).is_some());
    }

    pub(super) fn subscription_contact(&mut self, tag: &str, flow: Flow) -> String {
        let known = self.subscriptions.with_tag(tag);
        let (user, is_sips) = known
            .map(|known| (known.account.username.clone(), way::is_sips(&known.target)))
            .unwrap_or_default();
        way::contact(&self.config.listeners, &user, flow, is_sips)
    }
}

/// What waits for the owner of a device (RFC 3842 §5.2). Nobody can leave a message yet, so nothing does.
fn summary(account: &Account) -> String {
    let Account { username, realm, .. } = account;
    format!(
        "Messages-Waiting: no\r\nMessage-Account: sip:{username}@{realm}\r\nVoice-Message: 0/0 (0/0)\r\n"
    )
}

/// A phone that asks for more is asked again all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
