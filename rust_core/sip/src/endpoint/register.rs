//! Answers REGISTER (RFC 3261 §10.3, RFC 3327, RFC 5626 §4.2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Account, Due, Endpoint, Event, Flow, RestoredBinding, Why};
use crate::dialog;
use crate::registrar::{Asked, Change, Place, Wish};
use crate::wire::{Address, HeaderName, Request, display_text};

impl Endpoint {
    pub(super) fn on_register(&mut self, now: Instant, flow: Flow, reply: Flow, request: &Request) {
        let Some(account) = self.authenticate(now, flow, reply, request, 401) else { return };
        if !names_account(request, &account) {
            return self.refuse(reply, request, 403, "", &[]);
        }
        let values: Vec<_> =
            request.headers.values(&HeaderName::Contact).take(MAX_CONTACTS + 1).collect();
        if values.len() > MAX_CONTACTS {
            return self.refuse(reply, request, 400, "Bad Request (too many contacts)", &[]);
        }
        let change = if values.iter().any(|value| value == "*") {
            let is_zero = request
                .headers
                .text(&HeaderName::Expires)
                .is_some_and(|expires| expires.trim() == "0");
            if values.len() > 1 || !is_zero {
                return self.refuse(
                    reply,
                    request,
                    400,
                    "Bad Request (Contact: * needs Expires: 0)",
                    &[],
                );
            }
            self.registrar.clear(&account)
        } else {
            let wishes = match self.wishes(request, &values) {
                Ok(wishes) => wishes,
                Err(status) => {
                    let min =
                        [(HeaderName::MinExpires, self.config.min_expires.as_secs().to_string())];
                    return self.refuse(
                        reply,
                        request,
                        status,
                        "",
                        if status == 423 { &min } else { &[] },
                    );
                }
            };
            self.registrar.register(now, &account, &asked(flow, request), &wishes)
        };
        self.counters.registers += 1;
        let why = match change {
            Change::OutOfOrder => {
                return self.refuse(
                    reply,
                    request,
                    500,
                    "Server Internal Error (CSeq out of order)",
                    &[],
                );
            }
            Change::Changed => Some(Why::Registered),
            Change::Refreshed => Some(Why::Refreshed),
            Change::Removed => Some(Why::Unregistered),
            Change::Nothing => None,
        };
        self.confirm_registration(now, reply, request, &account);
        if let Some(why) = why {
            self.tell_registration(now, &account, why);
        }
    }

    /// What each contact asks for; the status of a refusal.
    fn wishes(&self, request: &Request, values: &[bytes::Bytes]) -> Result<Vec<Wish>, u16> {
        let seconds = |text: &str| text.trim().parse::<u64>().ok();
        let whole = request.headers.text(&HeaderName::Expires).and_then(seconds);
        let mut wishes = Vec::with_capacity(values.len());
        for value in values {
            let contact = Address::parse(value).ok_or(400_u16)?;
            if contact.uri.len() > MAX_CONTACT_BYTES || contact.parsed_uri().is_none() {
                return Err(400);
            }
            let own = contact.params.value("expires").and_then(seconds);
            let expires = Duration::from_secs(
                own.or(whole).unwrap_or(self.config.max_expires.as_secs()).min(u64::from(u32::MAX)),
            );
            if !expires.is_zero() && expires < self.config.min_expires {
                return Err(423);
            }
            let instance = contact.params.value("+sip.instance").map(|instance| {
                format!("{instance} {}", contact.params.value("reg-id").unwrap_or("0"))
            });
            let expires = expires.min(self.config.max_expires);
            wishes.push(Wish { contact: contact.uri.to_owned(), expires, instance });
        }
        Ok(wishes)
    }

    fn confirm_registration(
        &mut self,
        now: Instant,
        reply: Flow,
        request: &Request,
        account: &Account,
    ) {
        let places: Vec<(u64, Instant, String)> = self
            .registrar
            .places_of(account)
            .iter()
            .map(|p| (p.id, p.expires_at, p.contact.clone()))
            .collect();
        let mut extra = Vec::with_capacity(places.len() + 1);
        for (id, expires_at, contact) in places {
            // A place that is refreshed has more timers than one; the early ones find that its time has not come.
            self.timers.set(expires_at, Due::PlaceEnd(id));
            let left = expires_at.saturating_duration_since(now).as_secs();
            extra.push((HeaderName::Contact, format!("<{contact}>;expires={left}")));
        }
        if let Some(path) = request.headers.text(&HeaderName::Path) {
            extra.push((HeaderName::Path, path.to_owned()));
        }
        self.refuse(reply, request, 200, "OK", &extra);
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

    pub(super) fn set_accounts(&mut self, now: Instant, accounts: Vec<Account>) {
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
            let Some(flow) = self.flow_to(binding.transport, binding.source) else { continue };
            let expires_at = now + binding.expires_in;
            let id = self.registrar.restore(
                &account,
                Place {
                    id: 0,
                    contact: binding.contact,
                    flow,
                    user_agent: binding.user_agent,
                    expires_at,
                    call_id: binding.call_id,
                    cseq: binding.cseq,
                    path: binding.path,
                    instance: None,
                },
            );
            self.timers.set(expires_at, Due::PlaceEnd(id));
            if !told.iter().any(|known| Arc::ptr_eq(known, &account)) {
                told.push(account);
            }
        }
        for account in told {
            self.tell_registration(now, &account, Why::Registered);
        }
    }
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
    let paths: Vec<_> = request.headers.lines(&HeaderName::Path).cloned().collect();
    Asked {
        flow,
        user_agent: text(HeaderName::UserAgent),
        call_id: text(HeaderName::CallId),
        cseq: request.cseq().map_or(0, |cseq| cseq.number),
        path: dialog::split_routes(&paths),
    }
}

/// Contacts in one register.
const MAX_CONTACTS: usize = 10;
/// Longer ones are nothing that a phone needs.
const MAX_CONTACT_BYTES: usize = 1024;
