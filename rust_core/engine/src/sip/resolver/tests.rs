//! Which servers a host has.

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::sip::dns::tests::{NameServer, address, service};

const SOON: Duration = Duration::from_secs(10);

fn host(name: &str, port: Option<u16>, transport: Transport) -> Host {
    Host { name: name.to_owned(), port, transport }
}

fn udp(name: &str, port: Option<u16>) -> Host {
    host(name, port, Transport::Udp)
}

fn server(at: &str, priority: u16, weight: u16) -> Server {
    Server { address: at.parse().unwrap(), priority, weight }
}

fn started(name_servers: NameServers) -> (Resolver, Receiver<(Host, Vec<Server>)>) {
    let (sender, answers) = channel();
    let resolver = Resolver::start(name_servers, move |host, servers| {
        let _ = sender.send((host, servers));
    });
    (resolver.unwrap(), answers)
}

#[test]
fn a_name_is_looked_up_and_remembered_and_a_literal_needs_no_asking() {
    let (mut resolver, answers) = started(NameServers::OfHost);
    let literal = server("[::1]:5070", 0, 0);
    assert_eq!(resolver.servers(&udp("[::1]", Some(5070))), Some(vec![literal]));
    let tls = host("::1", None, Transport::Tls);
    assert_eq!(resolver.servers(&tls), Some(vec![server("[::1]:5061", 0, 0)]));
    let local = udp("localhost", Some(5060));
    resolver.watch(vec![local.clone()]);
    let (answered, servers) = answers.recv_timeout(SOON).unwrap();
    assert_eq!((answered, servers[0].address.port()), (local.clone(), 5060));
    resolver.answered(&local, &servers);
    assert_eq!(resolver.servers(&local), Some(servers));
    resolver.watch(vec![]);
    assert_eq!(resolver.servers(&local), None);
}

#[test]
fn without_a_port_the_services_of_the_transport_say_where_to_go() {
    let names = NameServer::start(vec![
        service("_sip._udp.x.example", (10, 5, 5070), "one.x.example"),
        service("_sip._udp.x.example", (20, 0, 5080), "two.x.example"),
        service("_sip._tcp.x.example", (1, 0, 5090), "two.x.example"),
        service("_sips._tcp.x.example", (1, 0, 5061), "."),
        address("one.x.example", 60, "192.0.2.1"),
        address("one.x.example", 60, "2001:db8::1"),
        address("two.x.example", 60, "192.0.2.2"),
        address("x.example", 60, "192.0.2.9"),
        address("y.example", 60, "192.0.2.8"),
    ]);
    let found = |host: Host| look_up(&mut names.dns(), &host).unwrap().records;
    let both = [
        server("192.0.2.1:5070", 10, 5),
        server("[2001:db8::1]:5070", 10, 0),
        server("192.0.2.2:5080", 20, 0),
    ];
    assert_eq!(found(udp("x.example", None)), both);
    assert_eq!(found(udp("x.example", Some(5060))), [server("192.0.2.9:5060", 0, 0)]);
    let tcp = |name| host(name, None, Transport::Tcp);
    assert_eq!(found(tcp("x.example")), [server("192.0.2.2:5090", 1, 0)]);
    assert_eq!(found(host("x.example", None, Transport::Tls)), [], "decidedly none");
    assert_eq!(found(tcp("y.example")), [server("192.0.2.8:5060", 0, 0)], "no services");
    assert_eq!(found(host("y.example", None, Transport::Tls)), [server("192.0.2.8:5061", 0, 0)]);
}

#[test]
fn what_was_found_outlasts_a_name_server_that_fails() {
    let known = [server("192.0.2.1:5060", 0, 0)];
    let found = |records: Vec<Server>| Ok(Found { records, holds: HOLDS });
    let moved = vec![server("192.0.2.2:5060", 0, 0)];
    assert_eq!(settle(Err(Fault::NoAnswer), Some(&known)), (known.to_vec(), AGAIN));
    assert_eq!(settle(found(vec![]), Some(&known)), (known.to_vec(), HOLDS));
    assert_eq!(settle(found(moved.clone()), Some(&known)), (moved, HOLDS));
    assert_eq!(settle(Err(Fault::NoAnswer), None), (vec![], AGAIN));
    let names = NameServer::start(vec![service("_sip._udp.x.example", (1, 0, 5070), "t.example")]);
    names.set(|manners| manners.fails = true);
    assert_eq!(look_up(&mut names.dns(), &udp("x.example", None)), Err(Fault::NoAnswer));
}

#[test]
fn a_host_is_asked_for_again_when_its_time_is_over_and_what_is_new_is_told() {
    let names = NameServer::start(vec![address("x.example", 1, "192.0.2.1")]);
    let (mut resolver, answers) = started(NameServers::These(vec![names.at]));
    let nowhere = udp("nowhere.example", Some(1));
    let x = udp("x.example", Some(5060));
    resolver.watch(vec![x.clone(), nowhere.clone()]);
    assert_eq!(
        answers.recv_timeout(SOON).unwrap(),
        (x.clone(), vec![server("192.0.2.1:5060", 0, 0)])
    );
    assert_eq!(answers.recv_timeout(SOON).unwrap(), (nowhere, vec![]), "told once");
    names.set(|manners| manners.records = vec![address("x.example", 60, "192.0.2.2")]);
    assert_eq!(answers.recv_timeout(SOON).unwrap(), (x, vec![server("192.0.2.2:5060", 0, 0)]));
}

#[test]
fn of_many_tables_in_a_row_the_last_one_is_looked_up() {
    let (mut resolver, answers) = started(NameServers::OfHost);
    for port in 1..=100 {
        resolver.watch(vec![udp("localhost", Some(port))]);
    }
    while answers.recv_timeout(SOON).unwrap().0.port != Some(100) {}
}
