//! Trunks: whose is a request, and our own registration there (RFC 3261 §10.2).

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;

use crate::auth::ClientDigest;
use crate::endpoint::{Flow, Transport, Trunk};
use crate::health::Health;
use crate::trunk_hosts::{Host, Server, TrunkHost};
use crate::wire::HeaderName;

/// (company, trunk)
pub(crate) type TrunkKey = (String, String);

/// All trunks and the state that we keep of each.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    trunks: HashMap<TrunkKey, Arc<Trunk>>,
    /// Trunks by the single addresses that they call from; whole networks are searched.
    by_address: HashMap<IpAddr, Vec<TrunkKey>>,
    networks: Vec<(IpAddr, u8, TrunkKey)>,
    registrations: HashMap<TrunkKey, Registration>,
    calls: HashMap<TrunkKey, usize>,
    /// Servers that have asked to be left alone for a while (RFC 3261 §21.5.4), by the trunk that they told.
    resting: HashMap<TrunkKey, HashMap<SocketAddr, Instant>>,
    /// Which servers are there; of all trunks that have them.
    pub(crate) health: Health,
}

/// Whose a request is.
#[derive(Debug)]
pub(crate) enum Whose<'a> {
    /// No trunk's.
    Nobodys,
    /// Of this trunk.
    Of(&'a Arc<Trunk>),
    /// Of one of several companies, and nothing tells of which.
    Unclear,
}

/// Our registration at one trunk.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    pub(crate) digest: ClientDigest,
    /// Where its credentials stand: whose challenge they answer, a registrar's or a proxy's.
    pub(crate) credentials_in: HeaderName,
    /// What was last told; `None` before the first answer.
    pub(crate) told: Option<Told>,
    /// When what was last granted ends.
    pub(crate) until: Option<Instant>,
    pub(crate) failures: u32,
    /// Challenges answered since the last success.
    pub(crate) challenges: u8,
    pub(crate) expires: Duration,
    /// The server that is asked.
    pub(crate) asked: Option<Flow>,
    /// Those that are asked after it, should it not answer.
    pub(crate) others: VecDeque<Flow>,
    /// The server that granted it last.
    pub(crate) home: Option<Flow>,
    /// The question or timer that counts; answers to older ones, and their timers, no longer count.
    pub(crate) awaited: u64,
    /// Whether that is a question, which may yet be granted.
    pub(crate) is_asking: bool,
}

impl Registration {
    /// Whether the newest answer granted it.
    pub(crate) fn is_good(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.registered)
    }
}

/// How a registration stands.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) registered: bool,
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// The server that we are registered with.
    pub(crate) home: Option<SocketAddr>,
}

impl Told {
    /// Whether this is no news after `old`. Of a refusal the words say what is wrong, of a success nothing.
    pub(crate) fn repeats(&self, old: &Self) -> bool {
        (self.registered, self.status, self.home) == (old.registered, old.status, old.home)
            && (self.registered || self.reason == old.reason)
    }
}

impl Trunks {
    /// Replaces the table; gives back those that we leave and those that are to be registered anew.
    pub(crate) fn set(&mut self, trunks: Vec<Trunk>) -> (Vec<Arc<Trunk>>, Vec<Arc<Trunk>>) {
        let old = std::mem::take(&mut self.trunks);
        self.trunks = trunks
            .into_iter()
            .map(|mut trunk| {
                let key = (trunk.company.clone(), trunk.id.clone());
                if let Some(known) = old.get(&key) {
                    keep_servers(&mut trunk, known);
                }
                (key, Arc::new(trunk))
            })
            .collect();
        self.resting.retain(|key, _| self.trunks.contains_key(key));
        self.index();
        let left = registering(&old, |key, trunk| {
            self.trunks.get(key).is_some_and(|new| is_same_place(trunk, new))
        });
        let new = registering(&self.trunks, |key, trunk| {
            old.get(key).is_some_and(|old| {
                is_same_place(old, trunk)
                    && (&old.credentials, old.expires) == (&trunk.credentials, trunk.expires)
            })
        });
        (left, new)
    }

    /// Notes the servers of a host; the trunks that have other servers now.
    pub(crate) fn resolved(&mut self, host: &Host, servers: &[Server]) -> Vec<Arc<Trunk>> {
        let mut changed = Vec::new();
        for trunk in self.trunks.values_mut() {
            let transport = trunk.transport;
            let is_news = |d: &TrunkHost| {
                d.wanted(transport) == *host && d.servers.as_deref() != Some(servers)
            };
            if !trunk.hosts.list.iter().any(is_news) {
                continue;
            }
            for host in &mut Arc::make_mut(trunk).hosts.list {
                if is_news(host) {
                    host.servers = Some(servers.to_vec());
                }
            }
            changed.push(trunk.clone());
        }
        changed.sort_by(|a, b| (&a.company, &a.id).cmp(&(&b.company, &b.id)));
        if !changed.is_empty() {
            self.index();
        }
        changed
    }

