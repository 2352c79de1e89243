//! What a caller hears of a trunk before it answers.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);
const OTHER: LegId = LegId(FIRST_DIALLED_LEG + 1);
const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";

/// A caller over a stream, who is where he says, and the INVITE that was sent to the carrier for him.
fn dialled(extra: &str) -> (Desk, LegId, Caller, Request) {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    desk.hear_tcp(1, CARRIER, caller.invite_with(extra, SDP));
    let invite = dial_for_the_newest(&mut desk, LEG);
    desk.events();
    let leg = LegId(desk.endpoint.last_leg);
    (desk, leg, caller, invite)
}

fn dial_for_the_newest(desk: &mut Desk, leg: LegId) -> Request {
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "7".into() };
    let offer_of = Some(LegId(desk.endpoint.last_leg));
    let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
    desk.sent();
    desk.command(Command::Dial { leg, target, caller, offer_of, rtp });
    desk.one_request()
}

fn early(invite: &Request, tag: &str, extra: &[(HeaderName, &str)], body: &str) -> Bytes {
    reply(invite, 183, tag, extra, body)
}

fn reply(
    invite: &Request,
    status: u16,
    tag: &str,
    extra: &[(HeaderName, &str)],
    body: &str,
) -> Bytes {
    let mut response = invite.response(status, "Words", Some(tag));
    response.headers.push(HeaderName::Contact, format!("<sip:far-{tag}@{CARRIER}>"));
    for (name, value) in extra {
        response.headers.push(name.clone(), (*value).to_owned());
    }
    response.body = body.to_owned().into();
    response.to_bytes()
}

/// What the engine does with the event.
fn progress(desk: &mut Desk, leg: LegId, like: LegId) {
    desk.command(Command::Progress { leg, like, rtp: peer("192.0.2.1:4000") });
}

fn is_heard(events: &[Event], leg: LegId, listener: LegId) -> bool {
    events.contains(&Event::EarlyMedia { leg, listener })
}

#[test]
fn a_caller_who_knows_nothing_of_reliability_hears_the_trunk_before_its_answer() {
    let (mut desk, leg, mut caller, invite) = dialled("");
    desk.command(Command::Ring(leg));
    desk.sent();
    desk.hear(CARRIER, early(&invite, "a", &[], &SDP.replace("8 0 101", "8")));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp, peer("198.51.100.9:7000"));
    assert!(is_heard(&events, LEG, leg));
    progress(&mut desk, leg, LEG);
    let said = desk.one_response();
    assert_eq!((said.status, said.headers.line(&HeaderName::RSeq)), (183, None));
    assert!(String::from_utf8_lossy(&said.body).contains("m=audio 4000 RTP/AVP 8\r\n"));
    caller.to_tag = tag(&said);
    assert_eq!(agreed_in(&desk.events()).len(), 1, "the caller's media are open");
    // It is repeated as it is, so that no phone takes it for ringing of its own.
    desk.pass_s(60);
    assert_eq!(desk.one_response(), said);

    desk.hear(CARRIER, reply(&invite, 200, "a", &[], SDP));
    desk.sent();
    desk.command(Command::Answer { leg, like: Some(LEG), rtp: peer("192.0.2.1:4000") });
    let ok = desk.one_response();
    assert_eq!(ok.status, 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("m=audio 4000 RTP/AVP 8 0 101\r\n"));
    desk.hear_tcp(1, CARRIER, caller.message("ACK", "", "", 1));
    assert_eq!(desk.events().last(), Some(&Event::Answered(leg)));
}

