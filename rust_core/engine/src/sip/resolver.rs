//! Finds the servers of the hosts of trunks (RFC 3263 §4.2), on a thread of its own: nobody waits for a name server.
//!
//! Of a host without a port, the services of its transport are asked for, and where there are none, its addresses. The
//! transport is always known, so NAPTR has nothing to say (RFC 3263 §4.1). What was found outlasts a name server that fails.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tandem_sip::endpoint::{Host, Server, Transport};

use super::dns::{Dns, Fault, Found, NameServers, hosts_file};
use crate::{clock, lock};

/// Asks for host names; answers come to the function given at start, whenever they are new, and once if there is none.
#[derive(Debug)]
pub(crate) struct Resolver {
    watched: Arc<(Mutex<Watched>, Condvar)>,
    /// What has been answered, so that a new table of trunks need not wait for it again.
    known: HashMap<Host, Vec<Server>>,
}

/// What the thread looks up.
#[derive(Debug, Default)]
struct Watched {
    hosts: Vec<Host>,
    /// Counts the tables, so that the thread sees a new one.
    table: u64,
    is_over: bool,
}

/// What the thread knows of a host.
#[derive(Debug)]
struct Known {
    servers: Vec<Server>,
    /// When it is asked for again.
    due: Instant,
}

impl Resolver {
    /// Starts the thread. It ends when the resolver is dropped, after the question that it is at.
    pub(crate) fn start(
        name_servers: NameServers,
        answer: impl Fn(Host, Vec<Server>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let watched = Arc::new((Mutex::new(Watched::default()), Condvar::new()));
        let for_thread = watched.clone();
        std::thread::Builder::new().name("resolver".into()).spawn(move || {
            run(&for_thread, Dns::new(name_servers), &answer);
        })?;
        Ok(Self { watched, known: HashMap::new() })
    }

    /// The servers of a host as far as they are known.
    pub(crate) fn servers(&self, host: &Host) -> Option<Vec<Server>> {
        literal(host).map(|one| vec![one]).or_else(|| self.known.get(host).cloned())
    }

    /// From now on keeps the servers of these hosts, and of no others.
    pub(crate) fn watch(&mut self, hosts: Vec<Host>) {
        self.known.retain(|host, _| hosts.contains(host));
        let (watched, changed) = &*self.watched;
        let mut watched = lock(watched);
        watched.hosts = hosts;
        watched.table += 1;
        changed.notify_one();
    }

    /// An answer has come.
    pub(crate) fn answered(&mut self, host: &Host, servers: &[Server]) {
        if !servers.is_empty() && lock(&self.watched.0).hosts.contains(host) {
            self.known.insert(host.clone(), servers.to_vec());
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        lock(&self.watched.0).is_over = true;
        self.watched.1.notify_one();
    }
}

/// The server of a host that needs no look-up.
pub(crate) fn literal(host: &Host) -> Option<Server> {
    let name = host.name.trim_start_matches('[').trim_end_matches(']');
    let ip = name.parse::<IpAddr>().ok()?;
    Some(Server::alone(SocketAddr::new(ip, port_of(host))))
}

fn port_of(host: &Host) -> u16 {
    host.port.unwrap_or(host.transport.default_port())
}

fn run(
    (watched, changed): &(Mutex<Watched>, Condvar),
    mut dns: Dns,
    answer: &impl Fn(Host, Vec<Server>),
) {
    let mut known: HashMap<Host, Known> = HashMap::new();
    let mut seen = 0;
    loop {
        let due = known.values().map(|one| one.due).min();
        let pause = due.map_or(IDLE, |due| due.saturating_duration_since(clock::now()));
        let hosts = {
            let wait_over = |w: &mut Watched| !w.is_over && w.table == seen;
            let (guard, _) = changed
                .wait_timeout_while(lock(watched), pause, wait_over)
                .unwrap_or_else(PoisonError::into_inner);
            if guard.is_over {
                return;
            }
            seen = guard.table;
            guard.hosts.clone()
        };
        known.retain(|host, _| hosts.contains(host));
        dns.begin();
        for host in hosts {
            if known.get(&host).is_some_and(|one| clock::now() < one.due) {
                continue;
            }
            // A fault of ours costs one look-up.
            let looked_up = catch_unwind(AssertUnwindSafe(|| look_up(&mut dns, &host)));
            let found = looked_up.unwrap_or(Err(Fault::NoAnswer));
            let before = known.get(&host).map(|one| one.servers.clone());
            let (servers, holds) = settle(found, before.as_deref());
            if before.as_ref() != Some(&servers) {
                answer(host.clone(), servers.clone());
            }
            known.insert(host, Known { servers, due: clock::now() + holds });
            // A name server that hangs must not keep the newest table waiting for the rest of an old one.
            let newest = lock(watched);
            if newest.is_over || newest.table != seen {
                break;
            }
        }
    }
}

/// What holds after an answer, and for how long: what was known, where the answer has nothing better.
fn settle(
    found: Result<Found<Server>, Fault>,
    before: Option<&[Server]>,
) -> (Vec<Server>, Duration) {
    let before = || before.unwrap_or_default().to_vec();
    match found {
        Ok(found) if found.records.is_empty() => (before(), found.holds),
        Ok(found) => (found.records, found.holds),
        Err(_) => (before(), AGAIN),
    }
}

fn look_up(dns: &mut Dns, host: &Host) -> Result<Found<Server>, Fault> {
    if host.port.is_some() {
        return alone(dns, host);
    }
    match dns.services(&format!("{}.{}", service_of(host.transport), host.name)) {
        Ok(services) if services.records.is_empty() => alone(dns, host),
        Ok(services) => {
            let mut all = Found { records: Vec::new(), holds: services.holds };
            let mut fault = None;
            for service in services.records.iter().filter(|service| !service.target.is_empty()) {
                match addresses(dns, &service.target) {
                    Ok(found) => {
                        all.holds = all.holds.min(found.holds);
                        all.records.extend(ranked(
                            &found.records,
                            service.port,
                            service.priority,
                            service.weight,
                        ));
                    }
                    Err(failed) => fault = Some(failed),
                }
            }
            all.records.truncate(MAX_SERVERS);
            match fault {
                // Half of the servers of a host are no better than all of them as they were.
                Some(fault) => Err(fault),
                None => Ok(all),
            }
        }
        // Without an answer to that, the addresses are as good a guess as any, if nothing is known yet.
        Err(fault) => alone(dns, host).map_err(|_| fault),
    }
}

/// A host by its addresses.
fn alone(dns: &mut Dns, host: &Host) -> Result<Found<Server>, Fault> {
    let found = addresses(dns, &host.name)?;
    Ok(Found { records: ranked(&found.records, port_of(host), 0, 0), holds: found.holds })
}

/// The addresses of one server: the first has its share, and the others come after it.
fn ranked(addresses: &[IpAddr], port: u16, priority: u16, weight: u16) -> Vec<Server> {
    let weights = std::iter::once(weight).chain(std::iter::repeat(0));
    let server = |(ip, weight): (&IpAddr, u16)| Server {
        address: SocketAddr::new(*ip, port),
        priority,
        weight,
    };
    addresses.iter().zip(weights).map(server).collect()
}

/// By the hosts file, the name servers, and then by whatever else this host is set up with: search lists, mDNS.
fn addresses(dns: &mut Dns, name: &str) -> Result<Found<IpAddr>, Fault> {
    let own = hosts_file(Path::new("/etc/hosts"), name);
    if !own.is_empty() {
        return Ok(Found { records: own, holds: HOLDS });
    }
    let found = dns.addresses(name);
    if found.as_ref().is_ok_and(|found| !found.records.is_empty()) || !dns.is_of_host() {
        return found;
    }
    let Ok(others) = (name, 0).to_socket_addrs() else { return found };
    let mut records: Vec<IpAddr> = others.map(|other| other.ip()).collect();
    records.sort_by_key(|ip| (ip.is_ipv6(), *ip));
    records.dedup();
    Ok(Found { records, holds: HOLDS })
}

/// RFC 3263 §4.1, §4.2.
fn service_of(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        // Nobody is called over WebSocket but by the connection that he keeps open.
        Transport::Tcp | Transport::Ws => "_sip._tcp",
        Transport::Tls | Transport::Wss => "_sips._tcp",
    }
}

/// How old what no name server told may grow.
const HOLDS: Duration = Duration::from_secs(60);
/// When it is tried again after no answer.
const AGAIN: Duration = Duration::from_secs(10);
/// With nothing to look up.
const IDLE: Duration = Duration::from_secs(3_600);
const MAX_SERVERS: usize = 32;

#[cfg(test)]
mod tests;
