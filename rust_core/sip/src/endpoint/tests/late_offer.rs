//! Calls that offer nothing: our 200 offers, its ACK answers.

use super::*;

const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";

fn called(desk: &mut Desk) -> (LegId, Caller) {
    let caller = desk.next_caller();
    desk.hear(CARRIER, caller.message("INVITE", "", "", 1));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    assert_eq!(desk.statuses(), [100]);
    assert!(incoming.codecs.contains(&"PCMA".to_owned()), "it can be offered announcements");
    (incoming.leg, caller)
}

fn answered(desk: &mut Desk, leg: LegId, like: Option<LegId>, caller: &mut Caller) -> String {
    desk.command(Command::Answer { leg, like, rtp: peer("192.0.2.1:4000") });
    let ok = desk.one_response();
    assert_eq!(ok.status, 200);
    caller.to_tag = tag(&ok);
    assert_eq!(agreed_in(&desk.events()).len(), 0, "nothing is agreed yet");
    let body = String::from_utf8_lossy(&ok.body).into_owned();
    body.lines().find(|line| line.starts_with("m=")).unwrap().to_owned()
}

#[test]
fn the_200_offers_what_we_can_play_and_the_ack_answers() {
    let mut desk = Desk::new();
    let (leg, mut caller) = called(&mut desk);
    let line = answered(&mut desk, leg, None, &mut caller);
    assert_eq!(line, "m=audio 4000 RTP/AVP 8 0 101");
    desk.hear(CARRIER, caller.message("ACK", SDP_TYPE, SDP, 1));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp, peer("198.51.100.9:7000"));
    assert_eq!(events.last(), Some(&Event::Answered(leg)));
    let held = format!("{SDP}a=sendonly\r\n");
    assert_eq!(desk.ask(CARRIER, caller.next("UPDATE", SDP_TYPE, &held)).status, 200);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    desk.assert_empty_after(64);
}

#[test]
fn it_offers_what_the_one_speaks_who_was_rung_for_it() {
    let mut desk = Desk::new();
    let (leg, mut caller) = called(&mut desk);
    let dialled = LegId(FIRST_DIALLED_LEG);
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "7".into() };
    let (who, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
    desk.command(Command::Dial { leg: dialled, target, caller: who, offer_of: Some(leg), rtp });
    let invite = desk.one_request();
    assert!(String::from_utf8_lossy(&invite.body).contains("opus"), "whatever we can relay");
    let mut ok = invite.response(200, "OK", Some("far"));
    ok.headers.push(HeaderName::Contact, format!("<sip:far@{CARRIER}>"));
    ok.body = SDP.replace("8 0 101", "0").into();
    desk.hear(CARRIER, ok.to_bytes());
    desk.sent();
    desk.events();
    let line = answered(&mut desk, leg, Some(dialled), &mut caller);
    assert_eq!(line, "m=audio 4000 RTP/AVP 0");
}

#[test]
fn an_ack_without_an_answer_to_our_offer_ends_the_call() {
    for body in ["", "v=0\r\n", &SDP.replace("8 0 101", "18")] {
        let mut desk = Desk::new();
        let (leg, mut caller) = called(&mut desk);
        answered(&mut desk, leg, None, &mut caller);
        desk.hear(CARRIER, caller.message("ACK", SDP_TYPE, body, 1));
        let bye = desk.one_request();
        assert_eq!(bye.method, Method::Bye);
        assert!(bye.headers.text(&HeaderName::Reason).unwrap().contains("cause=488"));
        assert_eq!(desk.one_end(), (488, EndedBy::Us));
        desk.hear(CARRIER, bye.response(200, "OK", None).to_bytes());
        desk.assert_empty_after(64);
    }
}

#[test]
fn an_ack_that_is_lost_is_waited_for_and_one_who_hangs_up_before_it_too() {
    let mut desk = Desk::new();
    let (leg, mut caller) = called(&mut desk);
    answered(&mut desk, leg, None, &mut caller);
    desk.pass(Duration::from_millis(500));
    assert_eq!(desk.statuses(), [200]);
    let status = 480;
    desk.command(Command::HangUp { leg, status, reason: String::new(), by: EndedBy::Us });
    assert_eq!(desk.methods(), [""; 0]);
    assert_eq!(desk.one_end(), (200, EndedBy::Us));
    desk.hear(CARRIER, caller.message("ACK", SDP_TYPE, SDP, 1));
    assert_eq!(desk.methods(), ["BYE"]);
    assert_eq!(desk.events(), [], "nothing is agreed after the end");
}

#[test]
fn who_offers_nothing_but_demands_reliable_ringing_is_answered_only() {
    let mut desk = Desk::new();
    let mut caller = desk.next_caller();
    desk.hear(CARRIER, caller.message("INVITE", "Require: 100rel\r\n", "", 1));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    let leg = incoming.leg;
    desk.sent();
    desk.command(Command::Ring(leg));
    assert_eq!(desk.statuses(), [0; 0]);
    answered(&mut desk, leg, None, &mut caller);
}
