//! How an engine is set up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use tandem_sip::defence::BanTimes;
use tandem_sip::endpoint::Transport;
use tandem_sip::websocket::Origins;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to listen on.
    pub sip_listen: Vec<(Transport, SocketAddr)>,
    /// Our certificate; listening for TLS needs it.
    pub tls: Option<TlsFiles>,
    /// Pages that may connect by WebSocket.
    pub ws_origins: Origins,
    /// Whom to ask for the names of trunks; empty: those that the host is set up with.
    pub name_servers: Vec<SocketAddr>,
    /// Challenges requests whose To names no known domain.
    pub default_realm: String,
    /// Bound for RTP.
    pub media_address: IpAddr,
    /// RTP ports, inclusive; even ones are used, with the odd one above for RTCP.
    pub media_ports: (u16, u16),
    /// What peers are told instead of the bound addresses.
    pub advertised_address: Option<IpAddr>,
    /// Media shards.
    pub media_threads: usize,
    /// Legs at once; with `EMERGENCY_LEGS` no more than `media_ports` has pairs.
    pub max_legs: usize,
    /// Requests of one source that is no trunk's which may be remembered at once; above it, 503 to all but a
    /// register and what ends a call.
    pub max_requests_of_source: usize,
    /// How long a source is not listened to that guesses passwords, floods or sends garbage.
    pub ban_times: BanTimes,
    /// Networks that are never banned: address and prefix length.
    pub never_banned: Vec<(IpAddr, u8)>,
    /// New calls get 503 while the oldest undecided one is older; from half of it on OPTIONS do, and from three
    /// quarters on registers.
    pub max_undecided_age: Duration,
    /// How long Python may take to decide; after it the caller gets 480.
    pub decision_timeout: Duration,
    /// A leg that sends no RTP for so long is ended.
    pub media_timeout: Duration,
    /// The shortest and longest registration granted.
    pub registration_expires: (Duration, Duration),
    /// Events that may wait for Python.
    pub event_queue: usize,
    /// Calls whose SIP messages are kept, the newest; 0: none.
    pub sip_trace_calls: usize,
    /// Gets a copy of each SIP message.
    pub hep: Option<Hep>,
    /// Server and User-Agent.
    pub user_agent: String,
    /// Offer of our own codecs only those that we can play and record.
    pub only_playable: bool,
    /// The same in each run: decides what unknown users are shown. `None`: another one in each.
    pub secret: Option<[u8; 32]>,
    /// Makes identifiers repeatable; for tests.
    pub seed: Option<u64>,
}

/// A collector of HEPv3.
#[derive(Clone, Debug)]
pub struct Hep {
    /// Its UDP address.
    pub collector: SocketAddr,
    /// What it knows us by.
    pub id: u32,
    /// What it asks its agents for; sent in clear.
    pub password: Option<String>,
}

/// PEM files for TLS. They are read again when they change.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Our certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities whom trunks may be certified by, beside those that the system trusts.
    pub authorities: Option<PathBuf>,
}

impl Options {
    /// What peers are told about a bound address. One bound to all addresses of the host is told as the one that
    /// the default route leaves by.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> SocketAddr {
        let ip = match self.advertised_address {
            Some(ip) => ip,
            None if bound.ip().is_unspecified() => address_of_default_route(bound.is_ipv4()),
            None => bound.ip(),
        };
        SocketAddr::new(ip, bound.port())
    }

    /// The key of all chance: from the seed in tests, from the system otherwise.
    pub(crate) fn seed_bytes(&self) -> std::io::Result<[u8; 32]> {
        let mut seed = [0; 32];
        match self.seed {
            Some(number) => seed[..8].copy_from_slice(&number.to_le_bytes()),
            None => getrandom::fill(&mut seed).map_err(std::io::Error::other)?,
        }
        Ok(seed)
    }

    /// The secret, or one by chance.
    pub(crate) fn secret_bytes(&self) -> std::io::Result<[u8; 32]> {
        self.secret.map_or_else(|| self.seed_bytes(), Ok)
    }
}

/// The source address that packets to the world would have; loopback on a host without a route. Sends nothing.
fn address_of_default_route(is_ipv4: bool) -> IpAddr {
    // Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket only asks the routing table.
    let (any, somewhere, loopback): (IpAddr, IpAddr, IpAddr) = if is_ipv4 {
        (
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(192, 0, 2, 1).into(),
            Ipv4Addr::LOCALHOST.into(),
        )
    } else {
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        (Ipv6Addr::UNSPECIFIED.into(), documentation.into(), Ipv6Addr::LOCALHOST.into())
    };
    let asked = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((somewhere, 9))?;
        socket.local_addr()
    });
    asked.map_or(loopback, |local| local.ip())
}
