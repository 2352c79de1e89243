//! A call or register goes from one server of a trunk to the next, and leaves nothing at those before.

use super::*;
use crate::offer_answer::Direction;

const A: &str = "198.51.100.1:5060";
const B: &str = "198.51.100.2:5060";
const C: &str = "198.51.100.3:5070";
const LEG: LegId = LegId(FIRST_DIALLED_LEG);

/// Hosts a, b and c, to be tried in this order.
fn of_three() -> Trunk {
    let hosts = [("a.example", A), ("b.example", B), ("198.51.100.3", C)];
    let list = hosts.into_iter().zip(1..).map(|((host, address), priority)| {
        let address = peer(address);
        let port = (address.port() != 5060).then(|| address.port());
        let servers = Some(vec![Server::alone(address)]);
        TrunkHost { host: host.into(), port, priority, weight: 0, servers }
    });
    let hosts = TrunkHosts { list: list.collect(), patience: PATIENCE, health: None };
    Trunk { hosts, ..trunk("carrier", A) }
}

fn desk() -> Desk {
    desk_of(of_three())
}

fn desk_of(trunk: Trunk) -> Desk {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![trunk]));
    desk
}

fn dial(desk: &mut Desk, leg: LegId) {
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "+7916".into() };
    let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
    desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
}

/// The only request that was sent, and where to.
fn one_to(desk: &mut Desk) -> (String, Request) {
    let sent = desk.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    match sent.into_iter().next() {
        Some((to, Message::Request(request))) => (to.to_string(), request),
        other => panic!("{other:?}"),
    }
}

/// What was sent, by method and place.
fn sent(desk: &mut Desk) -> Vec<(String, String)> {
    let named = |(to, message): (SocketAddr, Message)| match message {
        Message::Request(request) => (request.method.as_str().to_owned(), to.to_string()),
        Message::Response(response) => (response.status.to_string(), to.to_string()),
    };
    desk.sent().into_iter().map(named).collect()
}

fn asked(what: &[(&str, &str)]) -> Vec<(String, String)> {
    what.iter().map(|(method, to)| ((*method).to_owned(), (*to).to_owned())).collect()
}

/// What was told of servers that did not take the call.
fn tried(events: &[Event]) -> Vec<(String, u16, String, Option<String>)> {
    let told = events.iter().filter_map(|event| match event {
        Event::Tried(LEG, t) => {
            Some((t.server.clone(), t.status, t.reason.clone(), t.next.clone()))
        }
        _ => None,
    });
    told.collect()
}

fn refusal(request: &Request, status: u16, extra: &str) -> Bytes {
    let mut response = request.response(status, "No", Some("x"));
    if !extra.is_empty() {
        response.headers.push(HeaderName::RetryAfter, extra.to_owned());
    }
    response.to_bytes()
}

fn ok(request: &Request, at: &str) -> Bytes {
    let mut ok = request.response(200, "OK", Some("a"));
    ok.headers.push(HeaderName::Contact, format!("<sip:gw@{at}>"));
    ok.body = SDP.into();
    ok.to_bytes()
}

#[test]
fn a_call_goes_on_from_a_server_that_is_silent_and_from_one_that_cannot_serve() {
    let mut desk = desk();
    dial(&mut desk, LEG);
    let (to, first) = one_to(&mut desk);
    assert_eq!((to.as_str(), first.uri.as_str()), (A, "sip:+7916@a.example"));
    desk.pass(PATIENCE - Duration::from_millis(1));
    assert_eq!(sent(&mut desk), asked(&[("INVITE", A); 3]), "repeated at 0.5, 1.5 and 3.5 s");
    desk.pass(Duration::from_millis(1));
    let (to, second) = one_to(&mut desk);
    assert_eq!((to.as_str(), second.uri.as_str()), (B, "sip:+7916@b.example"));
    assert_ne!(first.headers.line(&HeaderName::CallId), second.headers.line(&HeaderName::CallId));
    assert_ne!(first.headers.line(&HeaderName::From), second.headers.line(&HeaderName::From));
    assert_eq!(first.headers.line(&HeaderName::CSeq), second.headers.line(&HeaderName::CSeq));
    assert!(second.body.starts_with(b"v=0"));
    desk.hear(B, second.response(100, "Trying", None).to_bytes());
    desk.hear(B, refusal(&second, 503, ""));
    assert_eq!(sent(&mut desk), asked(&[("ACK", B), ("INVITE", C)]));
    let (a, b, c) = (format!("a.example ({A})"), format!("b.example ({B})"), C.to_owned());
    let told = [
        (a, 408, "no answer from the network".to_owned(), Some(b.clone())),
        (b, 503, "No".to_owned(), Some(c)),
    ];
    let events = desk.events();
    assert_eq!(tried(&events), told);
    assert_eq!(events.len(), 2, "the leg lives on: {events:?}");
    assert_eq!(desk.endpoint.counters().trunk_failovers, 2);
}

