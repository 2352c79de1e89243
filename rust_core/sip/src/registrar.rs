//! Where devices can be reached (RFC 3261 §10.3, RFC 3327, RFC 5626).

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::Accounts;
use crate::defence::{Bucket, Rate, source_of};
use crate::endpoint::{Account, Binding, Flow};
use crate::wire::Uri;

/// One place of one device.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: u64,
    pub(crate) contact: String,
    pub(crate) flow: Flow,
    pub(crate) user_agent: String,
    pub(crate) expires_at: Instant,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) path: Vec<String>,
    /// `+sip.instance` and `reg-id`: a phone that comes back by another way replaces its old place.
    pub(crate) instance: Option<String>,
}

impl Place {
    /// Whether a wish of this register leaves all of it but its time as it is.
    fn is_of(&self, asked: &Asked, wish: &Wish) -> bool {
        self.contact == wish.contact
            && self.instance == wish.instance
            && self.flow == asked.flow
            && self.call_id == asked.call_id
            && self.cseq < asked.cseq
            && self.user_agent == asked.user_agent
            && self.path == asked.path
    }
}

/// What a register asks of one contact.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) contact: String,
    pub(crate) expires: Duration,
    pub(crate) instance: Option<String>,
}

impl Wish {
    /// Whether it is for the phone of this contact and instance.
    pub(crate) fn is_same(&self, contact: &str, instance: &Option<String>) -> bool {
        is_same(&self.contact, &self.instance, contact, instance)
    }
}

/// Of whom, and all about the request that all its contacts share.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) flow: Flow,
    pub(crate) user_agent: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) path: Vec<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// New or moved places.
    Changed,
    /// The same places in all, but for longer.
    Refreshed,
    /// Fewer places.
    Removed,
    /// Nothing: a query.
    Nothing,
    /// An older request than one already obeyed (RFC 3261 §10.3 step 7).
    OutOfOrder,
}

/// Accounts and their places.
#[derive(Debug, Default)]
pub(crate) struct Registrar {
    accounts: Arc<Accounts>,
    places: HashMap<(String, String), Vec<Place>>,
    /// Which device a place belongs to.
    owners: HashMap<u64, Arc<Account>>,
    /// Places by connection, to take back when it breaks.
    by_connection: HashMap<u64, Vec<u64>>,
    /// How many places each source has.
    by_source: HashMap<IpAddr, usize>,
    /// Places in the order in which they expire: one that goes leaves no timer behind.
    by_expiry: BTreeSet<(Instant, u64)>,
    /// Places whose time has moved, and nothing else, since these were last taken.
    refreshed: BTreeSet<u64>,
    /// How often each device may still register; at most one for each account.
    buckets: HashMap<(String, String), Bucket>,
    next_id: u64,
}

impl Registrar {
    /// Replaces the accounts; gives back those of places that have none any more, by company and device.
    pub(crate) fn set_accounts(&mut self, accounts: Arc<Accounts>) -> Vec<Arc<Account>> {
        self.accounts = accounts;
        self.buckets.retain(|key, _| self.accounts.of_device(key).is_some());
        let mut gone: Vec<Arc<Account>> = Vec::new();
        let keys: Vec<_> = self.places.keys().cloned().collect();
        for key in keys {
            let places = self.places.get(&key).map_or(&[][..], Vec::as_slice);
            let ids: Vec<u64> = places.iter().map(|place| place.id).collect();
            match self.accounts.of_device(&key) {
                Some(account) => {
                    for id in ids {
                        self.owners.insert(id, account.clone());
                    }
                }
                None => {
                    gone.extend(ids.first().and_then(|id| self.owners.get(id)).cloned());
                    ids.into_iter().for_each(|id| self.remove_place(id));
                }
            }
        }
        gone.sort_by(|a, b| (&a.company, &a.device).cmp(&(&b.company, &b.device)));
        gone
    }

    pub(crate) fn account(&self, realm: &str, username: &str) -> Option<&Arc<Account>> {
        self.accounts.of_user(realm, username)
    }

    pub(crate) fn account_of_device(&self, company: &str, device: &str) -> Option<Arc<Account>> {
        self.accounts.of_device(&(company.to_owned(), device.to_owned())).cloned()
    }

    pub(crate) fn is_realm(&self, host: &str) -> bool {
        self.accounts.is_realm(host)
    }

    /// Whether `number` calls for help; without a company: in any.
    pub(crate) fn is_emergency(&self, company: Option<&str>, number: &str) -> bool {
        self.accounts.is_emergency(company, number)
    }

    /// Share of accounts that take SHA-256, 0..=1: unknown users are shown it as often.
    pub(crate) fn sha256_share(&self) -> f64 {
        self.accounts.sha256_share()
    }

    /// Whether the device may register once more now.
    pub(crate) fn may_register(&mut self, now: Instant, account: &Account) -> bool {
        let bucket = self.buckets.entry(device_key(account));
        bucket.or_insert_with(|| Bucket::full(REGISTERS, now)).take(now, REGISTERS)
    }

