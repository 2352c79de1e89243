//! Answers REGISTER (RFC 3261 §10.3, RFC 3327, RFC 5626 §6).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::requests::{Refusal, retry_after};
use super::{Account, Due, Endpoint, Event, Flow, RestoredBinding, Transport, Why};
use crate::accounts::Accounts;
use crate::leg::Leg;
use crate::registrar::{Asked, Change, Place, Wish};
use crate::way;
use crate::wire::{Address, HeaderName, Request, Scheme, display_text};

impl Endpoint {
    pub(super) fn on_register(&mut self, now: Instant, flow: Flow, reply: Flow, request: &Request) {
        let Some(account) = self.authenticate(now, flow, reply, request, 401) else { return };
        if !self.registrar.may_register(now, &account) {
            self.counters.shed_others += 1;
            return self.refuse(reply, request, 503, "", &[retry_after()]);
        }
        let asked = asked(flow, request);
        let mut left = Vec::new();
        let was_refreshed = self.registrar.has_refreshed();
        let outcome = self.wishes(request, &account, flow.transport).map(|wishes| match wishes {
            Wishes::Nowhere => self.registrar.clear(&account, &asked),
            Wishes::Places(wishes) => {
                left = self.registrar.connections_left(&account, flow, &wishes);
                self.registrar.register(now, &account, &asked, &wishes)
            }
        });
        let why = match outcome {
            Ok(Change::Changed) => Some(Why::Registered),
            Ok(Change::Removed) => Some(Why::Unregistered),
            Ok(Change::Refreshed | Change::Nothing) => None,
            Ok(Change::OutOfOrder) => {
                let why = "Server Internal Error (CSeq out of order)";
                return self.answer_once(now, reply, request, 500, why, &[]);
            }
            Err((status, extra)) => {
                return self.answer_once(now, reply, request, status, "", &extra);
            }
        };
        self.counters.registers += 1;
        self.prove(now, flow);
        if why == Some(Why::Registered) && flow.transport.is_reliable() {
            self.follow(flow, &account, &left);
        }
        let places = self.places_for_response(now, request, &account);
        self.answer_once(now, reply, request, 200, "", &places);
        if let Some(why) = why {
            self.tell_registration(now, &account, why);
        }
        if !was_refreshed && self.registrar.has_refreshed() {
            self.timers.set(now + REFRESHES_TOLD, Due::Refreshes);
        }
    }

    /// Tells in one word of all that were only refreshed lately: nobody waits for that, and phones do it all the time.
    pub(super) fn tell_refreshes(&mut self, now: Instant) {
        let bindings = self.registrar.take_refreshed(now);
        if !bindings.is_empty() {
            self.tell(now, Event::RegistrationsRefreshed(bindings));
        }
    }

    /// A phone has come back by another connection: its calls go on over that one.
    fn follow(&mut self, flow: Flow, account: &Account, left: &[u64]) {
        let instance = flow.connection.and_then(|id| self.registrar.instance_at(id));
        let follows = |leg: &Leg| {
            let of_leg = leg.account.as_ref().map(|of_leg| (&of_leg.company, &of_leg.device));
            of_leg == Some((&account.company, &account.device))
                && way::follows(leg, flow, instance.as_deref(), left)
        };
        let mut moved = self.legs_at(None);
        moved.extend(left.iter().flat_map(|connection| self.legs_at(Some(*connection))));
        moved.retain(|id| self.legs.get(id).is_some_and(follows));
        for id in moved {
            self.move_leg(id, flow);
        }
    }

    /// What a register asks for, or how it is refused.
    fn wishes(
        &self,
        request: &Request,
        account: &Account,
        transport: Transport,
    ) -> Result<Wishes, Refusal> {
        if !names_account(request, account) {
            return Err((403, vec![]));
        }
        let warning = |why: &str| vec![(HeaderName::Warning, format!("399 tandem \"{why}\""))];
        let values = request.headers.values(&HeaderName::Contact).take(MAX_CONTACTS + 1);
        let values: Vec<_> = values.collect();
        if values.len() > MAX_CONTACTS {
            return Err((400, warning("too many contacts")));
        }
        let whole = request.headers.text(&HeaderName::Expires).and_then(seconds);
        if values.iter().any(|value| value == "*") {
            return match (values.len(), whole) {
                (1, Some(0)) => Ok(Wishes::Nowhere),
                _ => Err((400, warning("Contact: * stands alone and needs Expires: 0"))),
            };
        }
        let mut wishes = Vec::with_capacity(values.len());
        for value in values {
            let contact = Address::parse(&value).filter(is_reachable);
            let contact = contact.ok_or_else(|| (400, warning("Contact")))?;
            if way::is_sips(contact.uri) && !transport.is_secure() {
                return Err((400, warning("a sips: Contact registers over TLS")));
            }
            let asked = contact.params.value("expires").and_then(seconds).or(whole);
            let expires = asked.map_or(self.config.max_expires, Duration::from_secs);
            if !expires.is_zero() && expires < self.config.min_expires {
                let min = self.config.min_expires.as_secs().to_string();
                return Err((423, vec![(HeaderName::MinExpires, min)]));
            }
            let instance = contact.params.value("+sip.instance").filter(|which| !which.is_empty());
            let instance = instance.map(|which| {
                // RFC 5626 §10: a number from 1; anything else counts as none.
                let number = contact.params.value("reg-id").and_then(|id| id.parse::<u32>().ok());
                format!("{which} {}", number.unwrap_or(0))
            });
            let expires = expires.min(self.config.max_expires);
            let wish = Wish { contact: contact.uri.to_owned(), expires, instance };
            // A phone that is named twice in one request is one phone: the last counts.
            wishes.retain(|other: &Wish| !other.is_same(&wish.contact, &wish.instance));
            wishes.push(wish);
        }
        Ok(Wishes::Places(wishes))
    }

