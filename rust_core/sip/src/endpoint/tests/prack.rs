//! Reliable provisional responses (RFC 3262), by us and by those whom we call.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);
const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";

/// The carrier calls so, and hears that somebody is rung.
fn rung(extra: &str) -> (Desk, LegId, Caller, Response) {
    let mut desk = Desk::new();
    let mut caller = desk.next_caller();
    desk.hear(CARRIER, caller.invite_with(extra, SDP));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    assert_eq!(desk.statuses(), [100]);
    desk.command(Command::Ring(incoming.leg));
    let ringing = desk.one_response();
    caller.to_tag = tag(&ringing);
    (desk, incoming.leg, caller, ringing)
}

fn rseq(response: &Response) -> Option<u32> {
    response.headers.text(&HeaderName::RSeq).map(|rseq| rseq.parse().unwrap())
}

fn prack(caller: &mut Caller, rseq: u32) -> String {
    caller.next("PRACK", &format!("RAck: {rseq} 1 INVITE\r\n"), "")
}

#[test]
fn who_demands_reliable_ringing_gets_it_until_it_says_that_it_came() {
    let (mut desk, leg, mut caller, ringing) = rung("Require: 100rel\r\n");
    assert!(ringing.headers.has_token(&HeaderName::Require, "100rel"));
    let number = rseq(&ringing).unwrap();
    assert!((1..1 << 31).contains(&number));
    for pause_ms in [500, 1000, 2000, 4000] {
        desk.pass(Duration::from_millis(pause_ms));
        assert_eq!(desk.one_response(), ringing, "after {pause_ms} ms");
    }
    assert_eq!(desk.ask(CARRIER, prack(&mut caller, number + 1)).status, 481);
    let acknowledged = prack(&mut caller, number);
    assert_eq!(desk.ask(CARRIER, acknowledged.clone()).status, 200);
    assert_eq!(desk.ask(CARRIER, acknowledged).status, 200, "its repetition");
    assert_eq!(desk.ask(CARRIER, prack(&mut caller, number)).status, 481, "it is over");
    desk.pass_s(30);
    assert_eq!(desk.responses(), []);
    // Ringing is told again each minute, as something new.
    desk.pass_s(30);
    assert_eq!(rseq(&desk.responses()[0]), Some(number + 1));
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    assert_eq!(desk.one_response().status, 200);
    desk.hear(CARRIER, caller.message("ACK", "", "", 1));
    assert_eq!(desk.events().last(), Some(&Event::Answered(leg)), "its number is the INVITE's");
    assert_eq!(desk.ask(CARRIER, prack(&mut caller, number + 1)).status, 200, "it crossed");
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    desk.assert_empty_after(64);
}

#[test]
fn without_a_prack_the_call_ends_after_64_t1() {
    let (mut desk, _, _, _) = rung("Require: 100rel\r\n");
    desk.pass(Duration::from_millis(31_999));
    assert_eq!(desk.events(), []);
    desk.pass(Duration::from_millis(1));
    assert_eq!(desk.one_end(), (504, EndedBy::Timeout));
    assert_eq!(desk.statuses().last(), Some(&504));
    desk.assert_empty_after(64);
}

#[test]
fn who_knows_it_or_not_hears_plain_ringing_once() {
    for extra in ["", "Supported: timer, 100rel\r\n"] {
        let (mut desk, _, _, ringing) = rung(extra);
        assert_eq!((rseq(&ringing), ringing.headers.line(&HeaderName::Require)), (None, None));
        desk.pass_s(30);
        assert_eq!(desk.responses(), []);
    }
}

#[test]
fn a_caller_who_leaves_before_its_prack_leaves_nothing() {
    let (mut desk, _, caller, _) = rung("Require: 100rel\r\n");
    desk.hear(
        CARRIER,
        caller.request("CANCEL", "").replace(&caller.to_tag, "").replace(";tag=\r", "\r"),
    );
    assert_eq!(desk.statuses(), [200, 487]);
    assert_eq!(desk.one_end(), (487, EndedBy::Peer));
    desk.assert_empty_after(64);
}

fn dial(desk: &mut Desk) -> Request {
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
    let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    desk.one_request()
}

