//! What is shed, and what never is.

use super::network::Dice;
use super::*;

#[test]
fn new_calls_are_shed_by_the_age_of_the_oldest_undecided_one() {
    let mut desk = Desk::new();
    let (first, _) = desk.called();
    desk.pass(Duration::from_millis(500));
    let (second, _) = desk.called();
    desk.pass(Duration::from_millis(1));
    let caller = desk.next_caller();
    let shed = desk.ask(CARRIER, caller.invite());
    assert_eq!(shed.status, 503);
    assert!(shed.headers.line(&HeaderName::RetryAfter).is_some());
    assert_eq!(desk.events(), []);
    assert_eq!(desk.endpoint.counters().server_transactions, 2, "nothing is kept of it");
    desk.command(Command::Ring(first));
    desk.sent();
    let _ = desk.called();
    desk.command(Command::Ring(second));
}

/// How much of a load is bearable, and how many kinds of requests are refused at it.
const LOADS: [(f64, usize); 9] = [
    (0.0, 0),
    (0.5, 0),
    (0.502, 1),
    (0.624, 1),
    (0.626, 2),
    (0.75, 2),
    (0.752, 3),
    (1.0, 3),
    (1.002, 4),
];

#[test]
fn the_longer_calls_wait_for_a_decision_the_more_is_shed() {
    for (load, kinds) in LOADS {
        let mut desk = Desk::new();
        let (_, mut talking) = desk.talking();
        let _ = desk.called();
        desk.pass(Duration::from_millis((500.0 * load).round() as u64));
        assert_shed(&mut desk, &mut talking, kinds);
    }
}

#[test]
fn the_further_the_engine_is_behind_the_more_is_shed() {
    for (load, kinds) in LOADS {
        let mut desk = Desk::new();
        let (_, mut talking) = desk.talking();
        desk.endpoint.set_behind(load);
        assert_shed(&mut desk, &mut talking, kinds);
    }
}

/// Of what is no part of a call, so many kinds are refused, in this order; what is part of one is served.
fn assert_shed(desk: &mut Desk, talking: &mut Caller, kinds: usize) {
    let other = desk.next_caller();
    let mut shed = Vec::new();
    for method in ["OPTIONS", "PUBLISH", "REGISTER"] {
        shed.push(desk.ask(PHONE, other.request(method, "")).status == 503);
    }
    desk.hear(CARRIER, other.invite());
    shed.push(desk.statuses() == [503]);
    assert_eq!(shed, [1, 2, 3, 4].map(|kind| kind <= kinds));
    assert_eq!(desk.ask(CARRIER, talking.next("OPTIONS", "", "")).status, 200);
    let reinvite = talking.next("INVITE", "Content-Type: application/sdp\r\n", SDP);
    assert_eq!(desk.ask(CARRIER, reinvite).status, 200);
    assert_eq!(desk.ask(CARRIER, talking.next("BYE", "", "")).status, 200);
}

#[test]
fn who_is_decided_about_takes_no_place_of_who_is_not() {
    let mut desk = Desk::with(|config| config.max_legs = 8);
    let (first, _) = desk.called();
    for _ in 0..3 {
        let (leg, _) = desk.called();
        desk.command(Command::Ring(leg));
        desk.sent();
    }
    // Four legs, and one that the first will lead to: two more have room.
    let (last, _) = desk.called();
    desk.command(Command::Reject {
        leg: last,
        status: 486,
        reason: String::new(),
        retry_after_s: None,
    });
    desk.command(Command::Answer { leg: first, like: None, rtp: peer("192.0.2.1:4000") });
    assert!(desk.endpoint.undecided.is_empty());
}

#[test]
fn a_new_call_needs_room_for_both_of_its_legs() {
    let mut desk = Desk::with(|config| config.max_legs = 6);
    let (_, mut caller) = desk.talking();
    assert!(dial_out(&mut desk, 0, "1"));
    let _ = desk.called();
    // Two legs, and one that waits for a decision and will lead to another.
    let _ = desk.called();
    let next = desk.next_caller();
    assert_eq!(desk.ask(CARRIER, next.invite()).status, 503);
    assert_eq!((1..9).filter(|i| dial_out(&mut desk, *i, "1")).count(), 2);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
}

