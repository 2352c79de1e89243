//! Where a trunk's servers are, and in which order they are tried (RFC 3263 §4.2, RFC 2782).

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore as _;

use crate::endpoint::Transport;

/// A host to look up: of one without a port the services of this transport, then its addresses (RFC 3263 §4.2).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Host {
    /// As the operator wrote it.
    pub name: String,
    /// As the operator wrote it; `None`: the service says, else the usual one.
    pub port: Option<u16>,
    /// Chooses the service.
    pub transport: Transport,
}

/// One server of a host, with its rank among them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Its share among those of one priority.
    pub weight: u16,
}

/// A host of a trunk, with its rank among them.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkHost {
    /// As configured; stands in Request-URIs.
    pub host: String,
    /// As configured.
    pub port: Option<u16>,
    /// Lower ones are tried first.
    pub priority: u16,
    /// Its share among those of one priority.
    pub weight: u16,
    /// What was found there; `None` before anything was, empty where there is nothing.
    pub servers: Option<Vec<Server>>,
}

/// All hosts of a trunk, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkHosts {
    /// In the order of the configuration; at least one.
    pub list: Vec<TrunkHost>,
    /// How long one may be silent before the next is tried. The last has the time that RFC 3261 gives it.
    pub patience: Duration,
    /// How often each server is asked for a sign of life by OPTIONS; `None`: never.
    pub health: Option<Duration>,
}

impl Server {
    /// The only one of a host.
    pub fn alone(address: SocketAddr) -> Self {
        Self { address, priority: 0, weight: 0 }
    }
}

impl TrunkHost {
    /// What is looked up for it.
    pub fn wanted(&self, transport: Transport) -> Host {
        Host { name: self.host.clone(), port: self.port, transport }
    }

    /// Whether one of its servers is there.
    pub(crate) fn holds(&self, address: SocketAddr) -> bool {
        self.found().iter().any(|server| server.address == address)
    }

    /// How people are told of one of its servers.
    pub(crate) fn shown(&self, address: SocketAddr) -> String {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        if host.parse() == Ok(address.ip()) {
            return address.to_string();
        }
        format!("{} ({address})", self.host)
    }

    fn found(&self) -> &[Server] {
        self.servers.as_deref().unwrap_or_default()
    }
}

impl TrunkHosts {
    /// One host at a port, and where that is, as far as it is known.
    pub fn of_one(host: &str, port: u16, address: Option<SocketAddr>) -> Self {
        let servers = address.map(|address| vec![Server::alone(address)]);
        let (host, port) = (host.to_owned(), Some(port));
        let list = vec![TrunkHost { host, port, priority: 0, weight: 0, servers }];
        Self { list, patience: PATIENCE, health: None }
    }

    /// The addresses of all servers, each once.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut all = Vec::new();
        for server in self.list.iter().flat_map(TrunkHost::found) {
            if !all.contains(&server.address) {
                all.push(server.address);
            }
        }
        all
    }

    /// Whether one of the servers is there.
    pub(crate) fn has(&self, address: SocketAddr) -> bool {
        self.list.iter().any(|host| host.holds(address))
    }

    /// Each server once, in the order of one attempt: by priority, and by chance within one (RFC 2782).
    pub(crate) fn order(&self, rng: &mut ChaCha8Rng) -> Vec<(&TrunkHost, Server)> {
        let mut order: Vec<(&TrunkHost, Server)> = Vec::new();
        for host in ranked(rng, self.list.iter().collect(), |d| (d.priority, d.weight)) {
            let servers = host.found().to_vec();
            for server in ranked(rng, servers, |s| (s.priority, s.weight)) {
                if order.iter().all(|(_, known)| known.address != server.address) {
                    order.push((host, server));
                }
            }
        }
        order
    }
}

