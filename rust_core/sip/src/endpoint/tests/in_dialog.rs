//! Requests inside a dialog.

use super::*;
use crate::offer_answer::Direction;

const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";

#[test]
fn a_2xx_is_repeated_to_where_it_went_first() {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    let reinvite = caller.next("INVITE", "Content-Type: application/sdp\r\n", SDP);
    let elsewhere = "198.51.100.9:5099";
    desk.hear(elsewhere, reinvite.replace(&format!("UDP {CARRIER}"), &format!("UDP {elsewhere}")));
    desk.pass(Duration::from_millis(500));
    let went: Vec<_> = desk.sent().into_iter().map(|(peer, _)| peer).collect();
    assert_eq!(went, [peer(elsewhere), peer(elsewhere)]);
}

#[test]
fn hold_in_all_its_forms_is_mirrored_and_told() {
    let mut desk = Desk::new();
    let (leg, mut caller) = desk.talking();
    let table = [
        (format!("{SDP}a=sendonly\r\n"), "a=recvonly", Direction::RecvOnly),
        (format!("{SDP}a=inactive\r\n"), "a=inactive", Direction::Inactive),
        (
            SDP.replace("c=IN IP4 198.51.100.9", "c=IN IP4 0.0.0.0"),
            "a=recvonly",
            Direction::RecvOnly,
        ),
        (SDP.replace("7000", "7002"), "a=sendrecv", Direction::SendRecv),
    ];
    for (sdp, line, direction) in table {
        for method in ["INVITE", "UPDATE"] {
            let ok = desk.ask(CARRIER, caller.next(method, SDP_TYPE, &sdp));
            assert_eq!(ok.status, 200);
            assert!(String::from_utf8_lossy(&ok.body).contains(line), "{line}");
            let events = desk.events();
            assert_eq!(agreed_in(&events)[0].direction, direction);
            if method == "INVITE" {
                desk.hear(CARRIER, caller.request("ACK", ""));
            }
        }
    }
    assert_eq!(desk.events(), []);
    assert!(desk.endpoint.legs[&leg].unacknowledged.is_none());
}

#[test]
fn a_reoffer_that_fails_keeps_the_session() {
    let mut desk = Desk::new();
    let (leg, mut caller) = desk.talking();
    let before = desk.endpoint.legs[&leg].agreed.clone();
    let table = [SDP.replace("8 0 101", "18"), "nonsense".to_owned()];
    for sdp in table {
        assert_eq!(desk.ask(CARRIER, caller.next("INVITE", SDP_TYPE, &sdp)).status, 488);
        desk.hear(CARRIER, caller.request("ACK", "").replace("ack;rport", ";rport"));
    }
    assert_eq!(desk.events(), []);
    assert_eq!(desk.endpoint.legs[&leg].agreed, before);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
}

#[test]
fn a_reinvite_without_offer_gets_ours_and_its_ack_the_answer() {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    let ok = desk.ask(CARRIER, caller.next("INVITE", "", ""));
    assert_eq!(ok.status, 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("m=audio 4000 RTP/AVP 8 0 101"));
    let sdp = SDP.replace("7000", "7004");
    desk.hear(CARRIER, caller.message("ACK", SDP_TYPE, &sdp, caller.cseq));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp, peer("198.51.100.9:7004"));
}

#[test]
fn an_unacknowledged_2xx_of_a_reinvite_is_repeated_and_blocks_the_next() {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    assert_eq!(desk.ask(CARRIER, caller.next("INVITE", SDP_TYPE, SDP)).status, 200);
    desk.pass(Duration::from_millis(500));
    assert_eq!(desk.statuses(), [200]);
    assert_eq!(desk.ask(CARRIER, caller.next("INVITE", SDP_TYPE, SDP)).status, 491);
    desk.events();
    desk.pass_s(32);
    assert_eq!(desk.one_end(), (408, EndedBy::Timeout));
}

#[test]
fn only_the_one_we_talk_to_is_heard_and_only_in_order() {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    let old = caller.request("INFO", "");
    let other_fork = caller.next("BYE", "", "").replace("tag=f1", "tag=other");
    assert_eq!(desk.ask(CARRIER, other_fork).status, 481);
    let wrong_tag = caller.next("BYE", "", "").replace(&caller.to_tag, "1.0000000000000000");
    assert_eq!(desk.ask(CARRIER, wrong_tag).status, 481);
    assert_eq!(desk.ask(CARRIER, caller.next("OPTIONS", "", "")).status, 200);
    assert_eq!(desk.ask(CARRIER, old).status, 500);
    assert_eq!(desk.ask(CARRIER, caller.next("REGISTER", "", "")).status, 405);
    assert_eq!(desk.ask(CARRIER, caller.next("FOO", "", "")).status, 501);
    let text = caller.next("MESSAGE", "Content-Type: text/plain\r\n", "hello");
    let refused = desk.ask(CARRIER, text);
    assert_eq!(
        (refused.status, refused.headers.has_token(&HeaderName::Allow, "MESSAGE")),
        (405, false)
    );
    let demanding = caller.next("UPDATE", "Require: precondition\r\n", "");
    assert_eq!(desk.ask(CARRIER, demanding).status, 420);
    assert_eq!(desk.events(), []);
}

