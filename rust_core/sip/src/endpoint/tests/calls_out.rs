//! Calls that we make.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);
const ANSWER: &str = "v=0\r\no=- 2 2 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n\
    m=audio 8000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

fn dial(desk: &mut Desk) -> Request {
    let number = "+7 916#1".to_owned();
    let target = Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number };
    let caller = CallerId { number: "101".into(), name: "An\"na".into(), ..CallerId::default() };
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    desk.one_request()
}

fn reply(request: &Request, status: u16, tag: &str, body: &str) -> Bytes {
    let mut response = request.response(status, "Words", Some(tag));
    response.headers.push(HeaderName::Contact, format!("<sip:far-{tag}@{CARRIER}>"));
    response.body = body.to_owned().into();
    response.to_bytes()
}

fn hang_up(desk: &mut Desk) {
    desk.command(Command::HangUp { leg: LEG, status: 480, reason: String::new(), by: EndedBy::Us });
}

#[test]
fn a_call_rings_is_answered_and_ended_by_us() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    assert_eq!(invite.uri, "sip:+7%20916%231@198.51.100.9");
    let from = invite.headers.text(&HeaderName::From).unwrap();
    assert!(from.starts_with("\"An\\\"na\" <sip:101@198.51.100.9>;tag="), "{from}");
    assert_eq!(invite.headers.text(&HeaderName::MaxForwards), Some("70"));
    desk.hear(CARRIER, reply(&invite, 100, "", ""));
    desk.hear(CARRIER, reply(&invite, 183, "a", ""));
    desk.hear(CARRIER, reply(&invite, 180, "b", ""));
    assert_eq!(desk.events(), [Event::Ringing(LEG)], "once");
    desk.hear(CARRIER, reply(&invite, 200, "b", ANSWER));
    let ack = desk.one_request();
    assert_eq!((ack.method.as_str(), ack.uri.as_str()), ("ACK", "sip:far-b@198.51.100.9:5060"));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp, peer("198.51.100.9:8000"));
    assert_eq!(events[1], Event::Answered(LEG));
    hang_up(&mut desk);
    let bye = desk.one_request();
    assert_eq!(bye.headers.text(&HeaderName::CSeq), Some("2 BYE"));
    assert_eq!(desk.one_end(), (200, EndedBy::Us));
    desk.hear(CARRIER, reply(&bye, 200, "b", ""));
    desk.assert_empty_after(33);
}

#[test]
fn what_is_offered_of_our_own_is_all_that_can_be_relayed_or_only_what_can_be_heard() {
    let offered = |only_playable| {
        let mut desk = Desk::with(|config| config.only_playable = only_playable);
        let body = String::from_utf8_lossy(&dial(&mut desk).body).into_owned();
        body.lines().find(|line| line.starts_with("m=")).map(str::to_owned)
    };
    assert_eq!(offered(false).as_deref(), Some("m=audio 4002 RTP/AVP 96 9 8 0 101 102"));
    assert_eq!(offered(true).as_deref(), Some("m=audio 4002 RTP/AVP 8 0 101"));
}

#[test]
fn what_the_far_end_calls_itself_makes_no_broken_request() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    let mut ok = invite.response(200, "OK", Some("a"));
    ok.headers.push(HeaderName::Contact, "<sip:far@198.51.100.9?Subject=x>");
    ok.headers.push(HeaderName::RecordRoute, "<sip:198.51.100.9?Route=y>");
    ok.body = ANSWER.into();
    desk.hear(CARRIER, ok.to_bytes());
    let ack = desk.one_request();
    assert_eq!(ack.uri, "sip:198.51.100.9", "a strict router, without its headers");
    hang_up(&mut desk);
    assert_eq!(desk.methods(), ["BYE"]);
}

#[test]
fn who_has_no_number_calls_anonymously_and_cannot_be_called() {
    let mut desk = Desk::new();
    for (number, expected) in [("+7495", true), ("", false)] {
        let target = Target::Trunk {
            company: "demo".into(),
            trunk: "carrier".into(),
            number: number.into(),
        };
        let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
        desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
        let requests = desk.requests();
        assert_eq!(requests.len(), usize::from(expected), "{number}");
        for invite in requests {
            let from = invite.headers.text(&HeaderName::From).unwrap();
            assert!(from.starts_with("<sip:anonymous@198.51.100.9>"), "{from}");
        }
        hang_up(&mut desk);
        desk.pass_s(200);
        desk.sent();
    }
}