/// A provisional response of the fork `tag`; `rseq` makes it a reliable one.
fn early(invite: &Request, status: u16, tag: &str, rseq: Option<u32>, body: &str) -> Bytes {
    let mut response = invite.response(status, "Words", Some(tag));
    response.headers.push(HeaderName::Contact, format!("<sip:far-{tag}@{CARRIER}>"));
    response.headers.push(HeaderName::RecordRoute, "<sip:198.51.100.9:5070;lr>");
    if let Some(rseq) = rseq {
        response.headers.push(HeaderName::Require, "100rel");
        response.headers.push(HeaderName::RSeq, rseq.to_string());
    }
    response.body = body.to_owned().into();
    response.to_bytes()
}

#[test]
fn a_reliable_response_is_acknowledged_once_each_and_in_order() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    assert!(invite.headers.has_token(&HeaderName::Supported, "100rel"));
    desk.hear(CARRIER, early(&invite, 180, "a", Some(7), ""));
    let (to, prack) = desk.sent().remove(0);
    let Message::Request(prack) = prack else { panic!("{prack:?}") };
    assert_eq!(to, peer("198.51.100.9:5070"), "by its route");
    assert_eq!(
        (prack.method.as_str(), prack.uri.as_str()),
        ("PRACK", "sip:far-a@198.51.100.9:5060")
    );
    assert_eq!(prack.headers.text(&HeaderName::RAck), Some("7 1 INVITE"));
    assert_eq!(prack.headers.text(&HeaderName::CSeq), Some("2 PRACK"));
    assert!(prack.headers.text(&HeaderName::To).unwrap().ends_with(";tag=a"));
    desk.hear(CARRIER, prack.response(200, "OK", None).to_bytes());
    for (rseq, is_taken) in [(7, false), (9, false), (8, true), (8, false), (7, false)] {
        desk.hear(CARRIER, early(&invite, 183, "a", Some(rseq), ""));
        assert_eq!(desk.requests().len(), usize::from(is_taken), "{rseq}");
    }
    desk.hear(CARRIER, early(&invite, 180, "b", Some(1), ""));
    assert_eq!(desk.one_request().headers.text(&HeaderName::CSeq), Some("4 PRACK"));
    desk.hear(CARRIER, early(&invite, 180, "a", None, ""));
    assert_eq!(desk.requests(), []);
    assert_eq!(desk.events(), [Event::Ringing(LEG)]);
    desk.hear(CARRIER, early(&invite, 200, "a", None, SDP));
    let ack = desk.one_request();
    assert_eq!(ack.headers.text(&HeaderName::CSeq), Some("1 ACK"), "of its INVITE");
}

#[test]
fn forks_without_end_are_not_all_acknowledged() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    for fork in 0..100 {
        desk.hear(CARRIER, early(&invite, 180, &format!("f{fork}"), Some(1), ""));
    }
    assert_eq!(desk.requests().len(), 8);
}

#[test]
fn a_prack_is_repeated_until_its_answer_and_a_challenge_is_answered_once() {
    let mut desk = Desk::new();
    let mut carrier = trunk("carrier", CARRIER);
    carrier.credentials = Some(credentials("u", "carrier.example", "pw"));
    desk.command(Command::SetTrunks(vec![carrier]));
    let invite = dial(&mut desk);
    desk.hear(CARRIER, early(&invite, 180, "a", Some(1), ""));
    let prack = desk.one_request();
    desk.pass(Duration::from_millis(500));
    assert_eq!(desk.one_request(), prack);
    let challenge = |request: &Request| {
        let mut response = request.response(407, "Prove it", None);
        let value = "Digest realm=\"carrier.example\", nonce=\"n\", qop=\"auth\"";
        response.headers.push(HeaderName::ProxyAuthenticate, value);
        response.to_bytes()
    };
    desk.hear(CARRIER, challenge(&prack));
    let again = desk.one_request();
    assert!(again.headers.line(&HeaderName::ProxyAuthorization).is_some());
    assert_eq!(again.headers.text(&HeaderName::RAck), Some("1 1 INVITE"));
    desk.hear(CARRIER, challenge(&again));
    assert_eq!(desk.requests(), []);
    desk.hear(CARRIER, early(&invite, 180, "a", Some(2), ""));
    assert_eq!(desk.one_request().headers.text(&HeaderName::CSeq), Some("4 PRACK"));
}