#[test]
fn the_dialog_is_with_the_server_that_answered() {
    let mut desk = desk();
    dial(&mut desk, LEG);
    let invite = desk.one_request();
    desk.hear(A, refusal(&invite, 503, ""));
    let invite = desk.requests().pop().unwrap();
    desk.hear(B, invite.response(180, "Ringing", Some("a")).to_bytes());
    desk.hear(B, ok(&invite, B));
    assert_eq!(sent(&mut desk), asked(&[("ACK", B)]));
    let events = desk.events();
    assert!(events.contains(&Event::Ringing(LEG)) && events.contains(&Event::Answered(LEG)));
    assert_eq!(agreed_in(&events)[0].direction, Direction::SendRecv);
    desk.command(Command::HangUp { leg: LEG, status: 200, reason: String::new(), by: EndedBy::Us });
    assert_eq!(sent(&mut desk), asked(&[("BYE", B)]));
    assert_eq!(desk.one_end(), (200, EndedBy::Us));
    desk.assert_empty_after(40);
}

#[test]
fn what_has_rung_is_tried_nowhere_else() {
    for status in [180, 183, 181] {
        let mut desk = desk();
        dial(&mut desk, LEG);
        let invite = desk.one_request();
        desk.hear(A, invite.response(status, "", Some("a")).to_bytes());
        desk.pass_s(10);
        desk.hear(A, refusal(&invite, 503, ""));
        assert_eq!(sent(&mut desk), asked(&[("ACK", A)]));
        let events = desk.events();
        assert_eq!(tried(&events), []);
        assert!(matches!(events.last(), Some(Event::Ended(_, end)) if end.status == 503));
        desk.assert_empty_after(40);
    }
}

#[test]
fn a_server_that_says_trying_is_waited_for() {
    let mut desk = desk();
    dial(&mut desk, LEG);
    let invite = desk.one_request();
    desk.hear(A, invite.response(100, "Trying", None).to_bytes());
    desk.pass_s(60);
    assert_eq!(sent(&mut desk), []);
    desk.hear(A, refusal(&invite, 503, ""));
    assert_eq!(sent(&mut desk), asked(&[("ACK", A), ("INVITE", B)]));
}

#[test]
fn other_refusals_are_the_end() {
    for status in [404, 408, 480, 486, 500, 502, 603] {
        let mut desk = desk();
        dial(&mut desk, LEG);
        let invite = desk.one_request();
        desk.hear(A, refusal(&invite, status, ""));
        assert_eq!(sent(&mut desk), asked(&[("ACK", A)]), "{status}");
        assert_eq!(desk.one_end(), (status, EndedBy::Peer));
        desk.assert_empty_after(40);
    }
}

#[test]
fn without_a_connection_the_next_server_is_tried_at_once() {
    let mut desk = desk_of(Trunk { transport: Transport::Tcp, ..of_three() });
    dial(&mut desk, LEG);
    assert_eq!(sent(&mut desk), asked(&[("INVITE", A)]));
    desk.endpoint.handle_unreachable(desk.now, Transport::Tcp, peer(A), "certificate expired");
    assert_eq!(sent(&mut desk), asked(&[("INVITE", B)]));
    let told = tried(&desk.events());
    assert_eq!((told[0].1, told[0].2.as_str()), (503, "certificate expired"));
    desk.command(Command::HangUp { leg: LEG, status: 487, reason: String::new(), by: EndedBy::Us });
    desk.assert_empty_after(70);
}

#[test]
fn when_all_have_failed_the_leg_ends_once_with_what_the_last_one_said() {
    let mut desk = desk();
    dial(&mut desk, LEG);
    for at in [A, B] {
        let invite = desk.requests().pop().unwrap();
        desk.hear(at, refusal(&invite, 503, ""));
        assert!(!desk.events().iter().any(|event| matches!(event, Event::Ended(..))));
    }
    desk.pass_s(31);
    desk.requests();
    assert_eq!(desk.events(), [], "the last one has the time of RFC 3261");
    desk.pass_s(1);
    let events = desk.events();
    let last = (C.to_owned(), 408, "no answer from the network".to_owned(), None);
    assert_eq!(tried(&events), [last]);
    assert!(matches!(events.last(), Some(Event::Ended(LEG, end)) if end.status == 408));
    desk.assert_empty_after(40);
}