#[test]
fn a_repeated_200_gets_the_same_ack_and_another_fork_has_to_go() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    desk.hear(CARRIER, reply(&invite, 200, "a", ANSWER));
    let ack = desk.sent();
    for _ in 0..3 {
        desk.hear(CARRIER, reply(&invite, 200, "a", ANSWER));
        assert_eq!(desk.sent(), ack);
    }
    desk.events();
    desk.hear(CARRIER, reply(&invite, 200, "b", ANSWER));
    let requests = desk.requests();
    let uris: Vec<_> = requests.iter().map(|r| (r.method.as_str(), r.uri.as_str())).collect();
    assert_eq!(
        uris,
        [("ACK", "sip:far-b@198.51.100.9:5060"), ("BYE", "sip:far-b@198.51.100.9:5060")]
    );
    desk.hear(CARRIER, reply(&invite, 200, "b", ANSWER));
    assert_eq!(desk.methods(), ["ACK"], "no second BYE");
    for fork in 0..100 {
        desk.hear(CARRIER, reply(&invite, 200, &format!("x{fork}"), ANSWER));
    }
    assert_eq!(desk.requests().len(), 12, "six more forks and no further");
    assert_eq!(desk.events(), []);
    assert_eq!(desk.endpoint.counters().legs, 1);
}

#[test]
fn a_cancel_waits_for_a_provisional_answer() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    hang_up(&mut desk);
    assert_eq!(desk.one_end(), (487, EndedBy::Us));
    assert_eq!(desk.sent(), []);
    desk.hear(CARRIER, reply(&invite, 100, "", ""));
    let cancel = desk.one_request();
    assert_eq!(cancel.method, Method::Cancel);
    assert_eq!(cancel.headers.line(&HeaderName::Via), invite.headers.line(&HeaderName::Via));
    desk.hear(CARRIER, reply(&cancel, 200, "a", ""));
    desk.hear(CARRIER, reply(&invite, 487, "a", ""));
    assert_eq!(desk.methods(), ["ACK"]);
    assert_eq!(desk.events(), []);
    desk.assert_empty_after(33);
}

#[test]
fn a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    desk.hear(CARRIER, reply(&invite, 180, "a", ""));
    hang_up(&mut desk);
    assert_eq!(desk.methods(), ["CANCEL"]);
    desk.hear(CARRIER, reply(&invite, 200, "a", ANSWER));
    assert_eq!(desk.methods(), ["ACK", "BYE"]);
    desk.hear(CARRIER, reply(&invite, 200, "a", ANSWER));
    assert_eq!(desk.methods(), ["ACK"]);
    assert_eq!(desk.one_end(), (487, EndedBy::Us));
    desk.assert_empty_after(33);
}

#[test]
fn silence_ends_after_64_t1_and_endless_ringing_after_timer_c() {
    let mut desk = Desk::new();
    dial(&mut desk);
    desk.pass(Duration::from_millis(31_999));
    // RFC 3261 §17.1.1.2: repeated at 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
    assert_eq!(desk.requests().len(), 6);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.one_end(), (408, EndedBy::Timeout));
    desk.assert_empty_after(1);

    let invite = dial(&mut desk);
    desk.hear(CARRIER, reply(&invite, 180, "a", ""));
    desk.pass_s(329);
    assert_eq!(desk.events(), [Event::Ringing(LEG)]);
    assert_eq!(desk.sent(), []);
    desk.pass_s(1);
    assert_eq!(desk.methods(), ["CANCEL"]);
    assert_eq!(desk.one_end(), (408, EndedBy::Timeout));
    desk.assert_empty_after(64);
}

#[test]
fn a_leg_may_take_one_hop_less_than_the_leg_it_is_dialled_for() {
    let table = [
        ("Max-Forwards: 7", Some("6")),
        ("Max-Forwards: 1", Some("0")),
        ("Max-Forwards: 255", Some("69")),
        ("X-None: 7", Some("69")),
        ("Max-Forwards: 0", None),
    ];
    for (came, goes) in table {
        let mut desk = Desk::new();
        desk.command(Command::SetTrunks(vec![Trunk {
            max_calls: Some(2),
            ..trunk("carrier", CARRIER)
        }]));
        let caller = desk.next_caller();
        desk.hear(CARRIER, caller.invite().replace("Max-Forwards: 70", came));
        let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
        desk.sent();
        let target =
            Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
        let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
        let offer_of = Some(incoming.leg);
        desk.command(Command::Dial { leg: LEG, target, caller, offer_of, rtp });
        let requests = desk.requests();
        let sent = requests.first().and_then(|r| r.headers.text(&HeaderName::MaxForwards));
        assert_eq!(sent, goes, "{came}");
        if goes.is_none() {
            assert_eq!(desk.one_end(), (483, EndedBy::Us));
            let _ = desk.called();
        }
    }
    assert_eq!(dial(&mut Desk::new()).headers.text(&HeaderName::MaxForwards), Some("70"));
}

