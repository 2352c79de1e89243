//! An INVITE that wants the place of another one (RFC 3891).

use super::redirect::registered;
use super::refer::Phone;
use super::*;

/// A device sends an INVITE with these headers and proves itself: the status if it is refused, or whose place it wants.
fn asks(desk: &mut Desk, user: &str, headers: &str) -> Result<Option<LegId>, u16> {
    let phone = Phone::idle(user, &desk.endpoint.random_hex());
    let headers = format!("{headers}Content-Type: application/sdp\r\n");
    let invite = phone.message("INVITE", 1, &headers, SDP);
    let challenge = desk.ask(PHONE, invite.clone());
    assert_eq!(challenge.status, 407, "whoever asks proves itself before it learns anything");
    desk.hear(PHONE, phone.message("ACK", 1, "", ""));
    desk.hear(PHONE, authorized(&invite, &challenge, &credentials(user, REALM, "pw"), 2));
    let status = desk.one_response().status;
    let place = desk.events().into_iter().find_map(|event| match event {
        Event::Incoming(incoming) => Some(incoming.instead_of),
        _ => None,
    });
    place.ok_or(status)
}

fn header(call_id: &str, to_tag: &str, from_tag: &str, more: &str) -> String {
    format!("Replaces: {call_id};to-tag={to_tag};from-tag={from_tag}{more}\r\n")
}

fn named(phone: &Phone, more: &str) -> String {
    header(&phone.call_id, &phone.tag, &format!("t{}", phone.call_id), more)
}

fn company() -> Desk {
    let mut desk = Desk::new();
    let mut eve = account("eve", "pw");
    eve.company = "others".to_owned();
    let all = vec![account("anna", "pw"), account("boris", "pw"), eve];
    desk.command(Command::SetAccounts(accounts(all)));
    desk
}

#[test]
fn the_place_of_a_call_that_is_up_is_told_to_colleagues_only() {
    let mut desk = company();
    let anna = Phone::calls(&mut desk, "anna", "a");
    assert_eq!(asks(&mut desk, "boris", ""), Ok(None));
    assert_eq!(asks(&mut desk, "boris", &named(&anna, "")), Ok(Some(anna.leg)));
    let required = format!("{}Require: replaces\r\n", named(&anna, ""));
    assert_eq!(asks(&mut desk, "anna", &required), Ok(Some(anna.leg)));
    assert_eq!(asks(&mut desk, "boris", &named(&anna, ";early-only")), Err(486));
    assert_eq!(asks(&mut desk, "eve", &named(&anna, "")), Err(481));
    for (call_id, to_tag, from_tag) in
        [("b", anna.tag.as_str(), "ta"), ("a", "1.0", "ta"), ("a", anna.tag.as_str(), "tb")]
    {
        let no_such = header(call_id, to_tag, from_tag, "");
        assert_eq!(asks(&mut desk, "boris", &no_such), Err(481), "{no_such}");
    }
    let carrier = desk.next_caller();
    let headers = format!("{}Content-Type: application/sdp\r\n", named(&anna, ""));
    let invite = carrier.message("INVITE", &headers, SDP, 1);
    assert_eq!(desk.ask(CARRIER, invite).status, 481, "a trunk");
}

#[test]
fn what_names_no_dialog_or_several_is_bad() {
    let mut desk = company();
    let anna = Phone::calls(&mut desk, "anna", "a");
    let twice = named(&anna, "").repeat(2);
    for bad in [twice.as_str(), "Replaces: a\r\n", "Replaces: a;to-tag=x\r\n", "Replaces: \r\n"] {
        assert_eq!(asks(&mut desk, "boris", bad), Err(400), "{bad}");
    }
}

#[test]
fn a_phone_that_rings_can_be_relieved_and_one_that_calls_cannot() {
    let mut desk = company();
    let early = Phone::invites(&mut desk, "boris", "b");
    desk.command(Command::Ring(early.leg));
    let tag_of_ours = tag(&desk.one_response());
    assert_eq!(asks(&mut desk, "anna", &header("b", &tag_of_ours, "tb", "")), Err(481));

    let target = registered(&mut desk);
    let leg = LegId(FIRST_DIALLED_LEG);
    let (caller, rtp) = (CallerId::default(), peer("192.0.2.1:4002"));
    desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
    let invite = desk.one_request();
    desk.hear(PHONE, invite.response(180, "Ringing", Some("far")).to_bytes());
    let call_id = invite.headers.text(&HeaderName::CallId).unwrap().to_owned();
    let from = invite.headers.text(&HeaderName::From).unwrap();
    let ours = from.split("tag=").nth(1).unwrap().to_owned();
    for more in ["", ";early-only"] {
        for (to_tag, from_tag) in [(&*ours, "far"), ("far", &*ours)] {
            let place = header(&call_id, to_tag, from_tag, more);
            assert_eq!(asks(&mut desk, "boris", &place), Ok(Some(leg)), "{place}");
        }
    }
    desk.command(Command::HangUp { leg, status: 487, reason: String::new(), by: EndedBy::Us });
    desk.events();
    desk.sent();
    assert_eq!(asks(&mut desk, "boris", &header(&call_id, &ours, "far", "")), Err(603));
}