#[test]
fn who_takes_it_reliably_has_its_answer_and_the_200_waits_for_the_prack() {
    let (mut desk, leg, mut caller, invite) = dialled("Supported: 100rel\r\n");
    desk.hear(CARRIER, early(&invite, "a", &[], &SDP.replace("8 0 101", "8")));
    progress(&mut desk, leg, LEG);
    let said = desk.one_response();
    assert!(said.headers.has_token(&HeaderName::Require, "100rel"));
    assert!(said.headers.has_token(&HeaderName::Allow, "UPDATE"));
    let rseq = said.headers.text(&HeaderName::RSeq).unwrap().to_owned();
    caller.to_tag = tag(&said);
    desk.hear(CARRIER, reply(&invite, 200, "a", &[], SDP));
    desk.sent();
    desk.events();
    desk.command(Command::Answer { leg, like: Some(LEG), rtp: peer("192.0.2.1:4000") });
    assert_eq!(desk.responses(), [], "no 2xx overtakes a description");
    let rack = format!("RAck: {rseq} 1 INVITE\r\n");
    desk.hear_tcp(1, CARRIER, caller.next("PRACK", &rack, ""));
    let answers = desk.responses();
    assert_eq!(answers.iter().map(|r| r.status).collect::<Vec<_>>(), [200, 200]);
    assert!(answers[1].body.is_empty(), "it was said");
    desk.hear_tcp(1, CARRIER, caller.message("ACK", "", "", 1));
    assert_eq!(desk.events().last(), Some(&Event::Answered(leg)));
}

#[test]
fn who_has_its_answer_early_may_offer_again_by_prack_and_update() {
    let (mut desk, leg, mut caller, invite) = dialled("Require: 100rel\r\n");
    desk.command(Command::Ring(leg));
    let ringing = desk.one_response();
    desk.hear(CARRIER, early(&invite, "a", &[], SDP));
    progress(&mut desk, leg, LEG);
    desk.command(Command::Ring(leg));
    assert_eq!(desk.responses(), [], "one at a time");
    caller.to_tag = tag(&ringing);
    let rack = |response: &Response| {
        format!("RAck: {} 1 INVITE\r\n", response.headers.text(&HeaderName::RSeq).unwrap())
    };
    desk.hear_tcp(1, CARRIER, caller.next("PRACK", &rack(&ringing), ""));
    let said = desk.responses().remove(1);
    assert_eq!(said.status, 183, "not overtaken by mere ringing");
    let moved = SDP.replace("7000", "7010");
    desk.events();
    let offering = caller.next("PRACK", &format!("{}{SDP_TYPE}", rack(&said)), &moved);
    desk.hear_tcp(1, CARRIER, offering);
    let ok = desk.one_response();
    assert_eq!((ok.status, ok.body.is_empty()), (200, false));
    assert_eq!(agreed_in(&desk.events())[0].rtp, peer("198.51.100.9:7010"));
    let held = format!("{SDP}a=inactive\r\n");
    desk.hear_tcp(1, CARRIER, caller.next("UPDATE", SDP_TYPE, &held));
    let ok = desk.one_response();
    assert!(ok.status == 200 && String::from_utf8_lossy(&ok.body).contains("a=inactive"));
    assert_eq!(agreed_in(&desk.events())[0].direction, crate::offer_answer::Direction::Inactive);
    desk.hear_tcp(1, CARRIER, caller.next("UPDATE", SDP_TYPE, &SDP.replace("8 0 101", "18")));
    assert_eq!(desk.one_response().status, 488, "and the session stays");
}

#[test]
fn sound_goes_to_no_datagram_that_may_be_forged() {
    for (extra, statuses) in [("", vec![]), ("Supported: 100rel\r\n", vec![183])] {
        let mut desk = Desk::new();
        let (leg, mut caller) = {
            let caller = desk.next_caller();
            desk.hear(CARRIER, caller.invite_with(extra, SDP));
            (LegId(desk.endpoint.last_leg), caller)
        };
        let invite = dial_for_the_newest(&mut desk, LEG);
        desk.events();
        desk.hear(CARRIER, early(&invite, "a", &[], SDP));
        assert_eq!(is_heard(&desk.events(), LEG, leg), !statuses.is_empty());
        progress(&mut desk, leg, LEG);
        let said = desk.responses();
        assert_eq!(said.iter().map(|r| r.status).collect::<Vec<_>>(), statuses);
        assert_eq!(agreed_in(&desk.events()).len(), 0);
        for said in said {
            caller.to_tag = tag(&said);
            let rseq = said.headers.text(&HeaderName::RSeq).unwrap();
            desk.hear(CARRIER, caller.next("PRACK", &format!("RAck: {rseq} 1 INVITE\r\n"), ""));
            assert_eq!(agreed_in(&desk.events()).len(), 1, "the PRACK brings back our tag");
        }
    }
}