/// Four INVITEs over UDP: who answers none of them is gone. A caller would not wait for a third such server.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// By priority; within one, each comes first as often as its weight says. Of weight 0 one hardly ever comes before
/// others, and where all have it all come in their order.
fn ranked<T>(rng: &mut ChaCha8Rng, mut list: Vec<T>, rank: impl Fn(&T) -> (u16, u16)) -> Vec<T> {
    list.sort_by_key(|one| {
        let (priority, weight) = rank(one);
        (priority, weight > 0)
    });
    let mut ordered = Vec::with_capacity(list.len());
    while let Some(first) = list.first() {
        let priority = rank(first).0;
        let same = list.iter().take_while(|one| rank(one).0 == priority);
        let all: u64 = same.map(|one| u64::from(rank(one).1)).sum();
        let mut left = if all == 0 { 0 } else { rng.next_u64() % (all + 1) };
        let chosen = list.iter().position(|one| match left.checked_sub(u64::from(rank(one).1)) {
            Some(rest) if rest > 0 => {
                left = rest;
                false
            }
            _ => true,
        });
        ordered.push(list.remove(chosen.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng as _;

    fn server(last: u8, priority: u16, weight: u16) -> Server {
        Server { address: SocketAddr::from(([192, 0, 2, last], 5060)), priority, weight }
    }

    fn host(name: &str, priority: u16, weight: u16, servers: Vec<Server>) -> TrunkHost {
        TrunkHost { host: name.into(), port: None, priority, weight, servers: Some(servers) }
    }

    fn of(list: Vec<TrunkHost>) -> TrunkHosts {
        TrunkHosts { list, patience: Duration::from_secs(4), health: None }
    }

    fn order(hosts: &TrunkHosts, seed: u8) -> Vec<u8> {
        let mut rng = ChaCha8Rng::from_seed([seed; 32]);
        let order = hosts.order(&mut rng);
        let last = |server: &Server| match server.address {
            SocketAddr::V4(v4) => v4.ip().octets()[3],
            SocketAddr::V6(_) => panic!("IPv4"),
        };
        order.iter().map(|(_, server)| last(server)).collect()
    }

    #[test]
    fn servers_come_by_the_priority_of_their_host_then_by_their_own_and_each_once() {
        let second = host("b.example", 20, 0, vec![server(4, 0, 0), server(1, 5, 0)]);
        let first =
            host("a.example", 10, 0, vec![server(3, 20, 0), server(2, 10, 0), server(1, 10, 0)]);
        let nothing = TrunkHost { servers: None, ..host("c.example", 0, 0, vec![]) };
        let all = of(vec![second, first, nothing]);
        assert_eq!(order(&all, 1), [2, 1, 3, 4]);
        assert_eq!(all.addresses().len(), 4);
        assert!(all.has(server(4, 0, 0).address) && !all.has(server(9, 0, 0).address));
    }

    #[test]
    fn weights_share_the_first_place() {
        let servers = vec![server(1, 0, 60), server(2, 0, 30), server(3, 0, 10), server(4, 0, 0)];
        let mut rng = ChaCha8Rng::from_seed([7; 32]);
        let mut firsts = [0_u32; 5];
        for _ in 0..10_000 {
            let ranked = ranked(&mut rng, servers.clone(), |s| (s.priority, s.weight));
            assert_eq!(ranked.len(), 4);
            let SocketAddr::V4(first) = ranked[0].address else { panic!("IPv4") };
            firsts[usize::from(first.ip().octets()[3])] += 1;
        }
        for (last, share) in [(1, 6_000), (2, 3_000), (3, 1_000), (4, 100)] {
            assert!(firsts[last].abs_diff(share) < 250, "{firsts:?}");
        }
    }

    #[test]
    fn people_are_told_the_host_and_the_address_once() {
        let at = "192.0.2.1:5070".parse().unwrap();
        assert_eq!(host("192.0.2.1", 0, 0, vec![]).shown(at), "192.0.2.1:5070");
        assert_eq!(host("a.example", 0, 0, vec![]).shown(at), "a.example (192.0.2.1:5070)");
        let v6 = "[2001:db8::1]:5060".parse().unwrap();
        assert_eq!(host("[2001:db8::1]", 0, 0, vec![]).shown(v6), "[2001:db8::1]:5060");
    }
}
