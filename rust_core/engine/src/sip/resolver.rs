//! Turns the host names of trunks into addresses, on a thread of its own: nobody waits for a name server.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::clock;

/// Asks for host names; answers come to the function given at start, whenever an address is new.
#[derive(Debug)]
pub(crate) struct Resolver {
    questions: SyncSender<Vec<(String, u16)>>,
}

impl Resolver {
    /// Starts the thread. It ends when the resolver is dropped, after the question that it is at.
    pub(crate) fn start(
        answer: impl Fn(String, u16, SocketAddr) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (questions, asked) = sync_channel(4);
        std::thread::Builder::new().name("resolver".into()).spawn(move || run(&asked, &answer))?;
        Ok(Self { questions })
    }

    /// From now on keeps the addresses of these hosts, and of no others.
    pub(crate) fn watch(&self, hosts: Vec<(String, u16)>) {
        if let Err(TrySendError::Full(_)) = self.questions.try_send(hosts) {
            // The thread hangs at a dead name server; the next table comes with the next change.
            eprintln!("tandem: the name server does not answer; trunk hosts are not looked up");
        }
    }
}

/// The address of a host that needs no look-up.
pub(crate) fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

fn run(asked: &Receiver<Vec<(String, u16)>>, answer: &impl Fn(String, u16, SocketAddr)) {
    let mut hosts: Vec<(String, u16)> = Vec::new();
    let mut known: HashMap<(String, u16), SocketAddr> = HashMap::new();
    let mut next = clock::now();
    loop {
        match asked.recv_timeout(next.saturating_duration_since(clock::now())) {
            Ok(watched) => {
                hosts = watched;
                known.clear();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
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