/// An UPDATE of the fork `tag` in its early dialog.
fn update(invite: &Request, tag: &str, cseq: u32, body: &str) -> Bytes {
    let text = |name| invite.headers.text(&name).unwrap().to_owned();
    let mut update = Request::new(Method::Update, "sip:x@192.0.2.1");
    update
        .headers
        .push(HeaderName::Via, format!("SIP/2.0/UDP {CARRIER};branch=z9hG4bKu{tag}{cseq}"));
    update.headers.push(HeaderName::From, format!("{};tag={tag}", text(HeaderName::To)));
    update.headers.push(HeaderName::To, text(HeaderName::From));
    update.headers.push(HeaderName::CallId, text(HeaderName::CallId));
    update.headers.push(HeaderName::CSeq, format!("{cseq} UPDATE"));
    update.headers.push(HeaderName::Contact, format!("<sip:moved-{tag}@{CARRIER}>"));
    if !body.is_empty() {
        update.headers.push(HeaderName::ContentType, "application/sdp");
    }
    update.body = body.to_owned().into();
    update.to_bytes()
}

#[test]
fn an_update_of_the_far_end_waits_for_a_reliable_answer_and_then_holds() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    let moved = SDP.replace("7000", "7004");
    desk.hear(CARRIER, early(&invite, 183, "a", None, SDP));
    assert_eq!(desk.ask(CARRIER, update(&invite, "a", 1, &moved)).status, 491, "a preview only");
    assert_eq!(desk.ask(CARRIER, update(&invite, "a", 2, "")).status, 200, "it offers nothing");
    desk.hear(CARRIER, early(&invite, 183, "a", Some(1), SDP));
    desk.requests();
    assert_eq!(desk.ask(CARRIER, update(&invite, "b", 1, &moved)).status, 491, "another fork");
    let ok = desk.ask(CARRIER, update(&invite, "a", 3, &moved));
    assert_eq!(ok.status, 200);
    assert!(String::from_utf8_lossy(&ok.body).contains("m=audio 4002 RTP/AVP 8 0 101"));
    desk.events();
    // The final answer repeats what held before; it is no answer any more.
    desk.hear(CARRIER, early(&invite, 200, "a", None, SDP));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp, peer("198.51.100.9:7004"));
    assert_eq!(events.last(), Some(&Event::Answered(LEG)));
}

#[test]
fn a_fork_that_answers_counts_for_itself() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    desk.hear(CARRIER, early(&invite, 180, "a", None, ""));
    assert_eq!(desk.ask(CARRIER, update(&invite, "a", 900, "")).status, 200);
    assert_eq!(desk.ask(CARRIER, update(&invite, "b", 3, "")).status, 200);
    desk.hear(CARRIER, early(&invite, 200, "b", None, SDP));
    desk.sent();
    assert_eq!(desk.ask(CARRIER, update(&invite, "b", 4, "")).status, 200);
    assert_eq!(desk.ask(CARRIER, update(&invite, "b", 2, "")).status, 500);
}

#[test]
fn a_fork_that_answers_too_late_is_left_by_a_number_after_its_pracks() {
    let mut desk = Desk::new();
    let invite = dial(&mut desk);
    desk.hear(CARRIER, early(&invite, 180, "b", Some(1), ""));
    let prack = desk.one_request();
    assert_eq!(prack.method, Method::Prack);
    desk.hear(CARRIER, early(&invite, 200, "a", None, SDP));
    desk.sent();
    desk.hear(CARRIER, early(&invite, 200, "b", None, SDP));
    let requests = desk.requests();
    assert_eq!((&requests[0].method, &requests[1].method), (&Method::Ack, &Method::Bye));
    let number = |request: &Request| request.cseq().unwrap().number;
    assert!(number(&requests[1]) > number(&prack));
}

#[test]
fn who_calls_may_not_offer_again_before_it_has_an_answer() {
    let (mut desk, _, mut caller, _) = rung("");
    for method in ["UPDATE", "INVITE"] {
        let refused = desk.ask(CARRIER, caller.next(method, SDP_TYPE, SDP));
        assert_eq!(refused.status, 500);
        let pause: u32 = refused.headers.text(&HeaderName::RetryAfter).unwrap().parse().unwrap();
        assert!(pause <= 10);
    }
    assert_eq!(desk.ask(CARRIER, caller.next("UPDATE", "", "")).status, 200);
    assert_eq!(desk.events(), []);
}
