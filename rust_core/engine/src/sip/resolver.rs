//! Turns the host names of trunks into addresses, on a thread of its own: nobody waits for a name server.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::lock;

/// A host and its port.
pub(crate) type Host = (String, u16);

/// Asks for host names; answers come to the function given at start, whenever an address is new, and once if there is
/// none. What was known outlasts a name server that fails.
#[derive(Debug)]
pub(crate) struct Resolver {
    watched: Arc<(Mutex<Watched>, Condvar)>,
    /// What has been answered, so that a new table of trunks need not wait for it again.
    known: HashMap<Host, SocketAddr>,
}

/// What the thread looks up.
#[derive(Debug, Default)]
struct Watched {
    hosts: Vec<Host>,
    /// Counts the tables, so that the thread sees a new one.
    table: u64,
    is_over: bool,
}

impl Resolver {
    /// Starts the thread. It ends when the resolver is dropped, after the question that it is at.
    pub(crate) fn start(
        answer: impl Fn(Host, Option<SocketAddr>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let watched = Arc::new((Mutex::new(Watched::default()), Condvar::new()));
        let for_thread = watched.clone();
        std::thread::Builder::new().name("resolver".into()).spawn(move || {
            run(&for_thread, &answer);
        })?;
        Ok(Self { watched, known: HashMap::new() })
    }

    /// The address of a host as far as it is known.
    pub(crate) fn address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        literal(host, port).or_else(|| self.known.get(&(host.to_owned(), port)).copied())
    }

    /// From now on keeps the addresses of these hosts, and of no others.
    pub(crate) fn watch(&mut self, hosts: Vec<Host>) {
        self.known.retain(|host, _| hosts.contains(host));
        let (watched, changed) = &*self.watched;
        let mut watched = lock(watched);
        watched.hosts = hosts;
        watched.table += 1;
        changed.notify_one();
    }

    /// An answer has come.
    pub(crate) fn answered(&mut self, host: Host, address: SocketAddr) {
        if lock(&self.watched.0).hosts.contains(&host) {
            self.known.insert(host, address);
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        lock(&self.watched.0).is_over = true;
        self.watched.1.notify_one();
    }
}

/// The address of a host that needs no look-up.
pub(crate) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

fn run((watched, changed): &(Mutex<Watched>, Condvar), answer: &impl Fn(Host, Option<SocketAddr>)) {
    let mut known: HashMap<Host, Option<SocketAddr>> = HashMap::new();
    let mut seen = 0;
    loop {
        let hosts = {
            let wait_over = |w: &mut Watched| !w.is_over && w.table == seen;
            let (guard, _) = changed
                .wait_timeout_while(lock(watched), REFRESH, wait_over)
                .unwrap_or_else(PoisonError::into_inner);
            if guard.is_over {
                return;
            }
            seen = guard.table;
            guard.hosts.clone()
        };
        known.retain(|host, _| hosts.contains(host));
        for host in hosts {
            let asked = (host.0.as_str(), host.1).to_socket_addrs().ok();
            let before = known.get(&host).copied();
            let address = asked.and_then(|all| pick(all, before.flatten())).or(before.flatten());
            if before != Some(address) {
                known.insert(host.clone(), address);
                answer(host, address);
            }
            // A name server that hangs must not keep the newest table waiting for the rest of an old one.
            let newest = lock(watched);
            if newest.is_over || newest.table != seen {
                break;
            }
        }
    }
}

/// IPv4 first: carriers that have both mean it. An address that is still there stays, in whatever order they come.
fn pick(
    addresses: impl Iterator<Item = SocketAddr>,
    before: Option<SocketAddr>,
) -> Option<SocketAddr> {
    let all: Vec<_> = addresses.collect();
    let kept = before.filter(|before| all.contains(before));
    kept.or_else(|| all.iter().find(|a| a.is_ipv4()).or(all.first()).copied())
}

/// How old an address may grow.
const REFRESH: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_name_is_looked_up_and_remembered_and_a_literal_needs_no_asking() {
        let (sender, answers) = channel();
        let mut resolver = Resolver::start(move |host, address| {
            let _ = sender.send((host, address));
        })
        .unwrap();
        assert_eq!(resolver.address("[::1]", 5070), Some("[::1]:5070".parse().unwrap()));
        let host = ("localhost".to_owned(), 5060);
        resolver.watch(vec![host.clone()]);
        let (answered, address) = answers.recv_timeout(Duration::from_secs(5)).unwrap();
        let address = address.unwrap();
        assert_eq!((answered, address.port()), (host.clone(), 5060));
        resolver.answered(host.clone(), address);
        let nowhere = ("nowhere.invalid".to_owned(), 5060);
        resolver.watch(vec![host, nowhere.clone()]);
        assert_eq!(resolver.address("localhost", 5060), Some(address));
        assert_eq!(answers.recv_timeout(Duration::from_secs(5)).unwrap(), (nowhere, None));
        resolver.watch(vec![]);
        assert_eq!(resolver.address("localhost", 5060), None);
    }

    #[test]
    fn an_address_stays_while_the_host_has_it() {
        let [a, b, c] = ["[::1]:5", "192.0.2.1:5", "192.0.2.2:5"].map(|a| a.parse().unwrap());
        assert_eq!(pick([a, b, c].into_iter(), None), Some(b));
        assert_eq!(pick([c, b].into_iter(), Some(b)), Some(b));
        assert_eq!(pick([c, a].into_iter(), Some(b)), Some(c));
    }

    #[test]
    fn of_many_tables_in_a_row_the_last_one_is_looked_up() {
        let (sender, answers) = channel();
        let mut resolver = Resolver::start(move |host, _| {
            let _ = sender.send(host);
        })
        .unwrap();
        for port in 1..=100 {
            resolver.watch(vec![("localhost".to_owned(), port)]);
        }
        while answers.recv_timeout(Duration::from_secs(5)).unwrap().1 != 100 {}
    }
}