#[test]
fn a_server_that_was_given_up_is_cancelled_when_it_rings_and_said_farewell_when_it_answers() {
    for answers in [false, true] {
        let mut desk = desk();
        dial(&mut desk, LEG);
        let late = desk.one_request();
        desk.pass(PATIENCE);
        let second = desk.requests().pop().unwrap();
        desk.hear(A, late.response(180, "Ringing", Some("l")).to_bytes());
        desk.hear(A, late.response(180, "Ringing", Some("l")).to_bytes());
        assert_eq!(sent(&mut desk), asked(&[("CANCEL", A)]), "once");
        desk.hear(B, second.response(180, "Ringing", Some("b")).to_bytes());
        if answers {
            // It crossed the CANCEL.
            desk.hear(A, ok(&late, A));
            assert_eq!(sent(&mut desk), asked(&[("ACK", A), ("BYE", A)]));
            desk.hear(A, ok(&late, A));
            assert_eq!(sent(&mut desk), asked(&[("ACK", A)]), "its ACK was lost");
        } else {
            desk.hear(A, refusal(&late, 487, ""));
            assert_eq!(sent(&mut desk), asked(&[("ACK", A)]));
        }
        desk.hear(B, ok(&second, B));
        assert_eq!(sent(&mut desk), asked(&[("ACK", B)]));
        let told = desk.events();
        assert_eq!(told.iter().filter(|e| **e == Event::Answered(LEG)).count(), 1);
        let (reason, by) = (String::new(), EndedBy::Us);
        desk.command(Command::HangUp { leg: LEG, status: 200, reason, by });
        desk.assert_empty_after(70);
    }
}

#[test]
fn whoever_hangs_up_meanwhile_leaves_nothing() {
    let hang_up =
        || Command::HangUp { leg: LEG, status: 487, reason: String::new(), by: EndedBy::Us };
    // Before the first answer; while the second is tried; the first one rings or answers then.
    for (wait_ms, says) in
        [(1_000, 0), (1_000, 180), (1_000, 200), (1_000, 503), (4_500, 180), (4_500, 200)]
    {
        let mut desk = desk();
        dial(&mut desk, LEG);
        let first = desk.one_request();
        desk.pass(Duration::from_millis(wait_ms));
        let second = desk.requests().pop();
        desk.command(hang_up());
        assert_eq!(desk.one_end(), (487, EndedBy::Us));
        let answer = |request: &Request| match says {
            180 => request.response(180, "", Some("a")).to_bytes(),
            200 => ok(request, A),
            status => refusal(request, status, ""),
        };
        if says > 0 {
            desk.hear(A, answer(&first));
        }
        if let Some(second) = second.filter(|_| wait_ms > 4_000) {
            desk.hear(B, answer(&second));
        }
        let asked: Vec<_> = sent(&mut desk).into_iter().map(|(method, _)| method).collect();
        assert!(!asked.contains(&"INVITE".to_owned()), "{asked:?}");
        let least = match (says, wait_ms > 4_000) {
            (180, true) => vec!["CANCEL", "CANCEL"],
            (200, true) => vec!["ACK", "BYE", "ACK", "BYE"],
            (180, false) => vec!["CANCEL"],
            (200, false) => vec!["ACK", "BYE"],
            (503, false) => vec!["ACK"],
            _ => vec![],
        };
        assert_eq!(asked, least, "{wait_ms} {says}");
        desk.pass_s(70);
        assert!(sent(&mut desk).iter().all(|(method, _)| method != "INVITE" || wait_ms < 4_000));
        assert_eq!(desk.events().iter().filter(|e| matches!(e, Event::Ended(..))).count(), 0);
        desk.assert_empty_after(40);
    }
}

#[test]
fn each_server_may_ask_once_who_we_are() {
    let credentials = Some(credentials("me", "carrier", "secret"));
    let mut desk = desk_of(Trunk { credentials, ..of_three() });
    dial(&mut desk, LEG);
    for at in [A, B] {
        let invite = desk.requests().pop().unwrap();
        let mut response = invite.response(407, "Who", Some("x"));
        let challenge = "Digest realm=\"carrier\", nonce=\"n1\", qop=\"auth\"";
        response.headers.push(HeaderName::ProxyAuthenticate, challenge);
        desk.hear(at, response.to_bytes());
        let again = desk.requests().pop().unwrap();
        assert!(again.headers.line(&HeaderName::ProxyAuthorization).is_some());
        desk.hear(at, refusal(&again, 503, ""));
    }
    assert_eq!(sent(&mut desk), asked(&[("ACK", B), ("INVITE", C)]));
}

