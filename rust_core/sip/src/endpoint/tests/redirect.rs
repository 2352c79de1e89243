//! Whom we call sends us on.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);

/// A place where anna's phone is registered.
pub(super) fn registered(desk: &mut Desk) -> Target {
    let register = format!(
        "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bKr;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:anna@{REALM}>;tag=1\r\nTo: <sip:anna@{REALM}>\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:anna@{PHONE}>\r\nContent-Length: 0\r\n\r\n"
    );
    let challenge = desk.ask(PHONE, register.clone());
    let known = credentials("anna", REALM, "pw");
    assert_eq!(desk.ask(PHONE, authorized(&register, &challenge, &known, 2)).status, 200);
    let Some(Event::RegistrationChanged { bindings, .. }) = desk.events().pop() else {
        panic!("nothing told")
    };
    Target::Binding(bindings[0].id)
}

/// How the leg ends, and where it is sent, when `target` answers with this status and these contacts.
fn sent_on(desk: &mut Desk, target: Target, from: &str, status: u16, contacts: &[&str]) -> LegEnd {
    let caller = CallerId { number: "102".into(), ..CallerId::default() };
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    let invite = desk.one_request();
    let mut moved = invite.response(status, "Moved", Some("x"));
    for contact in contacts {
        moved.headers.push(HeaderName::Contact, (*contact).to_owned());
    }
    desk.hear(from, moved.to_bytes());
    assert_eq!(desk.methods(), ["ACK"], "we follow nothing by ourselves");
    let mut ends: Vec<_> = desk.events().into_iter().filter_map(end_of).collect();
    assert_eq!(ends.len(), 1);
    ends.remove(0).1
}

#[test]
fn a_phone_names_a_number_of_its_exchange() {
    for (status, contacts, moved_to) in [
        (302, &["<sip:103@demo.example>"][..], "103"),
        (302, &["\"Boris\" <sip:103@DEMO.example:5080;transport=tcp>;expires=60"], "103"),
        (301, &["sip:%2B74951234567@192.0.2.1"], "+74951234567"),
        (300, &["<tel:+7-495-123-45-67>", "<sip:104@demo.example>"], "+74951234567"),
        (302, &["<sip:103@demo.example>, <sip:104@demo.example>"], "103"),
        // Not for us to call, or nobody.
        (302, &["<sip:103@evil.example>"], ""),
        (302, &["<sip:103@203.0.113.5:5062>"], ""),
        (302, &["<sip:demo.example>"], ""),
        (302, &["<mailto:anna@demo.example>"], ""),
        (302, &["nonsense"], ""),
        (302, &[], ""),
        // A proxy to use, or another service, is no number.
        (305, &["<sip:103@demo.example>"], ""),
        (380, &["<sip:103@demo.example>"], ""),
        (486, &["<sip:103@demo.example>"], ""),
    ] {
        let mut desk = Desk::new();
        let target = registered(&mut desk);
        let end = sent_on(&mut desk, target, PHONE, status, contacts);
        assert_eq!((end.status, end.by), (status, EndedBy::Peer));
        assert_eq!(end.moved_to, moved_to, "{status} {contacts:?}");
    }
}

#[test]
fn a_trunk_sends_nobody_on() {
    let mut desk = Desk::new();
    let target = Target::Trunk {
        company: "demo".into(),
        trunk: "carrier".into(),
        number: "+74957654321".into(),
    };
    let end = sent_on(&mut desk, target, CARRIER, 302, &["<sip:103@192.0.2.1>"]);
    assert_eq!((end.status, end.moved_to.as_str()), (302, ""));
}