#[test]
fn one_source_that_is_no_trunk_cannot_have_all_transactions() {
    let mut desk = Desk::with(|config| config.max_requests_of_source = 4);
    let (_, mut caller) = desk.talking();
    let [phone, carrier] = [PHONE, CARRIER].map(|from| peer(from).ip());
    // As if they had asked before.
    desk.endpoint.servers_of.insert(phone, 2);
    desk.endpoint.servers_of.insert(carrier, 4);
    let mut ask = |desk: &mut Desk, from: &str| {
        desk.hear(from, caller.next("OPTIONS", "", ""));
        desk.one_response().status
    };
    let statuses = [PHONE, PHONE, PHONE, "203.0.113.6:5060", CARRIER].map(|f| ask(&mut desk, f));
    assert_eq!(statuses, [200, 200, 503, 200, 200]);
    assert_eq!(desk.endpoint.counters().source_limited, 1);
    desk.pass_s(33);
    let held = |desk: &Desk, ip| desk.endpoint.servers_of.get(&ip).copied();
    assert_eq!(held(&desk, phone), Some(2));
    assert_eq!(held(&desk, peer("203.0.113.6:5060").ip()), None);
    assert_eq!(ask(&mut desk, PHONE), 200);
    desk.endpoint.servers_of.insert(phone, 4);
    let options = caller.next("OPTIONS", "", "");
    assert_eq!([503, 503], [0, 1].map(|_| desk.ask(PHONE, options.clone()).status), "not 500");
    assert_eq!(desk.ask(PHONE, caller.next("BYE", "", "")).status, 200);
}

#[test]
fn a_full_trunk_is_refused_both_ways() {
    let mut desk = Desk::new();
    let full = Trunk { max_calls: Some(1), ..trunk("carrier", CARRIER) };
    desk.command(Command::SetTrunks(vec![full]));
    let (_, mut caller) = desk.talking();
    let next = desk.next_caller();
    assert_eq!(desk.ask(CARRIER, next.invite()).status, 503);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    desk.events();
    let _ = desk.called();
}

#[test]
fn a_flood_of_strangers_leaves_nothing_behind() {
    let mut desk = Desk::new();
    for i in 0..2_000 {
        let stranger = desk.next_caller();
        let message = match i % 3 {
            0 => stranger.invite(),
            1 => stranger.request("REGISTER", ""),
            _ => stranger.request("OPTIONS", "").replace("Forwards: 70", "Forwards: x"),
        };
        desk.hear(&format!("203.0.113.{}:5060", i % 200 + 1), message);
    }
    desk.sent();
    let counters = desk.endpoint.counters();
    assert_eq!((counters.legs, counters.server_transactions), (0, 0));
    assert_eq!(counters.timers, 1, "that of the word of it");
    assert!(counters.unauthorized > 1_000);
}

/// Bytes are changed, dropped, doubled and cut in messages of a call that goes on meanwhile.
#[test]
fn broken_messages_break_nothing() {
    let mut dice = Dice(42);
    let mut desk = Desk::new();
    let (leg, mut caller) = desk.talking();
    for _ in 0..5_000 {
        let other = desk.next_caller();
        let method = ["INVITE", "REGISTER", "BYE", "INFO", "CANCEL", "ACK"][dice.below(6) as usize];
        let message = match dice.below(3) {
            0 => other.invite(),
            1 => other.request(method, "Contact: <sip:x@y>;expires=5\r\nExpires: 7\r\n"),
            _ if method == "BYE" => continue,
            _ => caller.message(method, "Content-Type: application/sdp\r\n", SDP, caller.cseq),
        };
        let mut bytes = message.into_bytes();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len() as u64) as usize;
            match dice.below(4) {
                0 => bytes[at] = dice.below(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n;,:=<>\"@ *"[dice.below(12) as usize]),
                _ => bytes.truncate(at.max(200)),
            }
        }
        desk.hear([CARRIER, PHONE][dice.below(2) as usize], bytes);
        desk.pass(Duration::from_millis(dice.below(200)));
        while desk.endpoint.poll_transmit().is_some() {}
        desk.events();
    }
    assert!(desk.endpoint.legs.contains_key(&leg), "nobody said BYE");
    caller.cseq = (1 << 31) - 2;
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    desk.pass_s(64);
    assert_eq!(desk.endpoint.counters().legs, 0);
}