    /// The servers of a trunk in the order in which they are tried: by rank, but of a call the one first that we are
    /// registered with, and a register leaves that one only for a better rank. Those that gave no answer lately, or want
    /// to be left alone, come last.
    pub(crate) fn order<'a>(
        &self,
        rng: &mut ChaCha8Rng,
        now: Instant,
        trunk: &'a Trunk,
        is_call: bool,
    ) -> Vec<(&'a TrunkHost, Server)> {
        let mut order = trunk.hosts.order(rng);
        if order.len() < 2 {
            return order;
        }
        let key = (trunk.company.clone(), trunk.id.clone());
        let registration = self.registrations.get(&key).filter(|own| own.is_good());
        let home = registration.and_then(|own| own.home).map(|flow| flow.peer);
        let resting = self.resting.get(&key);
        let is_avoided = |at: SocketAddr| {
            self.health.is_avoided(now, (trunk.transport, at))
                || resting.and_then(|all| all.get(&at)).is_some_and(|until| now < *until)
        };
        order.sort_by_cached_key(|(host, server)| {
            let rank = if is_call { (0, 0) } else { (host.priority, server.priority) };
            (is_avoided(server.address), rank, home != Some(server.address))
        });
        order.truncate(MAX_TRIES);
        order
    }

    /// A server has told a trunk to leave it alone until then.
    pub(crate) fn rest(&mut self, trunk: &Trunk, server: SocketAddr, until: Instant) {
        let key = (trunk.company.clone(), trunk.id.clone());
        let resting = self.resting.entry(key).or_default();
        resting.insert(server, until);
        resting.retain(|at, _| trunk.hosts.has(*at));
    }

    /// The trunks that have this server, by name.
    pub(crate) fn at(&self, transport: Transport, server: SocketAddr) -> Vec<Arc<Trunk>> {
        let has = |t: &&Arc<Trunk>| t.transport == transport && t.hosts.has(server);
        let mut found: Vec<_> = self.trunks.values().filter(has).cloned().collect();
        found.sort_by(|a, b| (&a.company, &a.id).cmp(&(&b.company, &b.id)));
        found
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Trunk>> {
        self.trunks.values()
    }

    pub(crate) fn named(&self, company: &str, id: &str) -> Option<&Arc<Trunk>> {
        self.trunks.get(&(company.to_owned(), id.to_owned()))
    }

    /// Whose a request from `source` is, addressed to `user`. Where several trunks share the address, the one whose
    /// Contact is asked for is meant, then those known by it, then those that are registered there: the narrowest
    /// network first. A trunk that registers is known only while it is registered.
    pub(crate) fn of_source(&self, now: Instant, source: IpAddr, user: &str) -> Whose<'_> {
        let known: Vec<_> = self.known_at(now, source).collect();
        let is_asked = |trunk: &&Arc<Trunk>| user == trunk.contact_user;
        let asked: Vec<_> = known.iter().copied().filter(is_asked).collect();
        let by_address: Vec<_> = known.iter().copied().filter(|trunk| !trunk.register).collect();
        let meant = [asked, by_address, known].into_iter().find(|some| !some.is_empty());
        match meant.as_deref() {
            None => Whose::Nobodys,
            Some([first, rest @ ..]) if rest.iter().all(|t| t.company == first.company) => {
                Whose::Of(first)
            }
            Some(_) => Whose::Unclear,
        }
    }

    /// Whether a request from `source` may be some trunk's.
    pub(crate) fn is_source(&self, now: Instant, source: IpAddr) -> bool {
        self.known_at(now, source).next().is_some()
    }

    /// Whether an address is one that some trunk may have, whether its requests are taken now or not.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.by_address.contains_key(&address)
            || self.networks.iter().any(|(net, len, _)| contains(*net, *len, address))
    }

    fn known_at(&self, now: Instant, source: IpAddr) -> impl Iterator<Item = &Arc<Trunk>> {
        let source = source.to_canonical();
        let exact = self.by_address.get(&source).map_or(&[][..], Vec::as_slice);
        let networks =
            self.networks.iter().filter(move |(net, len, _)| contains(*net, *len, source));
        let keys = exact.iter().chain(networks.map(|(.., key)| key));
        let is_registered = move |key: &TrunkKey| {
            self.registrations.get(key).and_then(|r| r.until).is_some_and(|until| now < until)
        };
        keys.filter_map(|key| Some((key, self.trunks.get(key)?)))
            .filter(move |(key, trunk)| !trunk.register || is_registered(key))
            .map(|(_, trunk)| trunk)
    }

    pub(crate) fn all_registering(&self) -> Vec<Arc<Trunk>> {
        self.trunks.values().filter(|trunk| trunk.register).cloned().collect()
    }

    pub(crate) fn registration(&mut self, key: &TrunkKey) -> Option<&mut Registration> {
        self.registrations.get_mut(key)
    }

    pub(crate) fn put_registration(&mut self, key: TrunkKey, registration: Registration) {
        self.registrations.insert(key, registration);
    }

    pub(crate) fn take_registration(&mut self, key: &TrunkKey) -> Option<Registration> {
        self.registrations.remove(key)
    }

    /// Takes a place for one more call; false if the trunk is full, unless the call has a place in the reserve.
    pub(crate) fn enter(&mut self, trunk: &Trunk, has_reserve: bool) -> bool {
        let calls = self.calls.entry((trunk.company.clone(), trunk.id.clone())).or_default();
        if !has_reserve && trunk.max_calls.is_some_and(|max| *calls >= max) {
            return false;
        }
        *calls += 1;
        true
    }

    /// Gives the place of a call back.
    pub(crate) fn leave(&mut self, trunk: &Trunk) {
        let key = (trunk.company.clone(), trunk.id.clone());
        if let Some(calls) = self.calls.get_mut(&key) {
            *calls = calls.saturating_sub(1);
            if *calls == 0 {
                self.calls.remove(&key);
            }
        }
    }

    /// (trunks, registered ones)
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.trunks.len(), self.registrations.values().filter(|r| r.is_good()).count())
    }

    fn index(&mut self) {
        self.by_address.clear();
        self.networks.clear();
        let mut keys: Vec<_> = self.trunks.keys().cloned().collect();
        keys.sort();
        for key in keys {
            let Some(trunk) = self.trunks.get(&key) else { continue };
            for address in trunk.hosts.addresses() {
                let same = self.by_address.entry(address.ip().to_canonical()).or_default();
                if !same.contains(&key) {
                    same.push(key.clone());
                }
            }
            for &(network, length) in &trunk.sources {
                let (network, length) = canonical(network, length);
                let is_one = u32::from(length) >= if network.is_ipv4() { 32 } else { 128 };
                if is_one {
                    let same = self.by_address.entry(network).or_default();
                    if !same.contains(&key) {
                        same.push(key.clone());
                    }
                } else {
                    self.networks.push((network, length, key.clone()));
                }
            }
        }
        self.networks.sort_by_key(|(_, length, _)| std::cmp::Reverse(*length));
    }
}