    /// RFC 3261 §10.3 step 8: all places and what is left of each.
    fn places_for_response(
        &self,
        now: Instant,
        request: &Request,
        account: &Account,
    ) -> Vec<(HeaderName, String)> {
        let told = |place: &Place| {
            let left = place.expires_at.saturating_duration_since(now).as_secs();
            let which = place.instance.as_deref().and_then(|which| which.rsplit_once(' '));
            let which = which.map_or_else(String::new, |(instance, number)| {
                let number =
                    if number == "0" { String::new() } else { format!(";reg-id={number}") };
                format!(";+sip.instance=\"{instance}\"{number}")
            });
            (HeaderName::Contact, format!("<{}>;expires={left}{which}", place.contact))
        };
        let mut extra: Vec<_> = self.registrar.places_of(account).iter().map(told).collect();
        for path in request.headers.lines(&HeaderName::Path) {
            extra.push((HeaderName::Path, String::from_utf8_lossy(path).into_owned()));
        }
        extra
    }

    pub(super) fn tell_registration(&mut self, now: Instant, account: &Account, why: Why) {
        let bindings = self.registrar.bindings(now, account);
        self.tell(
            now,
            Event::RegistrationChanged {
                company: account.company.clone(),
                device: account.device.clone(),
                bindings,
                why,
            },
        );
    }

    pub(super) fn set_accounts(&mut self, now: Instant, accounts: Arc<Accounts>) {
        for account in self.registrar.set_accounts(accounts) {
            self.tell_registration(now, &account, Why::Removed);
        }
    }

    pub(super) fn restore_bindings(&mut self, now: Instant, bindings: Vec<RestoredBinding>) {
        let mut told: Vec<Arc<Account>> = Vec::new();
        for binding in bindings {
            let Some(account) = self.registrar.account_of_device(&binding.company, &binding.device)
            else {
                continue;
            };
            if !told.iter().any(|known| Arc::ptr_eq(known, &account)) {
                told.push(account.clone());
            }
            let flow = way::to_restored(&binding)
                .and_then(|peer| way::to_address(&self.config.listeners, binding.transport, peer));
            let Some(flow) = flow else { continue };
            self.registrar.restore(
                &account,
                Place {
                    id: 0,
                    contact: binding.contact,
                    flow,
                    user_agent: binding.user_agent,
                    expires_at: now + binding.expires_in,
                    call_id: binding.call_id,
                    cseq: binding.cseq,
                    path: binding.path,
                    instance: binding.instance,
                },
            );
        }
        for account in told {
            let is_online = !self.registrar.places_of(&account).is_empty();
            let why = if is_online { Why::Registered } else { Why::Expired };
            self.tell_registration(now, &account, why);
        }
    }
}

/// What the contacts of a register ask for.
enum Wishes {
    /// `Contact: *`: no place any more.
    Nowhere,
    /// These, each for its time.
    Places(Vec<Wish>),
}

/// RFC 3261 §20.19: seconds up to 2^32-1, more is taken as that.
fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX).min(u64::from(u32::MAX)))
}

/// Whether a contact is an address that we can send to.
fn is_reachable(contact: &Address<'_>) -> bool {
    contact.uri.len() <= MAX_CONTACT_BYTES
        && contact.parsed_uri().is_some_and(|uri| uri.scheme != Scheme::Tel)
}

/// The address of record in To is the account's own (RFC 3261 §10.3 step 3).
fn names_account(request: &Request, account: &Account) -> bool {
    let to = request.headers.line(&HeaderName::To);
    let user = to.and_then(|to| Address::parse(to)?.parsed_uri()?.user());
    user.as_deref() == Some(account.username.as_str())
}

fn asked(flow: Flow, request: &Request) -> Asked {
    let text =
        |name| request.headers.line(&name).map(|value| display_text(value)).unwrap_or_default();
    Asked {
        flow,
        user_agent: text(HeaderName::UserAgent),
        call_id: text(HeaderName::CallId),
        cseq: request.cseq().map_or(0, |cseq| cseq.number),
        path: way::path_of(&request.headers),
    }
}

/// From the first refresh to the word of it, so that many are one.
const REFRESHES_TOLD: Duration = Duration::from_secs(1);
/// Contacts in one register.
const MAX_CONTACTS: usize = 10;
/// Longer ones are nothing that a phone needs.
const MAX_CONTACT_BYTES: usize = 1024;