fn anna_calls(desk: &mut Desk, number: &str) -> u16 {
    calls(desk, "anna", number)
}

/// The user's phone calls `number`; the last status that it hears of it.
fn calls(desk: &mut Desk, user: &str, number: &str) -> u16 {
    let caller = desk.next_caller();
    let invite = caller
        .invite()
        .replace("sip:+7916@carrier.example", &format!("sip:{user}@demo.example"))
        .replace(
            "sip:+74951234501@192.0.2.1 SIP/2.0",
            &format!("sip:{number}@demo.example SIP/2.0"),
        );
    let challenge = desk.ask(PHONE, invite.clone());
    if challenge.status != 407 {
        return challenge.status;
    }
    let mine = authorized(&invite, &challenge, &credentials(user, REALM, "pw"), 2);
    desk.ask(PHONE, mine).status
}

fn desk_with_emergency_numbers(company: &str, max_legs: usize) -> Desk {
    let mut desk = Desk::with(|config| config.max_legs = max_legs);
    let numbers = [(company.to_owned(), vec!["112".to_owned()])].into();
    let table = super::Accounts::from(vec![account("anna", "pw")]).with_emergency_numbers(numbers);
    desk.command(Command::SetAccounts(std::sync::Arc::new(table)));
    desk
}

fn dial_out(desk: &mut Desk, i: u64, number: &str) -> bool {
    let (company, trunk, number) = ("demo".into(), "carrier".into(), number.into());
    dial(desk, i, Target::Trunk { company, trunk, number }, "")
}

/// Whether `target` is rung for a caller with this number.
fn dial(desk: &mut Desk, i: u64, target: Target, number: &str) -> bool {
    dial_for(desk, i, target, number, None)
}

/// The same, where `served` is who is led there.
fn dial_for(desk: &mut Desk, i: u64, target: Target, number: &str, served: Option<LegId>) -> bool {
    let caller = CallerId { number: number.into(), name: String::new(), ..CallerId::default() };
    let (leg, rtp) = (LegId(FIRST_DIALLED_LEG + i), peer("192.0.2.1:4002"));
    desk.command(Command::Dial { leg, target, caller, offer_of: served, rtp });
    !desk.requests().is_empty()
}

/// The place where Anna's phone is registered.
fn anna_registered(desk: &mut Desk) -> Target {
    desk.command(Command::RestoreBindings(vec![RestoredBinding {
        company: "demo".into(),
        device: "anna-desk".into(),
        contact: format!("sip:anna@{PHONE}"),
        source: peer(PHONE),
        transport: Transport::Udp,
        expires_in: Duration::from_secs(60),
        call_id: "r".into(),
        cseq: 1,
        user_agent: String::new(),
        path: Vec::new(),
        instance: None,
    }]));
    let told = desk.events().pop();
    let Some(Event::RegistrationChanged { bindings, .. }) = told else { panic!("{told:?}") };
    Target::Binding(bindings[0].id)
}

#[test]
fn a_call_for_help_is_shed_by_no_load() {
    let mut desk = desk_with_emergency_numbers("demo", 100);
    desk.endpoint.set_behind(1.1);
    assert_eq!((anna_calls(&mut desk, "113"), anna_calls(&mut desk, "112")), (503, 100));
    desk.endpoint.set_behind(0.0);
    desk.pass(Duration::from_millis(501));
    assert_eq!((anna_calls(&mut desk, "113"), anna_calls(&mut desk, "112")), (503, 100));
}

