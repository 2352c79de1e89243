//! Servers of trunks are asked for a sign of life.

use super::*;

const A: &str = "198.51.100.1:5060";
const B: &str = "198.51.100.2:5060";
const INTERVAL: Duration = Duration::from_secs(30);

fn asked(id: &str, addresses: &[&str]) -> Trunk {
    let list = addresses.iter().map(|address| TrunkHost {
        host: format!("{id}.example"),
        port: None,
        priority: 0,
        weight: 0,
        servers: Some(vec![Server::alone(peer(address))]),
    });
    let (list, health) = (list.collect(), Some(INTERVAL));
    let hosts = TrunkHosts { list, patience: PATIENCE, health };
    Trunk { hosts, ..trunk(id, A) }
}

/// Waits for the next question.
fn question(desk: &mut Desk) -> (SocketAddr, Request) {
    for _ in 0..600 {
        if let Some((to, Message::Request(request))) = desk.sent().pop() {
            assert_eq!(request.method, Method::Options);
            return (to, request);
        }
        desk.pass(Duration::from_millis(100));
    }
    panic!("nobody is asked")
}

fn answer(desk: &mut Desk, status: u16) {
    let (from, options) = question(desk);
    desk.hear(&from.to_string(), options.response(status, "", Some("x")).to_bytes());
}

fn standings(desk: &mut Desk) -> Vec<(Standing, u16)> {
    let told = desk.events().into_iter().map(|event| match event {
        Event::TrunkChanged(state) => (state.servers[0].standing, state.servers[0].status),
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[test]
fn any_answer_is_a_sign_of_life_but_503() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![asked("carrier", &[A])]));
    for status in [405, 200, 404, 483] {
        answer(&mut desk, status);
    }
    assert_eq!(standings(&mut desk), [(Standing::Up, 0)]);
    answer(&mut desk, 503);
    assert_eq!(standings(&mut desk), [], "once may be chance");
    answer(&mut desk, 503);
    assert_eq!(standings(&mut desk), [(Standing::Down, 503)]);
    answer(&mut desk, 200);
    assert_eq!(standings(&mut desk), [], "once may be chance");
    answer(&mut desk, 200);
    assert_eq!(standings(&mut desk), [(Standing::Up, 0)]);
}

#[test]
fn silence_is_none() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![asked("carrier", &[A])]));
    let (_, options) = question(&mut desk);
    assert_eq!(options.uri, "sip:carrier.example:5060");
    desk.pass_s(8);
    desk.sent();
    question(&mut desk);
    assert_eq!(standings(&mut desk), []);
    desk.pass_s(8);
    assert_eq!(standings(&mut desk), [(Standing::Down, 408)]);
    assert_eq!(desk.endpoint.counters().trunk_servers_down, 1);
    desk.command(Command::SetTrunks(vec![]));
    desk.assert_empty_after(60);
    assert_eq!(desk.endpoint.counters().trunk_servers_down, 0);
}

#[test]
fn a_server_that_is_down_is_tried_last_until_it_answers_again() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![asked("carrier", &[A, B])]));
    let mut failed = 0;
    while failed < 2 {
        let (to, options) = question(&mut desk);
        let status = if to == peer(A) { 503 } else { 200 };
        failed += u32::from(to == peer(A));
        desk.hear(&to.to_string(), options.response(status, "", Some("x")).to_bytes());
    }
    let dial = |desk: &mut Desk, leg: u64| {
        let target =
            Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
        let (leg, caller, rtp) =
            (LegId(FIRST_DIALLED_LEG + leg), CallerId::default(), peer("192.0.2.1:4002"));
        desk.sent();
        desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
        desk.sent().pop().unwrap().0
    };
    assert_eq!(dial(&mut desk, 0), peer(B));
    desk.command(Command::HangUp {
        leg: LegId(FIRST_DIALLED_LEG),
        status: 487,
        reason: String::new(),
        by: EndedBy::Us,
    });
    for _ in 0..1_000 {
        desk.pass(Duration::from_millis(100));
        for (to, message) in desk.sent() {
            if let Message::Request(options) = message
                && to == peer(B)
            {
                desk.hear(B, options.response(200, "", Some("x")).to_bytes());
            }
        }
    }
    assert_eq!(dial(&mut desk, 1), peer(B), "no time alone brings it back");
}

#[test]
fn a_thousand_trunks_make_no_burst_and_one_server_is_asked_once_for_all() {
    let mut desk = Desk::new();
    let mut trunks: Vec<Trunk> = (0..1_000_u32)
        .map(|i| {
            let own = format!("203.0.{}.{}:5060", 1 + i / 250, 1 + i % 250);
            Trunk { company: format!("c{i}"), ..asked("carrier", &[&own, A]) }
        })
        .collect();
    desk.command(Command::SetTrunks(trunks.clone()));
    assert_eq!(desk.sent(), []);
    let mut most = 0;
    let (mut to_all, mut to_a) = (0, 0);
    for _ in 0..30 {
        let mut answers = Vec::new();
        let mut now = 0;
        for _ in 0..10 {
            desk.pass(Duration::from_millis(100));
            for (to, message) in desk.sent() {
                let Message::Request(options) = message else { panic!("a response") };
                now += 1;
                to_a += u32::from(to == peer(A));
                answers.push((to, options.response(200, "OK", Some("x")).to_bytes()));
            }
            for (from, bytes) in answers.drain(..) {
                desk.hear(&from.to_string(), bytes);
            }
        }
        most = most.max(now);
        to_all += now;
    }
    assert!((1_000..1_150).contains(&to_all), "{to_all}");
    assert!(most < 80, "{most} in one second");
    assert!((1..=2).contains(&to_a), "{to_a}");
    // The same table again changes nothing, and begins nothing anew.
    let timers = desk.endpoint.counters().timers;
    trunks.reverse();
    desk.command(Command::SetTrunks(trunks));
    assert_eq!(desk.endpoint.counters().timers, timers);
}

#[test]
fn without_being_asked_to_we_ask_nobody() {
    let mut desk = Desk::new();
    let quiet = trunk("carrier", A);
    desk.command(Command::SetTrunks(vec![quiet]));
    desk.pass_s(3_600);
    assert_eq!((desk.sent(), desk.events()), (vec![], vec![]));
}
