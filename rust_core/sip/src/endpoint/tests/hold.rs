//! A call on hold whose phones know no session timers does not outlive them.

use super::*;

/// A call of the carrier that has said to send nothing from now on.
fn held(extra: &str) -> (Desk, Caller) {
    held_as("inactive", extra)
}

fn held_as(direction: &str, extra: &str) -> (Desk, Caller) {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    let kind = format!("Content-Type: application/sdp\r\n{extra}");
    let held = caller.next("INVITE", &kind, &format!("{SDP}a={direction}\r\n"));
    assert_eq!(desk.ask(CARRIER, held).status, 200);
    desk.hear(CARRIER, caller.request("ACK", ""));
    desk.events();
    (desk, caller)
}

/// The question that comes after some minutes.
fn asked(desk: &mut Desk) -> Request {
    for second in 1..=200 {
        desk.pass_s(1);
        if let Some(options) = desk.requests().into_iter().next() {
            assert!(second > 170, "after {second} s");
            return options;
        }
    }
    panic!("nothing was asked");
}

fn reply(request: &Request, status: u16) -> Bytes {
    request.response(status, "", None).to_bytes()
}

#[test]
fn who_answers_stays_whatever_he_says() {
    let (mut desk, mut caller) = held("");
    for status in [200, 405, 501, 401] {
        let options = asked(&mut desk);
        assert_eq!(options.method, Method::Options);
        assert_eq!(options.headers.text(&HeaderName::CallId), Some("c1@carrier"));
        desk.hear(CARRIER, reply(&options, status));
    }
    assert_eq!(desk.events(), []);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);
    desk.assert_empty_after(64);
}

#[test]
fn who_knows_of_no_call_or_says_nothing_ends_it() {
    for (direction, status) in [("inactive", 408), ("sendonly", 481), ("recvonly", 481)] {
        let (mut desk, _) = held_as(direction, "");
        let options = asked(&mut desk);
        desk.hear(CARRIER, reply(&options, status));
        assert_eq!(desk.methods(), ["BYE"]);
        assert_eq!(desk.one_end().1, EndedBy::Peer);
        desk.assert_empty_after(64);
    }
    let (mut desk, _) = held("");
    asked(&mut desk);
    desk.pass_s(32);
    assert_eq!(desk.methods().last().map(String::as_str), Some("BYE"));
    assert_eq!(desk.one_end(), (408, EndedBy::Timeout));
    desk.assert_empty_after(64);
}

#[test]
fn nobody_is_asked_who_sends_or_refreshes_his_session_or_has_come_back() {
    let mut desk = Desk::new();
    let _ = desk.talking();
    desk.pass_s(3600);
    assert_eq!(desk.requests(), []);

    let (mut desk, mut caller) =
        held("Supported: timer\r\nSession-Expires: 3600;refresher=uac\r\n");
    desk.pass_s(3000);
    assert_eq!(desk.requests(), []);
    assert_eq!(desk.ask(CARRIER, caller.next("BYE", "", "")).status, 200);

    let (mut desk, mut caller) = held("");
    desk.pass_s(170);
    let back = caller.next("INVITE", "Content-Type: application/sdp\r\n", SDP);
    assert_eq!(desk.ask(CARRIER, back).status, 200);
    desk.hear(CARRIER, caller.request("ACK", ""));
    desk.pass_s(3600);
    assert_eq!(desk.requests(), []);
}
