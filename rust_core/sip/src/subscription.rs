//! What phones want to hear of, and the dialog in which each is told (RFC 6665 §4.2): data, moved by
//! `endpoint/subscribe.rs` and `endpoint/notify.rs`.
//!
//! One NOTIFY of a subscription is under way at a time. What becomes news meanwhile is told by one that follows, of the
//! state as it is then: a phone that answers slowly is behind by one state and never by many messages.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use crate::dialog::Identity;
use crate::endpoint::{Account, Flow};
use crate::wire::{Method, Request};

/// One subscription of one device.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) account: Arc<Account>,
    /// The way that its phone came last.
    pub(crate) flow: Flow,
    /// Package, and the `id` of its Event if it has one: the value of Event in each NOTIFY.
    pub(crate) event: String,
    pub(crate) call_id: String,
    /// From of what we send, without our tag.
    pub(crate) local: String,
    pub(crate) local_tag: String,
    /// To of what we send, with the phone's tag.
    pub(crate) remote: String,
    pub(crate) remote_tag: String,
    pub(crate) target: String,
    pub(crate) routes: Vec<String>,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: u32,
    pub(crate) until: Instant,
    /// A NOTIFY is under way, or waits until the phone will take it.
    pub(crate) is_telling: bool,
    /// Something became news meanwhile.
    pub(crate) is_owed: bool,
    /// Why it is over (RFC 6665 §4.1.3), once it is: the next NOTIFY says so and is the last.
    pub(crate) over: Option<&'static str>,
}

impl Subscription {
    /// The next NOTIFY, without Via, Contact and what it tells.
    pub(crate) fn request(&mut self) -> Request {
        self.local_cseq += 1;
        let identity = Identity {
            target: &self.target,
            routes: &self.routes,
            from: &format!("{};tag={}", self.local, self.local_tag),
            to: &self.remote,
            call_id: &self.call_id,
        };
        identity.request(Method::Other("NOTIFY".to_owned()), self.local_cseq)
    }
}

/// All of them, by our tag.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    by_tag: HashMap<String, Subscription>,
    of_device: HashMap<(String, String), BTreeSet<String>>,
    /// In the order in which they expire: one that goes leaves no timer behind.
    by_expiry: BTreeSet<(Instant, String)>,
}

impl Subscriptions {
    pub(crate) fn insert(&mut self, subscription: Subscription) {
        let tag = subscription.local_tag.clone();
        self.by_expiry.insert((subscription.until, tag.clone()));
        self.of_device.entry(device_of(&subscription.account)).or_default().insert(tag.clone());
        self.by_tag.insert(tag, subscription);
    }

    pub(crate) fn remove(&mut self, tag: &str) -> Option<Subscription> {
        let gone = self.by_tag.remove(tag)?;
        self.by_expiry.remove(&(gone.until, tag.to_owned()));
        let key = device_of(&gone.account);
        if let Some(tags) = self.of_device.get_mut(&key) {
            tags.remove(tag);
            if tags.is_empty() {
                self.of_device.remove(&key);
            }
        }
        Some(gone)
    }

    pub(crate) fn with_tag(&mut self, tag: &str) -> Option<&mut Subscription> {
        self.by_tag.get_mut(tag)
    }

    /// Lets one live until then.
    pub(crate) fn extend(&mut self, tag: &str, until: Instant) {
        if let Some(subscription) = self.by_tag.get_mut(tag) {
            self.by_expiry.remove(&(subscription.until, tag.to_owned()));
            subscription.until = until;
            self.by_expiry.insert((until, tag.to_owned()));
        }
    }

    /// The tag of one that has expired, which is given once.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<String> {
        let (at, _) = self.by_expiry.first()?;
        if *at > now {
            return None;
        }
        self.by_expiry.pop_first().map(|(_, tag)| tag)
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// Tags of those of a device.
    pub(crate) fn of(&self, account: &Account) -> Vec<String> {
        let tags = self.of_device.get(&device_of(account));
        tags.map(|tags| tags.iter().cloned().collect()).unwrap_or_default()
    }

    /// Tags of those whose company and device are gone by this, in a fixed order.
    pub(crate) fn of_gone(&self, is_gone: impl Fn(&(String, String)) -> bool) -> Vec<String> {
        let gone = self.of_device.iter().filter(|(key, _)| is_gone(key));
        let mut tags: Vec<String> = gone.flat_map(|(_, tags)| tags.iter().cloned()).collect();
        tags.sort_unstable();
        tags
    }

    pub(crate) fn len(&self) -> usize {
        self.by_tag.len()
    }

    /// How many of them wait to expire.
    pub(crate) fn expiries(&self) -> usize {
        self.by_expiry.len()
    }
}

fn device_of(account: &Account) -> (String, String) {
    (account.company.clone(), account.device.clone())
}
