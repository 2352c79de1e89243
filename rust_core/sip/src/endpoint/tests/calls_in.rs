//! Calls that come in.

use super::*;

#[test]
fn a_call_is_announced_rung_answered_and_ended_by_the_caller() {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    desk.hear(CARRIER, caller.invite());
    let events = desk.events();
    let [Event::Incoming(incoming)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(incoming.trunk.as_deref(), Some("carrier"));
    assert_eq!((incoming.caller.number.as_str(), incoming.caller.name.as_str()), ("+7916", "Ann"));
    assert_eq!(incoming.called, "+74951234501");
    assert_eq!(incoming.codecs, ["PCMA", "PCMU", "telephone-event"]);
    let leg = incoming.leg;
    desk.command(Command::Ring(leg));
    assert_eq!(desk.statuses(), [100, 180]);
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    let ok = desk.one_response();
    assert_eq!(ok.headers.text(&HeaderName::Contact), Some("<sip:+74951234501@192.0.2.1:5060>"));
    let mut caller = Caller { to_tag: tag(&ok), ..caller };
    desk.hear(CARRIER, caller.request("ACK", ""));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp, peer("198.51.100.9:7000"));
    assert_eq!(events.last(), Some(&Event::Answered(leg)));
    let bye = caller.next("BYE", "Reason: Q.850;cause=16;text=\"bye now\"\r\n", "");
    assert_eq!(desk.ask(CARRIER, bye.clone()).status, 200);
    let ends: Vec<_> = desk.events().into_iter().filter_map(end_of).collect();
    assert_eq!(
        ends[0].1,
        LegEnd {
            status: 200,
            by: EndedBy::Peer,
            reason: "bye now".into(),
            moved_to: String::new()
        }
    );
    assert_eq!(desk.ask(CARRIER, bye).status, 200, "repeated");
    assert_eq!(desk.events(), []);
    desk.assert_empty_after(60);
}

#[test]
fn a_repeated_invite_gets_the_newest_response_again() {
    let mut desk = Desk::new();
    let (leg, caller) = desk.called();
    desk.hear(CARRIER, caller.invite());
    assert_eq!(desk.statuses(), [100]);
    desk.command(Command::Ring(leg));
    let first = desk.one_response();
    let again = desk.ask(CARRIER, caller.invite());
    assert_eq!((again.status, tag(&again)), (180, tag(&first)));
    assert_eq!(desk.events(), []);
}

#[test]
fn a_2xx_without_ack_is_repeated_for_32_seconds_and_ends_in_bye() {
    let mut desk = Desk::new();
    let (leg, _) = desk.called();
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    desk.events();
    desk.pass(Duration::from_millis(31_999));
    let statuses = desk.statuses();
    // RFC 3261 §13.3.1.4: at 0, 0.5, 1.5, 3.5, then every 4 s.
    assert_eq!(statuses.len(), 11, "{statuses:?}");
    assert_eq!(desk.events(), []);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.methods(), ["BYE"]);
    assert_eq!(desk.one_end(), (408, EndedBy::Timeout));
    desk.assert_empty_after(64);
}

#[test]
fn an_ack_stops_the_repetition_and_a_second_ack_says_nothing_new() {
    let mut desk = Desk::new();
    let (_, caller) = desk.talking();
    desk.hear(CARRIER, caller.request("ACK", ""));
    desk.pass_s(40);
    assert_eq!((desk.sent().len(), desk.events().len()), (0, 0));
}

#[test]
fn cancel_is_answered_and_the_invite_refused_until_its_ack() {
    let mut desk = Desk::new();
    let (_, caller) = desk.called();
    desk.hear(CARRIER, caller.request("CANCEL", ""));
    let responses = desk.responses();
    assert_eq!([responses[0].status, responses[1].status], [200, 487]);
    assert_eq!(tag(&responses[0]), tag(&responses[1]));
    assert_eq!(desk.one_end(), (487, EndedBy::Peer));
    desk.pass(Duration::from_millis(500));
    assert_eq!(desk.statuses(), [487], "repeated without ACK");
    desk.hear(CARRIER, caller.request("ACK", ""));
    desk.pass_s(20);
    assert_eq!(desk.sent(), []);
    desk.assert_empty_after(60);
}

