//! For whom a forwarded call was: what a trunk is told, and what it tells.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);

/// The INVITE of a call that was forwarded.
fn invite(forwarding: Forwarding, reason: &str, count: u32) -> Request {
    let mut desk = Desk::new();
    let profile = Profile { forwarding, ..Profile::default() };
    desk.command(Command::SetTrunks(vec![Trunk { profile, ..trunk("carrier", CARRIER) }]));
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "+7916".into() };
    let diverted = Diverted { number: "+74951".into(), reason: reason.into(), count };
    let diverted = Some(Box::new(diverted));
    let caller = CallerId { number: "+74951".into(), diverted, ..CallerId::default() };
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    desk.one_request()
}

#[test]
fn a_trunk_is_told_in_the_header_that_it_reads() {
    let diversion = "<sip:+74951@198.51.100.9>;reason=no-answer;counter=2";
    let history = "<sip:+74951@198.51.100.9>;index=1, \
                   <sip:+7916@198.51.100.9;cause=408>;index=1.1;mp=1";
    let cases = [
        (Forwarding::Untold, None, None),
        (Forwarding::Diversion, Some(diversion), None),
        (Forwarding::HistoryInfo, None, Some(history)),
        (Forwarding::Both, Some(diversion), Some(history)),
    ];
    for (forwarding, diversion, history) in cases {
        let invite = invite(forwarding, "no-answer", 2);
        assert_eq!(invite.headers.text(&HeaderName::Diversion), diversion, "{forwarding:?}");
        assert_eq!(invite.headers.text(&HeaderName::HistoryInfo), history, "{forwarding:?}");
    }
}

#[test]
fn a_reason_that_nobody_knows_is_unknown() {
    let invite = invite(Forwarding::Diversion, "a;b\r\nX: y", 0);
    let said = invite.headers.text(&HeaderName::Diversion);
    assert_eq!(said, Some("<sip:+74951@198.51.100.9>;reason=unknown;counter=1"));
}

/// What is understood of a call of the carrier with these headers.
fn heard(extra: &str) -> Option<(String, String, u32)> {
    let mut desk = Desk::new();
    let invite = desk.next_caller().invite_with(extra, SDP);
    desk.hear(CARRIER, invite);
    match desk.events().pop() {
        Some(Event::Incoming(incoming)) => {
            incoming.caller.diverted.map(|d| (d.number, d.reason, d.count))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_was_called_first_and_how_often_is_read_of_either() {
    let told = |number: &str, reason: &str, count| Some((number.into(), reason.into(), count));
    let cases = [
        ("", None),
        ("Diversion: <sip:+7495@x>;reason=User-Busy\r\n", told("+7495", "user-busy", 1)),
        (
            "Diversion: <sip:b@x>;reason=no-answer;counter=3, <sip:a@x>;reason=unconditional\r\n",
            told("a", "no-answer", 4),
        ),
        ("Diversion: <tel:+7-495-1>;counter=x;reason=new\r\n", told("+74951", "unknown", 1)),
        ("Diversion: <sip:+7495@x>;counter=99999999999\r\n", told("+7495", "unknown", 1)),
        ("Diversion: <sip:+7495@x>;counter=4000000000\r\n", told("+7495", "unknown", 1000)),
        ("Diversion: <>\r\n", None),
        ("History-Info: <sip:a@x>;index=1, <sip:b@x>;index=1.1\r\n", None),
        (
            "History-Info: <sip:a@x>;index=1, <sip:b@x;cause=486>;index=1.1;mp=1\r\n",
            told("a", "user-busy", 1),
        ),
        (
            "History-Info: <sip:a@x?Reason=SIP%3Bcause%3D408>;index=1\r\n\
             History-Info: <sip:b@x;cause=302>;index=1.1\r\n",
            told("a", "unconditional", 2),
        ),
        (
            "Diversion: <sip:a@x>;reason=no-answer\r\n\
             History-Info: <sip:c@x;cause=302>;index=1,<sip:b@x;cause=486>;index=1.1\r\n",
            told("a", "no-answer", 2),
        ),
    ];
    for (extra, expected) in cases {
        assert_eq!(heard(extra), expected, "{extra}");
    }
}