/// The registering trunks of a table that are not as they were.
fn registering(
    table: &HashMap<TrunkKey, Arc<Trunk>>,
    is_unchanged: impl Fn(&TrunkKey, &Trunk) -> bool,
) -> Vec<Arc<Trunk>> {
    let changed = table.iter().filter(|(key, trunk)| trunk.register && !is_unchanged(key, trunk));
    let mut found: Vec<_> = changed.map(|(_, trunk)| trunk.clone()).collect();
    found.sort_by(|a, b| (&a.company, &a.id).cmp(&(&b.company, &b.id)));
    found
}

/// Whether two trunks register the same Contact for the same address at the same registrar.
fn is_same_place(a: &Trunk, b: &Trunk) -> bool {
    fn place(t: &Trunk) -> impl PartialEq + '_ {
        let user = t.credentials.as_ref().map(|c| &c.username);
        (t.register, &t.hosts.list, t.transport, &t.domain, &t.contact_user, user)
    }
    place(a) == place(b)
}

/// What is known of the hosts of a trunk outlasts a new table.
fn keep_servers(trunk: &mut Trunk, known: &Trunk) {
    for host in trunk.hosts.list.iter_mut().filter(|d| d.servers.is_none()) {
        let wanted = host.wanted(trunk.transport);
        let same = known.hosts.list.iter().find(|d| d.wanted(known.transport) == wanted);
        host.servers = same.and_then(|same| same.servers.clone());
    }
}

/// A network of IPv4 addresses that is written as IPv6, as what it is (RFC 4291 §2.5.5.2).
pub(crate) fn canonical(network: IpAddr, length: u8) -> (IpAddr, u8) {
    match (network.to_canonical(), length.checked_sub(96)) {
        (v4 @ IpAddr::V4(_), Some(rest)) if network.is_ipv6() => (v4, rest),
        _ => (network, length),
    }
}

/// Whether an address lies in a network.
pub(crate) fn contains(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let ((network, width), (address, other_width)) = (bits(network), bits(address));
    let kept = u32::from(length).min(width);
    width == other_width && (kept == 0 || (network ^ address) >> (128 - kept) == 0)
}

/// Servers that one call or registration tries at most.
const MAX_TRIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_they_should() {
        let ip = |text: &str| text.parse().unwrap();
        assert!(contains(ip("192.0.2.0"), 24, ip("192.0.2.77")));
        assert!(!contains(ip("192.0.2.0"), 24, ip("192.0.3.1")));
        assert!(contains(ip("192.0.2.7"), 32, ip("192.0.2.7")));
        assert!(!contains(ip("192.0.2.7"), 32, ip("192.0.2.6")));
        assert!(contains(ip("2001:db8::"), 32, ip("2001:db8:1::1")));
        assert!(!contains(ip("0.0.0.0"), 0, ip("::1")));
    }
}