#[test]
fn a_cancel_that_crosses_our_200_changes_nothing() {
    let mut desk = Desk::new();
    let (_, caller) = desk.talking();
    let cancel = Caller { to_tag: String::new(), ..caller }.request("CANCEL", "");
    assert_eq!(desk.ask(CARRIER, cancel).status, 200);
    assert_eq!(desk.events(), []);
    assert_eq!(desk.endpoint.counters().legs, 1);
}

#[test]
fn a_cancel_of_nothing_is_refused() {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    assert_eq!(desk.ask(CARRIER, caller.request("CANCEL", "")).status, 481);
}

#[test]
fn a_cancel_from_elsewhere_ends_nothing_over_datagrams_or_streams() {
    let mut desk = Desk::new();
    let (_, caller) = desk.called();
    let cancel = caller.request("CANCEL", "");
    assert_eq!(desk.ask("203.0.113.66:5060", cancel.clone()).status, 481);
    desk.hear_tcp(7, "203.0.113.66:40000", cancel.clone());
    assert_eq!((desk.statuses(), desk.events()), (vec![481], vec![]));
    desk.hear(CARRIER, cancel);
    assert_eq!(desk.one_end(), (487, EndedBy::Peer));
}

#[test]
fn a_bye_before_the_ack_ends_the_call_and_the_repetition() {
    let mut desk = Desk::new();
    let (leg, mut caller) = desk.called();
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    caller.to_tag = tag(&desk.one_response());
    desk.events();
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    assert_eq!(desk.one_end(), (200, EndedBy::Peer));
    desk.hear(CARRIER, caller.message("ACK", "", "", 1));
    desk.pass_s(40);
    assert_eq!((desk.sent().len(), desk.events().len()), (0, 0));
    desk.assert_empty_after(64);
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut desk = Desk::new();
    let (leg, mut caller) = desk.called();
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    caller.to_tag = tag(&desk.one_response());
    desk.command(Command::HangUp { leg, status: 200, reason: "enough".into(), by: EndedBy::Us });
    assert_eq!(desk.one_end(), (200, EndedBy::Us));
    assert_eq!(desk.sent(), []);
    desk.hear(CARRIER, caller.request("ACK", ""));
    let bye = desk.one_request();
    assert_eq!(bye.method, Method::Bye);
    assert_eq!(bye.headers.text(&HeaderName::Reason), Some("SIP;cause=200;text=\"enough\""));
    assert_eq!(desk.events(), []);
}

#[test]
fn without_a_decision_the_default_is_given() {
    let mut desk = Desk::new();
    let _ = desk.called();
    desk.pass(Duration::from_millis(2_999));
    assert_eq!(desk.sent(), []);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.statuses(), [480]);
    assert_eq!(desk.one_end(), (480, EndedBy::Deadline));
    let (leg, _) = desk.called();
    desk.command(Command::Ring(leg));
    desk.pass_s(10);
    assert_eq!(desk.events(), [], "ringing is a decision");
}

#[test]
fn ringing_ends_when_nobody_is_rung_for_the_caller_any_more() {
    let mut desk = Desk::new();
    let (leg, _) = desk.called();
    desk.command(Command::Ring(leg));
    desk.pass_s(300);
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
    let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
    let other = LegId(FIRST_DIALLED_LEG);
    desk.command(Command::Dial { leg: other, target, caller, offer_of: Some(leg), rtp });
    desk.pass_s(300);
    assert!(desk.endpoint.legs.contains_key(&leg), "somebody was rung meanwhile");
    desk.sent();
    desk.events();
    desk.pass_s(40);
    assert_eq!(desk.statuses().pop(), Some(480));
    assert_eq!(desk.one_end(), (480, EndedBy::Deadline));
    desk.assert_empty_after(64);
}