#[test]
fn a_server_that_asks_for_rest_is_tried_last_until_then() {
    let mut desk = desk();
    dial(&mut desk, LEG);
    let invite = desk.one_request();
    desk.hear(A, refusal(&invite, 503, "30 (full);duration=3"));
    desk.command(Command::HangUp { leg: LEG, status: 487, reason: String::new(), by: EndedBy::Us });
    desk.pass(Duration::from_millis(29_000));
    desk.sent();
    let mut next = LEG.0;
    let mut first_of = |desk: &mut Desk| {
        next += 1;
        dial(desk, LegId(next));
        one_to(desk).0
    };
    assert_eq!(first_of(&mut desk), B);
    desk.pass_s(1);
    desk.sent();
    assert_eq!(first_of(&mut desk), A);
}

#[test]
fn a_server_that_gave_no_answer_twice_is_tried_last_for_a_while() {
    let mut desk = desk();
    let mut next = LEG.0;
    let mut call = |desk: &mut Desk, answers: &[&str]| {
        next += 1;
        dial(desk, LegId(next));
        let mut at = Vec::new();
        for _ in 0..3 {
            let (to, Message::Request(invite)) = desk.sent().pop().unwrap() else { panic!() };
            at.push(to.to_string());
            if answers.contains(&at.last().unwrap().as_str()) {
                desk.hear(at.last().unwrap(), refusal(&invite, 486, ""));
                desk.sent();
                break;
            }
            desk.pass(PATIENCE);
        }
        at
    };
    assert_eq!(call(&mut desk, &[B]), [A, B]);
    assert_eq!(call(&mut desk, &[B]), [A, B]);
    let down = |desk: &mut Desk| desk.endpoint.counters().trunk_servers_down;
    assert_eq!(down(&mut desk), 1);
    let standing = |desk: &mut Desk| {
        let told = desk.events().into_iter().filter_map(|event| match event {
            Event::TrunkChanged(state) => Some(state.servers.iter().map(|s| s.standing).collect()),
            _ => None,
        });
        told.collect::<Vec<Vec<Standing>>>()
    };
    let unknown = Standing::Unknown;
    assert_eq!(standing(&mut desk), [[Standing::Down, unknown, unknown]]);
    assert_eq!(call(&mut desk, &[B]), [B]);
    desk.pass_s(60);
    assert_eq!(call(&mut desk, &[B]), [A, B], "its turn comes again");
    assert_eq!(call(&mut desk, &[B]), [B], "one more failure is enough");
    desk.pass_s(60);
    assert_eq!(call(&mut desk, &[A]), [A]);
    assert_eq!((down(&mut desk), standing(&mut desk)), (0, vec![vec![unknown; 3]]));
    assert_eq!(call(&mut desk, &[A]), [A]);
}

fn registering() -> Trunk {
    let credentials = Some(credentials("me", "carrier", "secret"));
    Trunk { credentials, register: true, ..of_three() }
}

fn accepted(request: &Request, expires: &str) -> Bytes {
    let mut response = request.response(200, "OK", Some("x"));
    let contact = request.headers.text(&HeaderName::Contact).unwrap();
    response.headers.push(HeaderName::Contact, format!("{contact};expires={expires}"));
    response.to_bytes()
}