/// Ten phones of each company: "a0" is the first of company "a". All call 112 for help.
fn desk_of_companies(companies: &[&str], max_legs: usize) -> Desk {
    let mut desk = Desk::with(|config| config.max_legs = max_legs);
    let phones = companies.iter().flat_map(|company| {
        (0..10).map(move |i| Account {
            company: (*company).to_owned(),
            ..account(&format!("{company}{i}"), "pw")
        })
    });
    let numbers = companies.iter().map(|c| ((*c).to_owned(), vec!["112".to_owned()])).collect();
    let table = super::Accounts::from(phones.collect::<Vec<_>>()).with_emergency_numbers(numbers);
    desk.command(Command::SetAccounts(std::sync::Arc::new(table)));
    desk
}

/// How many calls for help ten phones of a company get through, each trying four times.
fn let_in(desk: &mut Desk, company: &str) -> usize {
    let tries = (0..40).map(|i| format!("{company}{}", i % 10));
    tries.filter(|user| calls(desk, user, "112") == 100).count()
}

#[test]
fn calls_for_help_have_room_above_the_limit_but_not_without_end_and_who_gets_in_gets_out() {
    let companies = ["a", "b", "c"];
    let mut desk = desk_of_companies(&companies, 2);
    let _ = desk.talking();
    assert_eq!(calls(&mut desk, "a0", "113"), 503);
    assert_eq!(companies.map(|company| let_in(&mut desk, company)), [8, 8, 0]);
    let own = |company: &str| Trunk { company: company.into(), ..trunk("carrier", CARRIER) };
    desk.command(Command::SetTrunks(companies.map(own).into()));
    let mut leg = 100;
    let mut dialled = |company: &str| {
        let (trunk, number) = ("carrier".to_owned(), "112".to_owned());
        let target = Target::Trunk { company: company.into(), trunk, number };
        let dials = |_: &u64| {
            leg += 1;
            dial(&mut desk, leg, target.clone(), "")
        };
        (0..20).filter(dials).count()
    };
    assert_eq!(companies.map(&mut dialled), [8, 8, 0]);
    assert_eq!(desk.endpoint.legs.len(), 1 + EMERGENCY_LEGS, "with the one that talks");
}

#[test]
fn no_phone_and_no_company_takes_the_room_that_others_need_for_help() {
    let mut desk = desk_of_companies(&["a", "b"], 2);
    let _ = desk.talking();
    let greedy = (0..10).filter(|_| calls(&mut desk, "a0", "112") == 100).count();
    assert_eq!(greedy, 2);
    assert_eq!(let_in(&mut desk, "a"), 6, "eight of a company");
    assert_eq!(let_in(&mut desk, "b"), 8);
}

#[test]
fn a_call_for_help_that_is_over_makes_room_for_another() {
    let mut desk = desk_of_companies(&["a"], 0);
    for _ in 0..5 {
        assert_eq!((0..5).filter(|_| calls(&mut desk, "a0", "112") == 100).count(), 2);
        for id in desk.endpoint.legs.keys().copied().collect::<Vec<_>>() {
            desk.command(Command::HangUp {
                leg: id,
                status: 480,
                reason: String::new(),
                by: EndedBy::Us,
            });
        }
        assert_eq!(desk.statuses(), [480, 480]);
    }
}

#[test]
fn who_is_let_in_while_the_engine_is_behind_counts_as_well() {
    let mut desk = desk_of_companies(&["a"], 100);
    desk.endpoint.set_behind(1.1);
    assert_eq!(let_in(&mut desk, "a"), 8);
    desk.endpoint.set_behind(0.0);
    assert_eq!(let_in(&mut desk, "a"), 40, "nothing is scarce");
}