#[test]
fn a_rejection_carries_status_reason_and_retry_after() {
    let mut desk = Desk::new();
    let (leg, _) = desk.called();
    let reason = "Gone\r\nX-Evil: 1".to_owned();
    desk.command(Command::Reject { leg, status: 503, reason, retry_after_s: Some(7) });
    let response = desk.one_response();
    assert_eq!((response.status, response.reason.as_str()), (503, "GoneX-Evil: 1"));
    assert_eq!(response.headers.text(&HeaderName::RetryAfter), Some("7"));
    assert_eq!(desk.one_end(), (503, EndedBy::Us));
    desk.command(Command::Ring(leg));
    assert_eq!(desk.sent(), [], "a leg that is gone is ignored");
}

#[test]
fn no_codec_in_common_is_488() {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    let sdp = SDP.replace("8 0 101", "18");
    desk.hear(CARRIER, caller.invite_with("", &sdp));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    desk.sent();
    let rtp = peer("192.0.2.1:4000");
    desk.command(Command::Answer { leg: incoming.leg, like: None, rtp });
    let refusal = desk.one_response();
    assert_eq!((refusal.status, refusal.reason.as_str()), (488, "No Codec in Common"));
    let warning = refusal.headers.text(&HeaderName::Warning);
    assert_eq!(warning, Some("305 tandem \"No Codec in Common\""));
    assert_eq!(desk.one_end(), (488, EndedBy::Us));
}

#[test]
fn what_cannot_be_served_is_refused_as_the_rfc_says() {
    let invite = |extra: &str, sdp: &str| Desk::new().next_caller().invite_with(extra, sdp);
    let plain = invite("", SDP);
    let table = [
        (415, plain.replace("application/sdp", "text/plain"), "Accept"),
        (488, plain.replace("RTP/AVP", "RTP/SAV"), "Warning"),
        (420, invite("Require: 100rel, precondition\r\n", SDP), "Unsupported"),
        (420, invite("Require: path\r\n", SDP), "Unsupported"),
        (416, plain.replace("INVITE sip:", "INVITE http:"), "To"),
        (400, plain.replace("Contact: ", "X-Contact: "), "Warning"),
        (400, plain.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), "Warning"),
        (505, plain.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"), "Warning"),
    ];
    for (status, message, header) in table {
        let mut desk = Desk::new();
        let response = desk.ask(CARRIER, message.clone());
        assert_eq!(response.status, status, "{message}");
        assert!(response.headers.line(&HeaderName::parse(header.as_bytes())).is_some(), "{status}");
        assert!(!tag(&response).is_empty());
        assert_eq!(desk.events(), []);
    }
}

#[test]
fn what_only_proxies_care_about_is_served() {
    for (old, new) in [
        ("Max-Forwards: 70", "Max-Forwards: 0"),
        ("Max-Forwards", "Proxy-Require: x\r\nMax-Forwards"),
        ("Max-Forwards", "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards"),
    ] {
        let mut desk = Desk::new();
        let invite = desk.next_caller().invite().replacen(old, new, 1);
        assert_eq!(desk.ask(CARRIER, invite).status, 100);
    }
}

#[test]
fn a_request_that_arrives_by_two_ways_is_merged() {
    let mut desk = Desk::new();
    let (_, caller) = desk.called();
    let other_way = caller.invite().replace("z9hG4bKc", "z9hG4bKd");
    assert_eq!(desk.ask(CARRIER, other_way).status, 482);
    assert_eq!(desk.events(), []);
}

#[test]
fn methods_that_we_lack_are_named_and_options_tells_what_we_have() {
    let mut desk = Desk::new();
    for method in ["SUBSCRIBE", "FOO"] {
        let response = desk.ask(CARRIER, desk_request(method));
        assert_eq!(response.status, 501, "{method}");
        assert!(response.headers.has_token(&HeaderName::Allow, "INVITE"));
    }
    for method in ["BYE", "UPDATE", "INFO", "PRACK"] {
        assert_eq!(desk.ask(CARRIER, desk_request(method)).status, 481);
    }
    let options = desk.ask(PHONE, desk_request("OPTIONS"));
    assert_eq!(options.status, 200);
    assert!(options.headers.line(&HeaderName::Accept).is_some());
    assert!(options.headers.line(&HeaderName::Supported).is_some());
    let again = desk.ask(PHONE, desk_request("OPTIONS"));
    assert_eq!(tag(&options), tag(&again), "the same request, the same tag");
}

