//! A name server on loopback, and what is believed of it.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, CNAME, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::*;
use crate::lock;

/// One record: its name, how long it holds, and what it says.
#[derive(Clone)]
pub(crate) struct Record(&'static str, u32, Says);

#[derive(Clone)]
pub(crate) enum Says {
    Address(IpAddr),
    Alias(&'static str),
    /// Priority, weight, port, target.
    Service(u16, u16, u16, &'static str),
}

pub(crate) fn address(name: &'static str, ttl: u32, ip: &str) -> Record {
    Record(name, ttl, Says::Address(ip.parse().unwrap()))
}

pub(crate) fn service(
    name: &'static str,
    (priority, weight, port): (u16, u16, u16),
    target: &'static str,
) -> Record {
    Record(name, 60, Says::Service(priority, weight, port, target))
}

/// How it behaves.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    pub(crate) records: Vec<Record>,
    /// Takes no notice of so many questions.
    pub(crate) deaf: u32,
    /// Says that it cannot tell.
    pub(crate) fails: bool,
    /// Cuts what it says over UDP short.
    pub(crate) cuts: bool,
    /// Before each answer sends forgeries: of another number, of another question, no answer at all.
    pub(crate) forged: bool,
}

/// The server. It ends with its last clone.
#[derive(Clone)]
pub(crate) struct NameServer {
    pub(crate) at: SocketAddr,
    pub(crate) manners: Arc<Mutex<Manners>>,
    /// What it was asked, "A x.example" by UDP and "tcp A x.example" by TCP.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    pub(crate) fn start(records: Vec<Record>) -> Self {
        let (udp, tcp) = (0..20)
            .find_map(|_| {
                let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
                let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
                Some((udp, tcp))
            })
            .unwrap();
        let server = Self {
            at: udp.local_addr().unwrap(),
            manners: Arc::new(Mutex::new(Manners { records, ..Manners::default() })),
            asked: Arc::default(),
        };
        let of = server.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
                for bytes in of.answers(&buffer[..length], "") {
                    let _ = udp.send_to(&bytes, peer);
                }
            }
        });
        let of = server.clone();
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut length = [0; 2];
                let _ = stream.read_exact(&mut length);
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                let _ = stream.read_exact(&mut query);
                for bytes in of.answers(&query, "tcp ") {
                    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                    // In two pieces, as a network may do it.
                    let _ = stream.write_all(&[&length, &bytes[..5]].concat());
                    let _ = stream.write_all(&bytes[5..]);
                }
            }
        });
        server
    }

    pub(crate) fn dns(&self) -> Dns {
        let mut dns = Dns::new(NameServers::These(vec![self.at]));
        dns.begin();
        dns
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut lock(&self.manners));
    }

    fn answers(&self, query: &[u8], means: &str) -> Vec<Vec<u8>> {
        let query = Packet::parse(query).unwrap();
        let question = query.questions[0].clone();
        let name = question.qname.to_string();
        let QTYPE::TYPE(kind) = question.qtype else { panic!("an odd question") };
        lock(&self.asked).push(format!("{means}{kind:?} {name}"));
        let mut manners = lock(&self.manners);
        if manners.deaf > 0 {
            manners.deaf -= 1;
            return vec![];
        }
        assert!(query.has_flags(PacketFlag::RECURSION_DESIRED));
        let mut reply = Packet::new_reply(query.id());
        reply.questions.push(question.clone());
        if manners.fails {
            *reply.rcode_mut() = RCODE::ServerFailure;
        } else if manners.cuts && means.is_empty() {
            reply.set_flags(PacketFlag::TRUNCATION);
        } else {
            let mut owner = name;
            for _ in 0..12 {
                let of_owner = manners.records.iter().filter(|r| r.0.eq_ignore_ascii_case(&owner));
                let said: Vec<_> = of_owner
                    .map(resource)
                    .filter(|r| r.rdata.type_code() == kind || r.rdata.type_code() == TYPE::CNAME)
                    .collect();
                let alias = said.iter().find_map(|r| match &r.rdata {
                    RData::CNAME(to) => Some(to.0.to_string()),
                    _ => None,
                });
                reply.answers.extend(said);
                let Some(next) = alias else { break };
                owner = next;
            }
            if reply.answers.is_empty() {
                *reply.rcode_mut() = RCODE::NameError;
            }
        }
        let right = reply.build_bytes_vec().unwrap();
        let mut all = Vec::new();
        if manners.forged && means.is_empty() {
            let evil = resource(&address("x.example", 60, "203.0.113.66")).into_owned();
            let mut other_number = Packet::new_reply(query.id() ^ 1);
            other_number.questions.push(question.clone());
            other_number.answers.push(evil.clone());
            let mut other_question = Packet::new_reply(query.id());
            let mut asked = question;
            asked.qname = Name::new_unchecked("y.example");
            other_question.questions.push(asked);
            other_question.answers.push(evil);
            all.push(other_number.build_bytes_vec().unwrap());
            all.push(other_question.build_bytes_vec().unwrap());
            all.push(vec![0xff; 40]);
        }
        all.push(right);
        all
    }
}

fn resource(Record(name, ttl, says): &Record) -> ResourceRecord<'static> {
    let data = match says {
        Says::Address(IpAddr::V4(ip)) => RData::A(A::from(*ip)),
        Says::Address(IpAddr::V6(ip)) => RData::AAAA(AAAA::from(*ip)),
        Says::Alias(to) => RData::CNAME(CNAME(Name::new_unchecked(to))),
        Says::Service(priority, weight, port, target) => RData::SRV(SRV {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: Name::new_unchecked(target),
        }),
    };
    ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, *ttl, data)
}