    /// Obeys a register. Either all of it happens or, out of order, nothing.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        account: &Arc<Account>,
        asked: &Asked,
        wishes: &[Wish],
    ) -> Change {
        if self.refresh(now, account, asked, wishes).is_some() {
            return Change::Refreshed;
        }
        let places = self.places_of(account).to_vec();
        let same = |place: &Place, wish: &Wish| wish.is_same(&place.contact, &place.instance);
        let is_stale = |place: &Place| is_stale(place, asked);
        if wishes.iter().any(|wish| places.iter().any(|place| same(place, wish) && is_stale(place)))
        {
            return Change::OutOfOrder;
        }
        let (mut changed, mut removed) = (false, false);
        for wish in wishes {
            // One place may be this phone's by its instance, and one that did not say whose it is by its contact.
            let olds: Vec<&Place> = places.iter().filter(|place| same(place, wish)).collect();
            if wish.expires.is_zero() {
                removed |= !olds.is_empty();
                olds.iter().for_each(|old| self.remove_place(old.id));
                continue;
            }
            changed = true;
            let id = olds.first().map_or_else(|| self.take_id(), |old| old.id);
            olds.iter().skip(1).for_each(|old| self.remove_place(old.id));
            self.put_place(
                account,
                Place {
                    id,
                    contact: wish.contact.clone(),
                    flow: asked.flow,
                    user_agent: asked.user_agent.clone(),
                    expires_at: now + wish.expires,
                    call_id: asked.call_id.clone(),
                    cseq: asked.cseq,
                    path: asked.path.clone(),
                    instance: wish.instance.clone(),
                },
            );
        }
        match (changed, removed) {
            (true, _) => Change::Changed,
            (_, true) => Change::Removed,
            _ => Change::Nothing,
        }
    }

    /// Lets places live on, if every wish is for one that is as it was: what phones ask for nearly always.
    fn refresh(
        &mut self,
        now: Instant,
        account: &Account,
        asked: &Asked,
        wishes: &[Wish],
    ) -> Option<()> {
        let places = self.places.get_mut(&device_key(account))?;
        let is_as_it_was = |wish: &Wish| {
            let mut olds = places.iter().filter(|old| wish.is_same(&old.contact, &old.instance));
            let old = olds.next().filter(|_| olds.next().is_none());
            !wish.expires.is_zero() && old.is_some_and(|old| old.is_of(asked, wish))
        };
        if wishes.is_empty() || !wishes.iter().all(is_as_it_was) {
            return None;
        }
        for wish in wishes {
            let at = places.iter().position(|old| old.is_of(asked, wish))?;
            let mut place = places.remove(at);
            self.by_expiry.remove(&(place.expires_at, place.id));
            (place.expires_at, place.cseq) = (now + wish.expires, asked.cseq);
            self.by_expiry.insert((place.expires_at, place.id));
            self.refreshed.insert(place.id);
            // The one that was heard of least lately comes first.
            places.push(place);
        }
        Some(())
    }

    /// Places that were refreshed since this was last asked, and are still there, with what is left of each.
    pub(crate) fn take_refreshed(&mut self, now: Instant) -> Vec<(u64, Duration)> {
        let ids = std::mem::take(&mut self.refreshed);
        let left = |place: &Place| place.expires_at.saturating_duration_since(now);
        ids.iter().filter_map(|&id| Some((id, left(self.place(id)?.0)))).collect()
    }

    /// Whether there are none.
    pub(crate) fn has_refreshed(&self) -> bool {
        !self.refreshed.is_empty()
    }

    /// Takes all places back (`Contact: *`).
    pub(crate) fn clear(&mut self, account: &Account, asked: &Asked) -> Change {
        let places = self.places_of(account);
        if places.iter().any(|place| is_stale(place, asked)) {
            return Change::OutOfOrder;
        }
        let ids: Vec<u64> = places.iter().map(|place| place.id).collect();
        if ids.is_empty() {
            return Change::Nothing;
        }
        ids.into_iter().for_each(|id| self.remove_place(id));
        Change::Removed
    }

    /// Takes over a place of an earlier run, unless the device has come back there by itself.
    pub(crate) fn restore(&mut self, account: &Arc<Account>, mut place: Place) {
        let is_same = |known: &Place| {
            is_same(&known.contact, &known.instance, &place.contact, &place.instance)
        };
        if self.places_of(account).iter().any(is_same) {
            return;
        }
        place.id = self.take_id();
        self.put_place(account, place);
    }

    /// When the next place expires.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.by_expiry.first().map(|(at, _)| *at)
    }

    /// Forgets one place whose time has come; whose it was.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Arc<Account>> {
        self.by_expiry.first().filter(|(at, _)| *at <= now)?;
        let (_, id) = self.by_expiry.pop_first()?;
        let account = self.owners.get(&id).cloned();
        self.remove_place(id);
        account
    }

    pub(crate) fn places_of(&self, account: &Account) -> &[Place] {
        self.places.get(&device_key(account)).map_or(&[], Vec::as_slice)
    }

    /// A place and whose it is.
    pub(crate) fn place(&self, id: u64) -> Option<(&Place, &Arc<Account>)> {
        let account = self.owners.get(&id)?;
        Some((self.places_of(account).iter().find(|place| place.id == id)?, account))
    }

    /// Which phone is registered by a connection, if it says.
    pub(crate) fn instance_at(&self, connection: u64) -> Option<String> {
        let places = self.by_connection.get(&connection)?.iter().filter_map(|id| self.place(*id));
        places.into_iter().find_map(|(place, _)| place.instance.clone())
    }

    /// The connections other than that of `flow` which the places of these wishes are reached by until now.
    pub(crate) fn connections_left(
        &self,
        account: &Account,
        flow: Flow,
        wishes: &[Wish],
    ) -> Vec<u64> {
        let is_wished =
            |place: &&Place| wishes.iter().any(|w| w.is_same(&place.contact, &place.instance));
        let places = self.places_of(account).iter().filter(is_wished);
        places
            .filter_map(|place| place.flow.connection)
            .filter(|connection| Some(*connection) != flow.connection)
            .collect()
    }

    /// Whether somebody is registered by a connection.
    pub(crate) fn has_connection(&self, connection: u64) -> bool {
        self.by_connection.contains_key(&connection)
    }

    /// Whether somebody is registered from a source.
    pub(crate) fn has_source(&self, source: IpAddr) -> bool {
        self.by_source.contains_key(&source)
    }

    /// Forgets what was registered over a connection; whose that was.
    pub(crate) fn connection_closed(&mut self, connection: u64) -> Vec<Arc<Account>> {
        let mut accounts: Vec<Arc<Account>> = Vec::new();
        for id in self.by_connection.get(&connection).cloned().unwrap_or_default() {
            let owner = self.owners.get(&id);
            if let Some(owner) = owner.filter(|o| !accounts.iter().any(|a| Arc::ptr_eq(a, o))) {
                accounts.push(owner.clone());
            }
            self.remove_place(id);
        }
        accounts
    }

    /// Places whose end is waited for.
    pub(crate) fn expiries(&self) -> usize {
        self.by_expiry.len()
    }

    /// Devices online, places.
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.places.len(), self.owners.len())
    }

    /// All places of a device, as events tell them.
    pub(crate) fn bindings(&self, now: Instant, account: &Account) -> Vec<Binding> {
        let told = |place: &Place| Binding {
            id: place.id,
            contact: place.contact.clone(),
            source: place.flow.peer,
            transport: place.flow.transport,
            user_agent: place.user_agent.clone(),
            expires_in: place.expires_at.saturating_duration_since(now),
            call_id: place.call_id.clone(),
            cseq: place.cseq,
            path: place.path.clone(),
            instance: place.instance.clone(),
        };
        self.places_of(account).iter().map(told).collect()
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn put_place(&mut self, account: &Arc<Account>, place: Place) {
        self.remove_place(place.id);
        if let Some(connection) = place.flow.connection {
            self.by_connection.entry(connection).or_default().push(place.id);
        }
        *self.by_source.entry(source_of(place.flow.peer.ip())).or_default() += 1;
        self.owners.insert(place.id, account.clone());
        self.by_expiry.insert((place.expires_at, place.id));
        let places = self.places.entry(device_key(account)).or_default();
        places.push(place);
        if places.len() > account.max_bindings.max(1) {
            let oldest = places[0].id;
            self.remove_place(oldest);
        }
    }

    fn remove_place(&mut self, id: u64) {
        let Some(account) = self.owners.remove(&id) else { return };
        let key = device_key(&account);
        let Some(places) = self.places.get_mut(&key) else { return };
        let Some(at) = places.iter().position(|place| place.id == id) else { return };
        let place = places.remove(at);
        self.by_expiry.remove(&(place.expires_at, id));
        if places.is_empty() {
            self.places.remove(&key);
        }
        let source = source_of(place.flow.peer.ip());
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
        let Some(connection) = place.flow.connection else { return };
        if let Some(ids) = self.by_connection.get_mut(&connection) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_connection.remove(&connection);
            }
        }
    }
}

/// An older request than the one that made the place (RFC 3261 §10.3 step 7).
fn is_stale(place: &Place, asked: &Asked) -> bool {
    place.call_id == asked.call_id && asked.cseq <= place.cseq
}

/// Whether two contacts with their instances are one phone's (RFC 5626 §6); where one has none, the contact decides.
fn is_same(one: &str, of_one: &Option<String>, other: &str, of_other: &Option<String>) -> bool {
    match (of_one, of_other) {
        (Some(of_one), Some(of_other)) => of_one == of_other,
        _ => {
            one == other
                || Uri::parse(one).zip(Uri::parse(other)).is_some_and(|(a, b)| a.is_same(&b))
        }
    }
}

/// REGISTERs of one device: some phones that share it and all start anew, then one in two seconds, where a phone sends
/// one a minute at most.
const REGISTERS: Rate = Rate { burst: 30.0, per_s: 0.5 };

fn device_key(account: &Account) -> (String, String) {
    (account.company.clone(), account.device.clone())
}
