//! RFC 4028, and ringing that lasts.

use super::*;

const TIMER: &str = "Supported: timer\r\nAllow: INVITE, ACK, BYE, UPDATE\r\n";

/// A call of the carrier with these headers, answered and acknowledged; our 200.
fn talking_with(desk: &mut Desk, extra: &str) -> (LegId, Caller, Response) {
    let mut caller = desk.next_caller();
    desk.hear(CARRIER, caller.invite_with(extra, SDP));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    desk.sent();
    let leg = incoming.leg;
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    let ok = desk.one_response();
    caller.to_tag = tag(&ok);
    desk.hear(CARRIER, caller.request("ACK", ""));
    desk.events();
    (leg, caller, ok)
}

/// Such a call of which we are to refresh 300 s, with our first refresh.
fn refreshing(extra: &str) -> (Desk, Caller, Request, Response) {
    let mut desk = Desk::new();
    let extra = format!("{extra}Session-Expires: 300;refresher=uas\r\n");
    let (_, caller, ok) = talking_with(&mut desk, &extra);
    desk.pass_s(160);
    let request = desk.requests().remove(0);
    (desk, caller, request, ok)
}

fn expires(headers: &crate::wire::Headers) -> Option<&str> {
    headers.text(&HeaderName::SessionExpires)
}

/// A response to a request of ours.
fn reply(request: &Request, status: u16, extra: &str, body: &str) -> Bytes {
    let mut response = request.response(status, "", None);
    response.body = Bytes::from(body.to_owned());
    let bytes = String::from_utf8(response.to_bytes().to_vec()).unwrap();
    Bytes::from(bytes.replacen("\r\n", &format!("\r\n{extra}"), 1))
}

#[test]
fn the_2xx_says_who_refreshes() {
    let table = [
        (format!("{TIMER}Session-Expires: 600\r\n"), Some("600;refresher=uac"), true),
        (format!("{TIMER}x: 600;refresher=uas\r\n"), Some("600;refresher=uas"), false),
        (TIMER.to_owned(), Some("1800;refresher=uac"), true),
        ("Session-Expires: 600\r\n".to_owned(), Some("600;refresher=uas"), false),
        (String::new(), None, false),
    ];
    for (extra, session, requires) in table {
        let (_, _, ok) = talking_with(&mut Desk::new(), &extra);
        assert_eq!(expires(&ok.headers), session, "{extra}");
        assert_eq!(ok.headers.has_token(&HeaderName::Require, "timer"), requires, "{extra}");
    }
}

#[test]
fn too_short_a_session_is_refused_with_the_least() {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    let invite = caller.invite_with(&format!("{TIMER}Session-Expires: 60\r\n"), SDP);
    let refusal = desk.ask(CARRIER, invite);
    assert_eq!((refusal.status, refusal.headers.text(&HeaderName::MinSe)), (422, Some("90")));
    let (_, mut caller, _) = talking_with(&mut desk, TIMER);
    let update = caller.next("UPDATE", &format!("{TIMER}Session-Expires: 60\r\n"), "");
    assert_eq!(desk.ask(CARRIER, update).status, 422);
}

#[test]
fn who_does_not_refresh_is_hung_up_and_who_does_is_not() {
    let extra = format!("{TIMER}Session-Expires: 300;refresher=uac\r\n");
    let mut desk = Desk::new();
    let (_, mut caller, _) = talking_with(&mut desk, &extra);
    desk.pass_s(200);
    let ok = desk.ask(CARRIER, caller.next("UPDATE", &extra, ""));
    assert_eq!((ok.status, expires(&ok.headers)), (200, Some("300;refresher=uac")));
    desk.pass_s(260);
    assert_eq!(desk.methods(), Vec::<String>::new());
    desk.pass_s(40);
    assert!(desk.methods().iter().all(|method| method == "BYE"));
    assert_eq!(desk.one_end(), (408, EndedBy::Timeout));
    desk.assert_empty_after(60);
}

#[test]
fn we_refresh_by_update_until_somebody_hangs_up() {
    let extra = format!("{TIMER}Session-Expires: 300;refresher=uas\r\n");
    let mut desk = Desk::new();
    let (_, mut caller, _) = talking_with(&mut desk, &extra);
    for _ in 0..5 {
        desk.pass_s(160);
        let update = desk.requests().into_iter().next_back().expect("a refresh");
        assert_eq!(
            (&update.method, expires(&update.headers)),
            (&Method::Update, Some("300;refresher=uac"))
        );
        let answer = "Require: timer\r\nSession-Expires: 300;refresher=uac\r\n";
        desk.hear(CARRIER, reply(&update, 200, answer, ""));
    }
    assert_eq!(desk.events(), []);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    desk.events();
    desk.assert_empty_after(60);
}