fn found(dns: &mut Dns, name: &str) -> (Vec<String>, u64) {
    let found = dns.addresses(name).unwrap();
    (found.records.iter().map(ToString::to_string).collect(), found.holds.as_secs())
}

#[test]
fn addresses_come_ipv4_first_and_hold_as_long_as_the_shortest_of_them() {
    let server = NameServer::start(vec![
        address("x.example", 600, "2001:db8::1"),
        address("x.example", 300, "192.0.2.2"),
        address("x.example", 900, "192.0.2.1"),
        address("brief.example", 0, "192.0.2.1"),
        address("nowhere.example", 60, "0.0.0.0"),
    ]);
    let mut dns = server.dns();
    let all = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(str::to_owned).to_vec();
    assert_eq!(found(&mut dns, "X.example"), (all, 300));
    assert_eq!(found(&mut dns, "brief.example"), (vec!["192.0.2.1".into()], 5));
    assert_eq!(found(&mut dns, "other.example"), (vec![], 30));
    assert_eq!(found(&mut dns, "nowhere.example").0, Vec::<String>::new());
    assert_eq!(dns.addresses(&"x".repeat(64)), Err(Fault::BadName));
}

#[test]
fn aliases_are_followed_and_a_ring_of_them_ends() {
    let server = NameServer::start(vec![
        Record("a.example", 20, Says::Alias("b.example")),
        Record("b.example", 600, Says::Alias("c.example")),
        address("c.example", 600, "192.0.2.1"),
        Record("ring.example", 60, Says::Alias("gnir.example")),
        Record("gnir.example", 60, Says::Alias("ring.example")),
    ]);
    let mut dns = server.dns();
    assert_eq!(found(&mut dns, "a.example"), (vec!["192.0.2.1".into()], 20));
    assert_eq!(found(&mut dns, "ring.example"), (vec![], 30));
}

#[test]
fn services_are_bounded_and_sorted() {
    let mut records: Vec<_> =
        (0..40).map(|port| service("_sip._udp.x", (40 - port, 0, 5_000 + port), "t.x")).collect();
    records.push(service("_sip._tcp.x", (0, 0, 0), "."));
    let server = NameServer::start(records);
    let mut dns = server.dns();
    let found = dns.services("_sip._udp.x").unwrap();
    assert_eq!((found.records.len(), found.records[0].port), (16, 5_039));
    assert_eq!(dns.services("_sip._tcp.x").unwrap().records[0].target, "");
    assert_eq!(dns.services("_sips._tcp.x").unwrap().records, []);
}

#[test]
fn an_answer_that_is_cut_short_is_fetched_over_tcp() {
    let server = NameServer::start(vec![address("x.example", 60, "192.0.2.1")]);
    server.set(|manners| manners.cuts = true);
    assert_eq!(found(&mut server.dns(), "x.example").0, ["192.0.2.1"]);
    let asked = lock(&server.asked).clone();
    assert_eq!(asked[..2], ["A x.example", "tcp A x.example"]);
}

#[test]
fn only_the_answer_to_our_own_question_is_believed() {
    let server = NameServer::start(vec![address("x.example", 60, "192.0.2.1")]);
    server.set(|manners| manners.forged = true);
    assert_eq!(found(&mut server.dns(), "x.example").0, ["192.0.2.1"]);
}

#[test]
fn a_question_is_repeated_and_goes_to_the_next_server_when_one_cannot_tell() {
    let (first, second) =
        (NameServer::start(vec![]), NameServer::start(vec![address("x.example", 60, "192.0.2.1")]));
    first.set(|manners| manners.fails = true);
    let mut dns = Dns::new(NameServers::These(vec![first.at, second.at]));
    dns.begin();
    assert_eq!(found(&mut dns, "x.example").0, ["192.0.2.1"]);
    assert_eq!(lock(&first.asked).len(), 2, "A and AAAA");
    second.set(|manners| manners.deaf = 1);
    let mut dns = second.dns();
    assert_eq!(found(&mut dns, "x.example").0, ["192.0.2.1"]);
    assert_eq!(lock(&second.asked).iter().filter(|q| *q == "A x.example").count(), 3);
}

#[test]
fn dead_servers_cost_their_time_once_in_a_round() {
    // Nobody reads this socket.
    let dead = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut dns = Dns::new(NameServers::These(vec![dead.local_addr().unwrap()]));
    dns.begin();
    assert_eq!(dns.addresses("x.example"), Err(Fault::NoAnswer));
    let received = |dead: &UdpSocket| {
        dead.set_nonblocking(true).unwrap();
        let mut buffer = [0; 512];
        std::iter::from_fn(|| dead.recv(&mut buffer).ok()).count()
    };
    assert_eq!(received(&dead), 2, "twice, and then no more");
    assert_eq!(dns.addresses("y.example"), Err(Fault::NoAnswer));
    assert_eq!(received(&dead), 0);
    dns.begin();
    assert_eq!(dns.services("_sip._udp.y.example"), Err(Fault::NoAnswer));
    assert_eq!(received(&dead), 2);
}

/// However long it holds in words, it holds no longer than an hour.
#[test]
fn what_holds_for_days_is_asked_for_again_within_the_hour() {
    let server = NameServer::start(vec![address("x.example", 172_800, "192.0.2.1")]);
    assert_eq!(server.dns().addresses("x.example").unwrap().holds, Duration::from_secs(3_600));
}