/// What was told of the trunk: registered, status, and with which server.
fn homes(desk: &mut Desk) -> Vec<(bool, u16, Option<String>)> {
    let told = desk.events().into_iter().filter_map(|event| match event {
        Event::TrunkChanged(state) => {
            let home = state.servers.iter().find(|server| server.is_home);
            let home = home.and_then(|server| server.address).map(|at| at.to_string());
            Some((state.registered, state.status, home))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn a_trunk_is_registered_with_the_first_server_that_answers_and_calls_go_there() {
    let mut desk = desk_of(registering());
    assert_eq!(one_to(&mut desk).0, A);
    desk.pass(PATIENCE);
    let register = desk.requests().pop().unwrap();
    desk.hear(B, refusal(&register, 503, ""));
    let (to, register) = one_to(&mut desk);
    assert_eq!(to, C);
    desk.hear(C, accepted(&register, "300"));
    assert_eq!(homes(&mut desk), [(true, 200, Some(C.to_owned()))]);
    dial(&mut desk, LEG);
    let (to, invite) = one_to(&mut desk);
    assert_eq!(to, C);
    desk.hear(C, refusal(&invite, 503, ""));
    assert_eq!(sent(&mut desk), asked(&[("ACK", C), ("INVITE", A)]), "then by rank");
    desk.command(Command::HangUp { leg: LEG, status: 487, reason: String::new(), by: EndedBy::Us });
    // The refresh looks whether the first one is back, and keeps what there is if not.
    desk.pass_s(239);
    desk.sent();
    desk.pass_s(1 + 4);
    assert_eq!(sent(&mut desk).last(), asked(&[("REGISTER", B)]).last());
    let register = register_to(&mut desk);
    desk.hear(B, accepted(&register, "300"));
    assert_eq!(homes(&mut desk).last(), Some(&(true, 200, Some(B.to_owned()))));
    desk.command(Command::Shutdown);
    assert_eq!(one_to(&mut desk).0, B, "it is taken back where it is");
}

/// The REGISTER that waits for an answer, as it was sent.
fn register_to(desk: &mut Desk) -> Request {
    let waits =
        |t: &&ClientTransaction| t.method == Method::Register && t.state == ClientState::Calling;
    let bytes = desk.endpoint.clients.values().find(waits).unwrap().bytes.clone();
    let Ok(Message::Request(request)) = parse(bytes, &Limits::DATAGRAM) else { panic!() };
    request
}

#[test]
fn a_register_that_no_server_takes_is_told_once_and_tried_again_later() {
    let mut desk = desk_of(registering());
    for at in [A, B, C] {
        let register = desk.requests().pop().unwrap();
        assert_eq!(homes(&mut desk), []);
        desk.hear(at, refusal(&register, 503, ""));
    }
    assert_eq!(sent(&mut desk), []);
    assert_eq!(homes(&mut desk), [(false, 503, None)]);
    desk.pass_s(3);
    assert_eq!(sent(&mut desk)[0], asked(&[("REGISTER", A)])[0]);
}

#[test]
fn a_refusal_of_the_register_is_the_carriers_word_and_no_other_server_is_asked() {
    let mut desk = desk_of(registering());
    let register = desk.one_request();
    desk.hear(A, refusal(&register, 403, ""));
    assert_eq!((sent(&mut desk), homes(&mut desk)), (vec![], vec![(false, 403, None)]));
}

#[test]
fn calls_of_each_server_are_the_trunks() {
    let mut desk = desk();
    for at in [A, B, "198.51.100.3:9"] {
        let caller = desk.next_caller();
        desk.hear(at, caller.invite());
        let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("{at}: no call") };
        assert_eq!(incoming.trunk.as_deref(), Some("carrier"));
    }
}

#[test]
fn whatever_the_servers_do_a_leg_ends_once_and_nothing_is_left() {
    for seed in 1..=400 {
        let mut dice = network::Dice(seed * 0x9e37_79b9);
        let mut desk = desk();
        dial(&mut desk, LEG);
        let mut ends = 0;
        let mut seen: Vec<(String, Request)> = Vec::new();
        for step in 0..30 {
            for (to, message) in desk.sent() {
                if let Message::Request(request) = message
                    && request.method == Method::Invite
                {
                    seen.push((to.to_string(), request));
                }
            }
            if !seen.is_empty() && dice.below(3) > 0 {
                let (at, invite) = seen[dice.below(seen.len() as u64) as usize].clone();
                let status = [100, 180, 183, 200, 486, 503, 487, 407][dice.below(8) as usize];
                let bytes = match status {
                    200 => ok(&invite, &at),
                    100 => invite.response(100, "", None).to_bytes(),
                    180 | 183 => invite.response(status, "", Some("r")).to_bytes(),
                    status => refusal(&invite, status, ""),
                };
                desk.hear(&at, bytes);
            }
            if dice.below(15) == 0 || step == 29 {
                let (reason, by) = (String::new(), EndedBy::Us);
                desk.command(Command::HangUp { leg: LEG, status: 487, reason, by });
            }
            desk.pass(Duration::from_millis(dice.below(3_000)));
            ends += desk.events().iter().filter(|e| matches!(e, Event::Ended(..))).count();
        }
        assert_eq!(ends, 1, "seed {seed}");
        desk.assert_empty_after(400);
    }
}