#[test]
fn without_update_the_session_goes_in_a_reinvite_and_nothing_else_changes() {
    let (mut desk, mut caller, invite, ok) = refreshing("Supported: timer\r\n");
    assert_eq!((&invite.method, &invite.body), (&Method::Invite, &ok.body));
    let crossing = caller.next("INVITE", "Content-Type: application/sdp\r\n", SDP);
    assert_eq!(desk.ask(CARRIER, crossing).status, 491);
    let answer = "Session-Expires: 300;refresher=uac\r\nContent-Type: application/sdp\r\n";
    desk.hear(CARRIER, reply(&invite, 200, answer, SDP));
    assert_eq!(desk.methods(), ["ACK"]);
    assert_eq!(desk.events(), []);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    desk.events();
    desk.assert_empty_after(60);
}

#[test]
fn a_far_end_that_is_gone_ends_the_call() {
    for status in [None, Some(481)] {
        let (mut desk, _, update, _) = refreshing(TIMER);
        match status {
            Some(status) => desk.hear(CARRIER, reply(&update, status, "", "")),
            None => desk.pass_s(40),
        }
        assert!(desk.methods().contains(&"BYE".to_owned()));
        desk.one_end();
        desk.assert_empty_after(60);
    }
}

#[test]
fn a_refused_update_becomes_a_reinvite_and_a_passing_refusal_is_tried_again() {
    let (mut desk, _, update, _) = refreshing(TIMER);
    desk.hear(CARRIER, reply(&update, 501, "", ""));
    let invite = desk.one_request();
    assert_eq!(invite.method, Method::Invite);
    desk.hear(CARRIER, reply(&invite, 500, "", ""));
    assert_eq!(desk.methods(), ["ACK"]);
    desk.pass_s(11);
    assert_eq!(desk.methods()[0], "INVITE");
}

#[test]
fn a_reinvite_that_meets_theirs_is_sent_again_soon_by_whom_they_called_and_later_by_the_caller() {
    // RFC 3261 §14.1: who has made the Call-ID waits for 2.1 to 4 s, the other up to 2 s.
    let (mut desk, _, invite, ok) = refreshing("Supported: timer\r\n");
    desk.hear(CARRIER, reply(&invite, 491, "", ""));
    assert_eq!(desk.methods(), ["ACK"]);
    desk.pass(Duration::from_millis(2010));
    let again = desk.requests().remove(0);
    assert_eq!((&again.method, &again.body), (&Method::Invite, &ok.body));

    for _ in 0..20 {
        let mut desk = Desk::new();
        let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
        let (leg, number) = (LegId(FIRST_DIALLED_LEG), "1".into());
        let target = Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number };
        desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
        let invite = desk.one_request();
        let mut answered = invite.response(200, "OK", Some("far"));
        answered.headers.push(HeaderName::Contact, format!("<sip:far@{CARRIER}>"));
        answered.headers.push(HeaderName::SessionExpires, "90;refresher=uac");
        answered.body = SDP.into();
        desk.hear(CARRIER, answered.to_bytes());
        assert_eq!(desk.methods(), ["ACK"]);
        desk.pass_s(50);
        let refresh = desk.one_request();
        assert_eq!(refresh.method, Method::Invite);
        desk.hear(CARRIER, reply(&refresh, 491, "", ""));
        assert_eq!(desk.methods(), ["ACK"]);
        desk.pass(Duration::from_millis(2099));
        assert_eq!(desk.methods(), [""; 0]);
        desk.pass(Duration::from_millis(1901));
        assert_eq!(desk.methods()[0], "INVITE");
    }
}

#[test]
fn a_422_is_asked_again_with_what_it_demands() {
    let mut desk = Desk::new();
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "+7916".into() };
    let caller = CallerId { number: "101".into(), name: String::new(), ..CallerId::default() };
    let leg = LegId(FIRST_DIALLED_LEG + 1);
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
    let invite = desk.one_request();
    assert_eq!(expires(&invite.headers), Some("1800"));
    desk.hear(CARRIER, reply(&invite, 422, "Min-SE: 3600\r\n", ""));
    let requests = desk.requests();
    let again = requests.last().unwrap();
    assert_eq!((&again.method, expires(&again.headers)), (&Method::Invite, Some("3600")));
    assert_eq!(again.cseq().unwrap().number, invite.cseq().unwrap().number + 1);
    desk.hear(CARRIER, reply(again, 422, "Min-SE: 3600\r\n", ""));
    assert_eq!(desk.one_end(), (422, EndedBy::Peer));
}

#[test]
fn ringing_is_repeated_so_that_no_proxy_gives_up() {
    let mut desk = Desk::new();
    let (leg, _) = desk.called();
    desk.command(Command::Ring(leg));
    assert_eq!(desk.statuses(), [180]);
    desk.pass_s(170);
    assert_eq!(desk.statuses(), [180, 180, 180]);
}