#[test]
fn no_phone_takes_all_the_room_beyond_a_full_trunk() {
    let mut desk = desk_of_companies(&["a"], 100);
    let carrier = Trunk { company: "a".into(), max_calls: Some(1), ..trunk("carrier", CARRIER) };
    desk.command(Command::SetTrunks(vec![carrier]));
    let mut gets_through = |user: &str| {
        assert_eq!(calls(&mut desk, user, "112"), 100);
        let served = desk.endpoint.legs.keys().filter(|leg| leg.0 < FIRST_DIALLED_LEG).max();
        let offer_of = served.copied();
        let leg = LegId(FIRST_DIALLED_LEG + offer_of.unwrap().0);
        let (company, trunk, number) = ("a".into(), "carrier".into(), "112".into());
        let target = Target::Trunk { company, trunk, number };
        let rtp = peer("192.0.2.1:4002");
        desk.command(Command::Dial { leg, target, caller: CallerId::default(), offer_of, rtp });
        !desk.requests().is_empty()
    };
    let greedy = (0..10).filter(|_| gets_through("a0")).count();
    assert_eq!(greedy, 1 + 2, "one as everybody, and its share beyond the trunk's limit");
    assert!(gets_through("a1"));
}

#[test]
fn a_company_dials_no_more_legs_for_help_than_its_share() {
    let mut desk = desk_with_emergency_numbers("demo", 100);
    desk.command(Command::SetTrunks(vec![Trunk {
        max_calls: Some(1),
        ..trunk("carrier", CARRIER)
    }]));
    let dialled = (0..20).filter(|i| dial_out(&mut desk, *i, "112")).count();
    assert_eq!(dialled, 1 + 8, "one as everybody, and the share beyond the trunk's limit");
    desk.command(Command::SetTrunks(vec![trunk("carrier", CARRIER)]));
    assert!(dial_out(&mut desk, 20, "112"), "nothing is scarce");
}

#[test]
fn a_call_for_help_is_carried_on_above_every_limit() {
    let mut desk = desk_with_emergency_numbers("demo", 1);
    desk.command(Command::SetTrunks(vec![Trunk {
        max_calls: Some(1),
        ..trunk("carrier", CARRIER)
    }]));
    assert!(dial_out(&mut desk, 0, "1"));
    assert!(!dial_out(&mut desk, 1, "1"), "the trunk is full");
    assert!(dial_out(&mut desk, 2, "112"));
    desk.command(Command::SetTrunks(vec![trunk("carrier", CARRIER)]));
    assert!(!dial_out(&mut desk, 3, "1"), "there is no room for another leg");
    assert!(dial_out(&mut desk, 4, "112"));
}

#[test]
fn whoever_is_to_be_led_to_help_is_rung_above_the_limit() {
    let mut desk = desk_with_emergency_numbers("demo", 1);
    let anna = anna_registered(&mut desk);
    assert!(dial(&mut desk, 0, anna.clone(), "101"));
    assert!(!dial(&mut desk, 1, anna.clone(), "101"), "there is no room for another leg");
    assert!(dial(&mut desk, 2, anna, "112"));
    assert!(!dial(&mut desk, 3, Target::Binding(99), "112"));
}

#[test]
fn a_caller_from_outside_who_is_called_112_opens_no_reserve() {
    let mut desk = desk_with_emergency_numbers("demo", 2);
    let (outside, _) = desk.called();
    let anna = anna_registered(&mut desk);
    assert!(dial(&mut desk, 0, anna.clone(), "101"));
    assert!(!dial_for(&mut desk, 1, anna.clone(), "112", Some(outside)));
    assert!(dial_for(&mut desk, 2, anna, "112", None));
}

#[test]
fn only_devices_of_the_company_whose_number_it_is_call_for_help() {
    let mut desk = desk_with_emergency_numbers("other", 100);
    desk.endpoint.set_behind(1.1);
    assert_eq!(anna_calls(&mut desk, "112"), 503);
    let trunk = desk.next_caller().invite().replace("sip:+74951234501@", "sip:112@");
    assert_eq!(desk.ask(CARRIER, trunk).status, 503);
}