fn desk_request(method: &str) -> String {
    Desk::new().next_caller().request(method, "")
}

#[test]
fn responses_find_their_way_through_nat() {
    let mut desk = Desk::new();
    let private = desk_request("OPTIONS").replace(CARRIER, "10.0.0.7:5099").replace(";rport", "");
    desk.hear("203.0.113.77:40001", private.clone());
    let (to, message) = desk.sent().remove(0);
    assert_eq!(to, peer("203.0.113.77:40001"));
    let via = message.headers().text(&HeaderName::Via).unwrap().to_owned();
    assert!(via.contains("received=203.0.113.77"), "{via}");
    // Who says truly where it is gets its answer there.
    let public = private.replace("10.0.0.7:5099", "203.0.113.77:5099");
    desk.hear("203.0.113.77:40001", public);
    assert_eq!(desk.sent().remove(0).0, peer("203.0.113.77:5099"));
}

#[test]
fn nothing_is_said_to_garbage_but_it_is_counted() {
    let mut desk = Desk::new();
    for garbage in ["", "\r\n\r\n", "hello", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\0"] {
        desk.hear("203.0.113.66:1", garbage.to_owned());
    }
    assert_eq!(desk.sent(), []);
    assert_eq!(desk.endpoint.counters().malformed, 2);
}

#[test]
fn a_device_that_calls_must_prove_itself_and_is_who_it_proved_to_be() {
    let mut desk = Desk::new();
    let invite = desk.next_caller().invite();
    let mine = invite.replace("sip:+7916@carrier.example", "sip:anna@demo.example");
    let challenge = desk.ask(PHONE, mine.clone());
    assert_eq!(challenge.status, 407);
    let to = format!("To: <sip:+74951234501@192.0.2.1>;tag={}", tag(&challenge));
    let ack = mine.replace("INVITE", "ACK").replace("To: <sip:+74951234501@192.0.2.1>", &to);
    desk.hear(PHONE, ack.clone());
    assert_eq!(desk.endpoint.counters().strays, 0);
    desk.hear(PHONE, ack.replace(";tag=", ";tag=x"));
    assert_eq!(desk.endpoint.counters().strays, 1);
    let wrong = authorized(&mine, &challenge, &credentials("anna", REALM, "no"), 2);
    assert_eq!(desk.ask(PHONE, wrong).status, 407);
    assert_eq!(desk.events(), []);
    // Her password, but another's name in From.
    let spoofed = invite.replace("sip:+7916@carrier.example", "sip:boss@demo.example");
    let right = authorized(&spoofed, &challenge, &credentials("anna", REALM, "pw"), 2);
    desk.hear(PHONE, right.clone());
    let events = desk.events();
    let [Event::Incoming(incoming)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(incoming.device.as_deref(), Some("anna-desk"));
    assert_eq!(incoming.caller.number, "anna");
    assert_eq!(desk.statuses(), [100]);
    desk.hear(PHONE, right);
    assert_eq!(desk.statuses(), [100], "a repetition is not a replay");
    // Beside a trunk, who claims to be a device must prove it too.
    assert_eq!(desk.ask(CARRIER, mine.replace("z9hG4bK", "z9hG4bKq")).status, 407);
}

#[test]
fn a_call_that_somebody_is_sought_for_is_decided_though_nothing_rings_yet() {
    let mut desk = Desk::new();
    let (leg, _) = desk.called();
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
    let (dialled, caller) = (LegId(FIRST_DIALLED_LEG), CallerId::default());
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: dialled, target, caller, offer_of: Some(leg), rtp });
    desk.pass_s(20);
    assert_eq!((desk.statuses(), desk.events()), (vec![], vec![]), "no 180, and no 480");
    desk.command(Command::Ring(leg));
    assert_eq!(desk.one_response().status, 180);
}
