//! One question and its answer.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::files::name_servers;
use super::{Found, NameServers, Service};
use crate::clock;

/// A client of name servers.
#[derive(Debug)]
pub(crate) struct Dns {
    which: NameServers,
    servers: Vec<SocketAddr>,
    /// Whether none of them has answered the last question.
    is_dead: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The name is none that can be asked for.
    BadName,
    /// No name server gave an answer that is of use.
    NoAnswer,
}

impl Dns {
    pub(crate) fn new(which: NameServers) -> Self {
        Self { which, servers: Vec::new(), is_dead: false }
    }

    /// Looks which name servers there are, and gives dead ones another chance.
    pub(crate) fn begin(&mut self) {
        self.is_dead = false;
        self.servers = match &self.which {
            NameServers::OfHost => name_servers(Path::new("/etc/resolv.conf")),
            NameServers::These(servers) => servers.clone(),
        };
    }

    /// Whether it asks the name servers of this host.
    pub(crate) fn is_of_host(&self) -> bool {
        matches!(self.which, NameServers::OfHost)
    }

    /// The servers of a service, sorted.
    pub(crate) fn services(&mut self, name: &str) -> Result<Found<Service>, Fault> {
        let mut found = self.ask(name, TYPE::SRV, |data| match data {
            RData::SRV(srv) => {
                let target = srv.target.to_string();
                let target = target.trim_end_matches('.').to_owned();
                let (priority, weight, port) = (srv.priority, srv.weight, srv.port);
                Some(Service { priority, weight, port, target })
            }
            _ => None,
        })?;
        found.records.sort();
        found.records.dedup();
        found.records.truncate(MAX_SERVICES);
        Ok(found)
    }

    /// The addresses of a name: IPv4 first, as carriers that have both mean it; sorted, so that nothing changes with the
    /// order in which a server gives them.
    pub(crate) fn addresses(&mut self, name: &str) -> Result<Found<IpAddr>, Fault> {
        let v4 = self.ask(name, TYPE::A, |data| match data {
            RData::A(a) => Some(IpAddr::from(Ipv4Addr::from(a.address))),
            _ => None,
        });
        let v6 = self.ask(name, TYPE::AAAA, |data| match data {
            RData::AAAA(aaaa) => Some(IpAddr::from(Ipv6Addr::from(aaaa.address))),
            _ => None,
        });
        // Some servers answer questions for IPv6 not at all, or wrongly: IPv4 does not depend on that.
        let is_useless = |found: &Found<IpAddr>| found.records.is_empty();
        let answers = match (v4, v6) {
            (Err(fault), Err(_)) => return Err(fault),
            (Ok(one), Err(fault)) | (Err(fault), Ok(one)) if is_useless(&one) => return Err(fault),
            (v4, v6) => [v4, v6].into_iter().flatten(),
        };
        let mut all = Found { records: Vec::new(), holds: HOLDS_NOTHING };
        for mut answer in answers.filter(|answer| !is_useless(answer)) {
            let is_first = is_useless(&all);
            all.holds = if is_first { answer.holds } else { all.holds.min(answer.holds) };
            answer.records.sort();
            answer.records.dedup();
            all.records.append(&mut answer.records);
        }
        all.records.retain(|ip| !ip.is_unspecified() && !ip.is_multicast());
        all.records.truncate(MAX_ADDRESSES);
        Ok(all)
    }

    fn ask<T>(
        &mut self,
        name: &str,
        kind: TYPE,
        read: impl Fn(&RData<'_>) -> Option<T>,
    ) -> Result<Found<T>, Fault> {
        let name = Name::new(name).map_err(|_| Fault::BadName)?;
        if self.is_dead {
            // One question has cost its whole time; the others of this round need not.
            return Err(Fault::NoAnswer);
        }
        let mut is_silent = true;
        for pause in PAUSES {
            for server in &self.servers {
                let Ok(bytes) = exchange(*server, &name, kind, pause, &mut is_silent) else {
                    continue;
                };
                if let Some(found) = understand(&bytes, &name, kind, &read) {
                    return Ok(found);
                }
                is_silent = false;
            }
            if !is_silent {
                break; // They answer, and say that they cannot.
            }
        }
        self.is_dead = is_silent;
        Err(Fault::NoAnswer)
    }
}

/// Asks one server. An answer that is cut short is fetched over TCP (RFC 7766 §5).
fn exchange(
    server: SocketAddr,
    name: &Name<'_>,
    kind: TYPE,
    pause: Duration,
    is_silent: &mut bool,
) -> io::Result<Vec<u8>> {
    let mut number = [0; 2];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let number = u16::from_be_bytes(number);
    let mut packet = Packet::new_query(number);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let class = QCLASS::CLASS(CLASS::IN);
    packet.questions.push(Question::new(name.clone(), QTYPE::TYPE(kind), class, false));
    let query = packet.build_bytes_vec().map_err(io::Error::other)?;
    let any: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.send(&query)?;
    let until = clock::now() + pause;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let left = until.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        let answer = &buffer[..length];
        match is_answer(answer, number, name, kind) {
            None => {} // Somebody else's, or a forgery: the right one may still come.
            Some(is_cut) => {
                *is_silent = false;
                return if is_cut {
                    over_tcp(server, &query, number, name, kind, until + pause)
                } else {
                    Ok(answer.to_vec())
                };
            }
        }
    }
}