#[test]
fn nobody_is_heard_beside_others_who_ring_nor_where_the_trunk_is_not_to_be() {
    let (mut desk, leg, _, invite) = dialled("");
    let second = dial_for_the_newest(&mut desk, OTHER);
    desk.hear(CARRIER, early(&invite, "a", &[], SDP));
    desk.hear(CARRIER, early(&second, "b", &[], SDP));
    assert_eq!(agreed_in(&desk.events()).len(), 0);
    desk.hear(CARRIER, reply(&second, 486, "b", &[], ""));
    desk.hear(CARRIER, early(&invite, "a", &[], &SDP.replace("7000", "7004")));
    assert!(is_heard(&desk.events(), LEG, leg), "the other rings no more");

    let (mut desk, _, _, _) = dialled("");
    desk.command(Command::SetTrunks(vec![Trunk {
        early_media: false,
        ..trunk("carrier", CARRIER)
    }]));
    let caller = desk.next_caller();
    desk.hear_tcp(1, CARRIER, caller.invite());
    let invite = dial_for_the_newest(&mut desk, OTHER);
    desk.events();
    desk.hear(CARRIER, early(&invite, "a", &[], SDP));
    assert_eq!(agreed_in(&desk.events()).len(), 0);
}

#[test]
fn the_newest_fork_is_heard_and_the_one_that_answers_at_last() {
    let (mut desk, leg, _, invite) = dialled("");
    let at = |port: &str| SDP.replace("7000", port);
    for (tag, port, is_new) in
        [("a", "7000", true), ("a", "7000", false), ("b", "7002", true), ("a", "7000", true)]
    {
        desk.hear(CARRIER, early(&invite, tag, &[], &at(port)));
        let events = desk.events();
        assert_eq!(is_heard(&events, LEG, leg), is_new);
        let heard = agreed_in(&events).first().map(|agreed| agreed.rtp.port().to_string());
        assert_eq!(heard.as_deref(), is_new.then_some(port));
    }
    desk.hear(CARRIER, reply(&invite, 200, "b", &[], &at("7002")));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp.port(), 7002);
    assert_eq!(events.last(), Some(&Event::Answered(LEG)));
}

#[test]
fn the_next_one_who_is_rung_is_offered_what_the_caller_has_been_promised() {
    for (extra, formats) in [("", "8 0 101"), ("Supported: 100rel\r\n", "8")] {
        let (mut desk, leg, mut caller, invite) = dialled(extra);
        desk.hear(CARRIER, early(&invite, "a", &[], &SDP.replace("8 0 101", "8")));
        progress(&mut desk, leg, LEG);
        let said = desk.one_response();
        caller.to_tag = tag(&said);
        if let Some(rseq) = said.headers.text(&HeaderName::RSeq) {
            let rack = format!("RAck: {rseq} 1 INVITE\r\n");
            desk.hear_tcp(1, CARRIER, caller.next("PRACK", &rack, ""));
        }
        desk.hear(CARRIER, reply(&invite, 486, "a", &[], ""));
        let second = dial_for_the_newest(&mut desk, OTHER);
        let body = String::from_utf8_lossy(&second.body).into_owned();
        assert!(body.contains(&format!("m=audio 4002 RTP/AVP {formats}\r\n")), "{body}");
        desk.events();
        desk.hear(CARRIER, early(&second, "b", &[], &SDP.replace("8 0 101", "8")));
        assert!(is_heard(&desk.events(), OTHER, leg));
        desk.hear(CARRIER, reply(&second, 200, "b", &[], &SDP.replace("8 0 101", "8")));
        desk.sent();
        desk.command(Command::Answer { leg, like: Some(OTHER), rtp: peer("192.0.2.1:4000") });
        assert_eq!(desk.one_response().status, 200);
    }
}
