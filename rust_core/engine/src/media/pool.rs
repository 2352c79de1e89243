//! Random even RTP ports, each with its RTCP port above it, bound when they are leased.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::random::{STEP, mix};

/// The RTP ports of one address. Any thread may lease; no lock is held, and none is needed.
#[derive(Clone, Debug)]
pub struct PortPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: IpAddr,
    first_port: u16,
    pairs: usize,
    /// One bit a pair, set while it is leased.
    taken: Vec<AtomicU64>,
    leased: AtomicUsize,
    random: AtomicU64,
}

/// A bound pair of sockets. Dropping it closes them, and only then gives the ports back.
#[derive(Debug)]
pub struct Lease {
    /// Bound to the even port, non-blocking.
    pub rtp: UdpSocket,
    /// Bound to the port above it, non-blocking.
    pub rtcp: UdpSocket,
    local: SocketAddr,
    ports: Ports,
}

/// The ports of a lease, free again when this is dropped; the sockets must be closed before.
#[derive(Debug)]
pub(super) struct Ports {
    pair: usize,
    shared: Arc<Shared>,
}

impl PortPool {
    /// The even ports of `ports` (inclusive) whose odd neighbour is in the range too. `seed` decides their order.
    pub fn new(address: IpAddr, ports: (u16, u16), seed: u64) -> Self {
        let (first_port, pairs) = (first_even(ports), pairs_in(ports));
        let taken = (0..pairs.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let shared = Shared {
            address,
            first_port,
            pairs,
            taken,
            leased: AtomicUsize::new(0),
            random: AtomicU64::new(seed),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Binds a random free pair. Fails when all are leased, or when `MAX_BINDS` ports in a row belong to others.
    pub fn lease(&self) -> io::Result<Lease> {
        let mut error = io::Error::new(io::ErrorKind::AddrNotAvailable, "all RTP ports are leased");
        for _ in 0..MAX_BINDS {
            let Some(ports) = self.take() else { break };
            match self.bind(ports) {
                Ok(lease) => return Ok(lease),
                Err(e) => error = e,
            }
        }
        Err(error)
    }

    /// How many pairs are leased now.
    pub fn leased(&self) -> usize {
        self.shared.leased.load(Ordering::Relaxed)
    }

    /// Claims the first free pair at or after a random one.
    fn take(&self) -> Option<Ports> {
        let pairs = self.shared.pairs;
        let start = (mix(self.shared.random.fetch_add(STEP, Ordering::Relaxed)) as usize)
            .checked_rem(pairs)?;
        let pair = (0..pairs).map(|i| (start + i) % pairs).find(|&pair| {
            let (word, bit) = self.shared.bit(pair);
            word.load(Ordering::Relaxed) & bit == 0
                && word.fetch_or(bit, Ordering::Acquire) & bit == 0
        })?;
        self.shared.leased.fetch_add(1, Ordering::Relaxed);
        Some(Ports { pair, shared: Arc::clone(&self.shared) })
    }

    fn bind(&self, ports: Ports) -> io::Result<Lease> {
        let port = self.shared.first_port + 2 * ports.pair as u16;
        let open = |port| {
            let socket = UdpSocket::bind((self.shared.address, port))?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>(socket)
        };
        let (rtp, rtcp) = (open(port)?, open(port + 1)?);
        Ok(Lease { rtp, rtcp, local: SocketAddr::new(self.shared.address, port), ports })
    }
}

impl Lease {
    /// Where the RTP socket is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The sockets of RTP and RTCP, and the ports to be dropped after them.
    pub(super) fn into_parts(self) -> (UdpSocket, UdpSocket, Ports) {
        (self.rtp, self.rtcp, self.ports)
    }
}

impl Shared {
    fn bit(&self, pair: usize) -> (&AtomicU64, u64) {
        (&self.taken[pair / 64], 1 << (pair % 64))
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        let (word, bit) = self.shared.bit(self.pair);
        word.fetch_and(!bit, Ordering::Release);
        self.shared.leased.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many pairs an inclusive range of ports has.
pub fn pairs_in(ports: (u16, u16)) -> usize {
    (usize::from(ports.1) + 1).saturating_sub(usize::from(first_even(ports))) / 2
}

fn first_even(ports: (u16, u16)) -> u16 {
    ports.0.saturating_add(ports.0 & 1)
}

/// Ports that belong to other processes before we give up.
const MAX_BINDS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(ports: (u16, u16)) -> PortPool {
        PortPool::new(IpAddr::from([127, 0, 0, 1]), ports, 7)
    }

    #[test]
    fn every_pair_of_the_range_is_leased_once_then_none() {
        let pool = pool((24_001, 24_011));
        let leases: Vec<Lease> = (0..5).map(|_| pool.lease().unwrap()).collect();
        let mut ports: Vec<u16> = leases.iter().map(|lease| lease.local().port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [24_002, 24_004, 24_006, 24_008, 24_010]);
        assert_eq!(pool.lease().unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(pool.leased(), 5);
        drop(leases);
        assert_eq!(pool.leased(), 0);
        assert!(pool.lease().is_ok());
    }

    #[test]
    fn a_port_of_somebody_else_is_stepped_over() {
        let foreign = UdpSocket::bind("127.0.0.1:24021").unwrap();
        let pool = pool((24_020, 24_023));
        let lease = pool.lease().or_else(|_| pool.lease()).unwrap();
        assert_eq!(lease.local().port(), 24_022);
        drop(foreign);
    }

    #[test]
    fn ports_do_not_come_in_order() {
        let pool = pool((24_100, 24_299));
        let leases: Vec<Lease> = (0..20).map(|_| pool.lease().unwrap()).collect();
        let ports: Vec<u16> = leases.iter().map(|lease| lease.local().port()).collect();
        assert!(!ports.is_sorted(), "{ports:?}");
    }

    #[test]
    fn an_empty_range_leases_nothing() {
        assert!(pool((24_301, 24_301)).lease().is_err());
    }
}