#[test]
fn keys_come_as_info_in_both_forms() {
    let mut desk = Desk::new();
    let (leg, mut caller) = desk.talking();
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let plain = "Content-Type: application/dtmf\r\n";
    let table = [
        (relay, "Signal=5\r\nDuration=160\r\n", '5'),
        (relay, "Signal= #\r\n", '#'),
        (relay, "Signal=11\r\n", '#'),
        (plain, "*", '*'),
        (plain, "d", 'D'),
        ("Content-Type: Application/DTMF ; x=y\r\n", "5", '5'),
    ];
    for (kind, body, key) in table {
        assert_eq!(desk.ask(CARRIER, caller.next("INFO", kind, body)).status, 200, "{body}");
        assert_eq!(desk.events(), [Event::KeyPressed(leg, key)]);
    }
    for (kind, body) in [(relay, "Signal=X\r\n"), (relay, "Duration=160\r\n"), (plain, "55")] {
        assert_eq!(desk.ask(CARRIER, caller.next("INFO", kind, body)).status, 400, "{body}");
    }
    assert_eq!(desk.events(), []);
    let other = caller.next("INFO", "Content-Type: text/plain\r\n", "5");
    let refused = desk.ask(CARRIER, other);
    let taken = Some("application/dtmf-relay, application/dtmf");
    assert_eq!((refused.status, refused.headers.text(&HeaderName::Accept)), (415, taken));
}

#[test]
fn a_sign_of_life_and_a_flash_of_the_hook_are_taken() {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    let relay = "Content-Type: application/dtmf-relay\r\n";
    let flash = "Content-Type: application/hook-flash\r\n";
    for (kind, body) in
        [("", ""), (relay, ""), (relay, "Signal=Flash\r\n"), (relay, "Signal=16\r\n"), (flash, "x")]
    {
        assert_eq!(desk.ask(CARRIER, caller.next("INFO", kind, body)).status, 200, "{kind}{body}");
    }
    assert_eq!(desk.events(), []);
}

#[test]
fn a_far_end_that_answers_no_key_is_sent_few() {
    let mut desk = Desk::new();
    let (leg, _) = desk.talking();
    let press = |desk: &mut Desk| {
        for _ in 0..1_000 {
            desk.command(Command::PressKey { leg, key: '5' });
        }
        desk.requests()
    };
    let sent = press(&mut desk);
    assert_eq!((sent.len(), desk.endpoint.counters().keys_unsent), (16, 984));
    desk.hear(CARRIER, sent[0].response(200, "OK", None).to_bytes());
    desk.hear(CARRIER, sent[1].response(415, "No", None).to_bytes());
    assert_eq!(press(&mut desk).len(), 2);
    desk.pass_s(40);
    desk.sent();
    assert_eq!(press(&mut desk).len(), 16, "what got no answer is forgotten");
}

#[test]
fn a_key_of_ours_goes_as_info_while_the_call_lasts() {
    let mut desk = Desk::new();
    let (leg, _) = desk.called();
    desk.command(Command::PressKey { leg, key: '5' });
    assert_eq!(desk.sent(), [], "nobody talks yet");
    let (leg, caller) = desk.talking();
    desk.command(Command::PressKey { leg, key: '#' });
    let info = desk.one_request();
    assert_eq!(info.method, Method::Info);
    assert_eq!(info.headers.text(&HeaderName::ContentType), Some("application/dtmf-relay"));
    assert_eq!(&info.body[..], b"Signal=#\r\nDuration=160\r\n");
    desk.hear(CARRIER, info.response(415, "No", None).to_bytes());
    assert_eq!(desk.events(), [], "the call goes on");
    drop(caller);
}

#[test]
fn our_bye_follows_the_route_of_the_call() {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    let routes = "Record-Route: <sip:198.51.100.10;lr>, <sip:198.51.100.11;lr>\r\n";
    desk.hear(CARRIER, caller.invite_with(routes, SDP));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    desk.sent();
    let leg = incoming.leg;
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    let ok = desk.one_response();
    assert!(ok.headers.line(&HeaderName::RecordRoute).is_some());
    desk.hear(CARRIER, Caller { to_tag: tag(&ok), ..caller }.request("ACK", ""));
    desk.command(Command::HangUp { leg, status: 200, reason: String::new(), by: EndedBy::Us });
    let (to, message) = desk.sent().remove(0);
    assert_eq!(to, peer("198.51.100.10:5060"));
    let Message::Request(bye) = message else { panic!("a response") };
    assert_eq!(bye.uri, "sip:gw@198.51.100.9:5060");
    let routes: Vec<_> = bye.headers.values(&HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:198.51.100.10;lr>", "<sip:198.51.100.11;lr>"]);
}

#[test]
fn who_has_named_less_for_a_while_may_name_all_again() {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    let keys = "a=rtpmap:101 telephone-event/8000\r\n";
    for (formats, extra) in [("8", "a=sendonly\r\n"), ("8 0 101", keys), ("0", ""), ("8 101", keys)]
    {
        let line = format!("m=audio 7000 RTP/AVP {formats}\r\n");
        let sdp = format!("v=0\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n{line}{extra}");
        let reinvite = caller.next("INVITE", "Content-Type: application/sdp\r\n", &sdp);
        let ok = desk.ask(CARRIER, reinvite);
        let body = String::from_utf8_lossy(&ok.body).into_owned();
        assert!(body.contains(&format!("m=audio 4000 RTP/AVP {formats}\r\n")), "{formats}: {body}");
        desk.hear(CARRIER, caller.request("ACK", ""));
    }
}