#[test]
fn refusals_are_acknowledged_each_time_and_reported() {
    for status in [302, 404, 486, 491, 503, 603] {
        let mut desk = Desk::new();
        let invite = dial(&mut desk);
        for _ in 0..2 {
            desk.hear(CARRIER, reply(&invite, status, "a", ""));
            assert_eq!(desk.methods(), ["ACK"]);
        }
        assert_eq!(desk.one_end(), (status, EndedBy::Peer));
        desk.assert_empty_after(33);
    }
}

#[test]
fn an_answer_that_fits_no_offer_ends_the_call() {
    for body in ["", "v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 8 RTP/AVP 18\r\n"] {
        let mut desk = Desk::new();
        let invite = dial(&mut desk);
        desk.hear(CARRIER, reply(&invite, 200, "a", body));
        assert_eq!(desk.methods(), ["ACK", "BYE"]);
        assert_eq!(desk.one_end(), (488, EndedBy::Us));
        desk.assert_empty_after(64);
    }
}

#[test]
fn an_answer_may_come_before_the_final_one_of_the_same_fork_only() {
    for (fork, is_answered) in [("a", true), ("b", false)] {
        let mut desk = Desk::new();
        let invite = dial(&mut desk);
        desk.hear(CARRIER, reply(&invite, 183, "a", ANSWER));
        desk.hear(CARRIER, reply(&invite, 200, fork, ""));
        assert_eq!(desk.events().contains(&Event::Answered(LEG)), is_answered);
    }
}

#[test]
fn a_bye_in_an_early_dialog_ends_the_leg_once() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    desk.hear(CARRIER, reply(&invite, 180, "a", ""));
    let (from, to) = (&HeaderName::From, &HeaderName::To);
    let ours = invite.headers.text(from).unwrap().to_owned();
    let mut bye = Request::new(Method::Bye, "sip:x@192.0.2.1");
    bye.headers.push(HeaderName::Via, format!("SIP/2.0/UDP {CARRIER};branch=z9hG4bKb"));
    bye.headers.push(from.clone(), format!("{};tag=a", invite.headers.text(to).unwrap()));
    bye.headers.push(to.clone(), ours);
    bye.headers
        .push(HeaderName::CallId, invite.headers.text(&HeaderName::CallId).unwrap().to_owned());
    bye.headers.push(HeaderName::CSeq, "1 BYE");
    desk.hear(CARRIER, bye.to_bytes());
    desk.hear(CARRIER, reply(&invite, 487, "a", ""));
    assert_eq!(desk.methods(), ["CANCEL", "ACK"]);
    assert_eq!(desk.one_end(), (200, EndedBy::Peer));
    desk.assert_empty_after(64);
}

#[test]
fn a_stranger_cannot_answer_for_the_far_end() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    let mut forged = invite.clone();
    forged
        .headers
        .set(HeaderName::Via, format!("SIP/2.0/UDP {US};branch=z9hG4bK1.0000000000000000"));
    desk.hear(PHONE, reply(&forged, 200, "evil", ANSWER));
    assert_eq!((desk.sent().len(), desk.events().len()), (0, 0));
    assert_eq!(desk.endpoint.counters().strays, 1);
}

#[test]
fn shutting_down_ends_everything_and_takes_nothing_new() {
    let mut desk = Desk::new();
    let (_, _) = desk.talking();
    let _ = desk.called();
    let invite = dial(&mut desk);
    desk.hear(CARRIER, reply(&invite, 180, "a", ""));
    desk.events();
    desk.command(Command::Shutdown);
    let mut kinds: Vec<_> = desk
        .sent()
        .into_iter()
        .map(|(_, message)| match message {
            Message::Request(request) => request.method.as_str().to_owned(),
            Message::Response(response) => response.status.to_string(),
        })
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["503", "BYE", "CANCEL"]);
    let ends: Vec<_> = desk.events().into_iter().filter_map(end_of).collect();
    assert_eq!(ends.len(), 3);
    assert!(ends.iter().all(|(_, end)| end.by == EndedBy::Shutdown));
    let caller = desk.next_caller();
    assert_eq!(desk.ask(CARRIER, caller.invite()).status, 503);
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
    let caller = CallerId::default();
    let rtp = peer("192.0.2.1:4002");
    let leg = LegId(LEG.0 + 1);
    desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
    assert_eq!(desk.one_end(), (503, EndedBy::Shutdown));
    assert!(!desk.endpoint.is_idle());
    desk.assert_empty_after(64);
    assert!(desk.endpoint.is_idle());
}
