//! Turns the host names of trunks into addresses, on a thread of its own: nobody waits for a name server.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;

/// Asks for host names; answers come to the function given at start, whenever an address is new.
#[derive(Debug)]
pub(crate) struct Resolver {
    desk: Arc<Desk>,
}

/// Where the newest table lies until the thread takes it: whoever waits at a slow name server misses only tables
/// that were replaced meanwhile.
#[derive(Debug, Default)]
struct Desk {
    order: Mutex<Order>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Order {
    hosts: Option<Vec<(String, u16)>>,
    is_over: bool,
}

impl Resolver {
    /// Starts the thread. It ends when the resolver is dropped, after the question that it is at.
    pub(crate) fn start(
        answer: impl Fn(String, u16, SocketAddr) + Send + 'static,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let theirs = desk.clone();
        std::thread::Builder::new().name("resolver".into()).spawn(move || run(&theirs, &answer))?;
        Ok(Self { desk })
    }

    /// From now on keeps the addresses of these hosts, and of no others.
    pub(crate) fn watch(&self, hosts: Vec<(String, u16)>) {
        self.desk.change(|order| order.hosts = Some(hosts));
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.desk.change(|order| order.is_over = true);
    }
}

impl Desk {
    fn change(&self, change: impl FnOnce(&mut Order)) {
        change(&mut self.order.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// Waits until there is a new table, the end, or `until`; the table, or `None` for the end.
    fn wait(&self, until: Instant) -> Option<Option<Vec<(String, u16)>>> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = until.saturating_duration_since(clock::now());
        let idle = |order: &mut Order| order.hosts.is_none() && !order.is_over;
        let (mut order, _) = self
            .changed
            .wait_timeout_while(order, patience, idle)
            .unwrap_or_else(PoisonError::into_inner);
        (!order.is_over).then(|| order.hosts.take())
    }
}

/// The address of a host that needs no look-up.
pub(crate) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

fn run(desk: &Desk, answer: &impl Fn(String, u16, SocketAddr)) {
    let mut hosts: Vec<(String, u16)> = Vec::new();
    let mut known: HashMap<(String, u16), SocketAddr> = HashMap::new();
    let mut next = clock::now();
    while let Some(news) = desk.wait(next) {
        if let Some(watched) = news {
            hosts = watched;
            known.clear();
        }
        for (host, port) in &hosts {
            let Some(address) = (host.as_str(), *port).to_socket_addrs().ok().and_then(pick) else {
                continue;
            };
            if known.insert((host.clone(), *port), address) != Some(address) {
                answer(host.clone(), *port, address);
            }
        }
        next = later(clock::now(), hosts.is_empty());
    }
}

/// IPv4 first: carriers that have both mean it.
fn pick(addresses: impl Iterator<Item = SocketAddr>) -> Option<SocketAddr> {
    let all: Vec<_> = addresses.collect();
    all.iter().find(|a| a.is_ipv4()).or(all.first()).copied()
}

fn later(now: Instant, nothing_to_do: bool) -> Instant {
    now + if nothing_to_do { Duration::from_secs(3600) } else { REFRESH }
}

/// How old an address may grow.
const REFRESH: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn many_tables_in_a_row_lose_nothing_of_the_last() {
        let (told, answers) = channel();
        let resolver = Resolver::start(move |host, port, address| {
            let _ = told.send((host, port, address));
        })
        .unwrap();
        for port in 1..=50 {
            resolver.watch(vec![("127.0.0.1".to_owned(), port)]);
        }
        let last = ("127.0.0.1".to_owned(), 50, "127.0.0.1:50".parse().unwrap());
        assert!(
            std::iter::from_fn(|| answers.recv_timeout(Duration::from_secs(5)).ok())
                .any(|answer| answer == last)
        );
        drop(resolver);
        assert!(answers.recv_timeout(Duration::from_secs(5)).is_err(), "the thread ends");
    }
}