fn over_tcp(
    server: SocketAddr,
    query: &[u8],
    number: u16,
    name: &Name<'_>,
    kind: TYPE,
    until: Instant,
) -> io::Result<Vec<u8>> {
    let left = || until.saturating_duration_since(clock::now()).max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&server, left())?;
    stream.set_write_timeout(Some(left()))?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat())?;
    let mut read = |buffer: &mut [u8]| -> io::Result<()> {
        // A server that sends byte by byte has no more time than any other.
        let mut done = 0;
        while done < buffer.len() {
            if clock::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left()))?;
            match stream.read(&mut buffer[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    };
    let mut length = [0; 2];
    read(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    read(&mut answer)?;
    match is_answer(&answer, number, name, kind) {
        Some(false) => Ok(answer),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Whether these bytes answer this question, and if so, whether they are cut short.
fn is_answer(bytes: &[u8], number: u16, name: &Name<'_>, kind: TYPE) -> Option<bool> {
    use simple_dns::header_buffer;
    if header_buffer::id(bytes) != Ok(number) {
        return None;
    }
    let has = |flag| header_buffer::has_flags(bytes, flag).unwrap_or(false);
    if !has(PacketFlag::RESPONSE) {
        return None;
    }
    if has(PacketFlag::TRUNCATION) {
        // What is left need not be readable; that it came from the server's port with our number has to do.
        return Some(true);
    }
    let packet = Packet::parse(bytes).ok()?;
    let [question] = packet.questions.as_slice() else { return None };
    let is_ours = is_same(&question.qname, name) && question.qtype == QTYPE::TYPE(kind);
    is_ours.then_some(false)
}

/// The records of an answer, along its aliases; `None` where it says that the server cannot tell.
fn understand<T>(
    bytes: &[u8],
    name: &Name<'_>,
    kind: TYPE,
    read: impl Fn(&RData<'_>) -> Option<T>,
) -> Option<Found<T>> {
    let packet = Packet::parse(bytes).ok()?;
    match packet.rcode() {
        RCODE::NoError | RCODE::NameError => {}
        _ => return None,
    }
    let mut owner = name.clone();
    let mut holds = MAX_HOLDS;
    for _ in 0..MAX_ALIASES {
        let own =
            |r: &&simple_dns::ResourceRecord<'_>| r.class == CLASS::IN && is_same(&r.name, &owner);
        let of_owner: Vec<_> = packet.answers.iter().filter(own).collect();
        let wanted: Vec<_> = of_owner.iter().filter(|r| r.rdata.type_code() == kind).collect();
        let records: Vec<T> = wanted.iter().filter_map(|r| read(&r.rdata)).collect();
        if !records.is_empty() {
            let least = wanted.iter().map(|r| u64::from(r.ttl)).min().unwrap_or(0);
            let holds = holds.min(Duration::from_secs(least)).max(MIN_HOLDS);
            return Some(Found { records, holds });
        }
        let alias = of_owner.iter().find_map(|r| match &r.rdata {
            RData::CNAME(cname) => Some((cname.0.clone(), r.ttl)),
            _ => None,
        });
        let Some((next, ttl)) = alias else { break };
        holds = holds.min(Duration::from_secs(u64::from(ttl)));
        owner = next;
    }
    Some(Found { records: Vec::new(), holds: HOLDS_NOTHING })
}

fn is_same(one: &Name<'_>, other: &Name<'_>) -> bool {
    one.to_string().eq_ignore_ascii_case(&other.to_string())
}

/// How long one server has for an answer, when it is first asked and when again.
const PAUSES: [Duration; 2] = [Duration::from_millis(1_500), Duration::from_millis(3_000)];
/// Without EDNS an answer over UDP has 512 bytes at most (RFC 1035 §2.3.4); some have more.
const MAX_DATAGRAM: usize = 4_096;
const MAX_SERVICES: usize = 16;
const MAX_ADDRESSES: usize = 8;
const MAX_ALIASES: usize = 8;
/// However short a record is said to hold, a name server is spared.
const MIN_HOLDS: Duration = Duration::from_secs(5);
/// However long, a carrier that moves is found within the hour.
const MAX_HOLDS: Duration = Duration::from_secs(3_600);
/// How long it holds that there is nothing.
const HOLDS_NOTHING: Duration = Duration::from_secs(30);
