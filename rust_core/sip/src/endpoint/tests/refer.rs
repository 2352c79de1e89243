//! A phone asks for a transfer, and is told how it goes.

use super::*;

const RTP: &str = "192.0.2.1:4000";

/// A call of the phone `anna` that was answered: its leg, our tag, and how its requests begin.
pub(super) struct Phone {
    pub(super) leg: LegId,
    pub(super) call_id: String,
    pub(super) tag: String,
    cseq: u32,
    user: String,
}

impl Phone {
    pub(super) fn calls(desk: &mut Desk, user: &str, call_id: &str) -> Self {
        let mut phone = Self::invites(desk, user, call_id);
        desk.command(Command::Answer { leg: phone.leg, like: None, rtp: peer(RTP) });
        phone.tag = tag(&desk.one_response());
        let ack = phone.message("ACK", 2, "", "");
        desk.hear(PHONE, ack);
        desk.events();
        phone
    }

    pub(super) fn idle(user: &str, call_id: &str) -> Self {
        Self {
            leg: LegId(0),
            call_id: call_id.to_owned(),
            tag: String::new(),
            cseq: 2,
            user: user.to_owned(),
        }
    }

    pub(super) fn invites(desk: &mut Desk, user: &str, call_id: &str) -> Self {
        let mut phone = Self::idle(user, call_id);
        let invite = phone.message("INVITE", 1, "Content-Type: application/sdp\r\n", SDP);
        let challenge = desk.ask(PHONE, invite.clone());
        desk.hear(PHONE, phone.message("ACK", 1, "", ""));
        let known = credentials(user, REALM, "pw");
        desk.hear(PHONE, authorized(&invite, &challenge, &known, 2));
        desk.sent();
        let events = desk.events();
        let incoming = events.into_iter().find_map(|event| match event {
            Event::Incoming(incoming) => Some(incoming),
            _ => None,
        });
        phone.leg = incoming.expect("a call").leg;
        phone
    }

    pub(super) fn message(&self, method: &str, cseq: u32, extra: &str, body: &str) -> String {
        let Self { call_id, tag, user, .. } = self;
        let to_tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        format!(
            "{method} sip:102@{REALM} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {PHONE};branch=z9hG4bK{method}{call_id}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{REALM}>;tag=t{call_id}\r\nTo: <sip:102@{REALM}>{to_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{user}@{PHONE}>\r\n{extra}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn refer(&mut self, extra: &str) -> String {
        self.cseq += 1;
        self.message("REFER", self.cseq, &format!("{extra}\r\n"), "")
    }

    /// `?Replaces=` for this call, as a phone writes it.
    fn replaces(&self) -> String {
        let Self { call_id, tag, .. } = self;
        format!("?Replaces={call_id}%3Bto-tag%3D{tag}%3Bfrom-tag%3Dt{call_id}")
    }
}

/// Status of the response, and status lines and states of the NOTIFYs that followed it, which are answered.
fn heard(desk: &mut Desk) -> (Vec<u16>, Vec<(String, String)>) {
    let (mut statuses, mut told, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for (_, message) in desk.sent() {
        match message {
            Message::Response(response) => statuses.push(response.status),
            Message::Request(request) if request.method.as_str() == "NOTIFY" => {
                let state = request.headers.text(&HeaderName::SubscriptionState).unwrap();
                let line = String::from_utf8(request.body.to_vec()).unwrap();
                told.push((line.trim().to_owned(), state.to_owned()));
                answers.push(request.response(200, "OK", None).to_bytes());
            }
            Message::Request(_) => {}
        }
    }
    for answer in answers {
        desk.hear(PHONE, answer);
    }
    (statuses, told)
}

fn lines(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(line, _)| line.as_str()).collect()
}

fn asked(desk: &mut Desk) -> Option<(LegId, String, Option<LegId>)> {
    desk.events().into_iter().find_map(|event| match event {
        Event::TransferAsked { leg, to, instead_of } => Some((leg, to, instead_of)),
        _ => None,
    })
}

#[test]
fn a_transfer_is_taken_up_and_told_to_its_end() {
    let mut desk = Desk::new();
    let mut anna = Phone::calls(&mut desk, "anna", "a");
    let refer = anna.refer("Refer-To: <sip:103@demo.example>");
    desk.hear(PHONE, refer);
    let (statuses, told) = heard(&mut desk);
    assert_eq!((statuses, lines(&told)), (vec![202], vec!["SIP/2.0 100 Trying"]));
    assert!(told[0].1.starts_with("active;expires="), "{told:?}");
    assert_eq!(asked(&mut desk), Some((anna.leg, "103".to_owned(), None)));
    for status in [100, 180, 180, 183] {
        desk.command(Command::TellTransfer { leg: anna.leg, status });
    }
    assert_eq!(lines(&heard(&mut desk).1), ["SIP/2.0 180 Ringing"]);
    desk.pass_s(20);
    assert_eq!(heard(&mut desk).1, []);
    desk.command(Command::TellTransfer { leg: anna.leg, status: 200 });
    desk.command(Command::TellTransfer { leg: anna.leg, status: 480 });
    let end = ("SIP/2.0 200 OK".to_owned(), "terminated;reason=noresource".to_owned());
    assert_eq!(heard(&mut desk).1, [end]);
    desk.hear(PHONE, anna.message("BYE", 9, "", ""));
    assert_eq!(desk.endpoint.counters().transfers_asked, 1);
    desk.assert_empty_after(1000);
}

#[test]
fn a_transfer_that_nobody_takes_up_fails_in_time_and_one_that_never_ends_ends() {
    let mut desk = Desk::new();
    let mut anna = Phone::calls(&mut desk, "anna", "a");
    let refer = anna.refer("Refer-To: <sip:103@demo.example>");
    desk.hear(PHONE, refer);
    heard(&mut desk);
    desk.pass_s(3);
    let end =
        ("SIP/2.0 503 Service Unavailable".to_owned(), "terminated;reason=noresource".to_owned());
    assert_eq!(heard(&mut desk).1, [end]);
    assert_eq!(desk.endpoint.counters().late_decisions, 1);
    // The next one names itself (RFC 3515 §2.4.6).
    let refer = anna.refer("Refer-To: <sip:103@demo.example>");
    desk.hear(PHONE, refer);
    let requests = desk.requests();
    assert_eq!(requests[0].headers.text(&HeaderName::Event), Some("refer;id=4"));
    desk.hear(PHONE, requests[0].response(200, "OK", None).to_bytes());
    desk.command(Command::TellTransfer { leg: anna.leg, status: 100 });
    desk.pass_s(899);
    assert_eq!(heard(&mut desk).1, []);
    desk.pass_s(1);
    let end = ("SIP/2.0 408 Request Timeout".to_owned(), "terminated;reason=timeout".to_owned());
    assert_eq!(heard(&mut desk).1, [end]);
}

#[test]
fn a_phone_that_wants_no_word_gets_none() {
    for extra in
        ["Refer-Sub: false", "Require: norefersub", "Refer-Sub: false\r\nRequire: norefersub"]
    {
        let mut desk = Desk::new();
        let mut anna = Phone::calls(&mut desk, "anna", "a");
        let refer = anna.refer(&format!("{extra}\r\nr: <sip:103@demo.example>"));
        let response = desk.ask(PHONE, refer);
        assert_eq!(response.status, 202);
        assert_eq!(response.headers.text(&HeaderName::ReferSub), Some("false"));
        assert!(asked(&mut desk).is_some());
        for status in [100, 180, 200] {
            desk.command(Command::TellTransfer { leg: anna.leg, status });
        }
        desk.pass_s(10);
        assert_eq!(heard(&mut desk), (vec![], vec![]), "{extra}");
    }
}

#[test]
fn what_is_no_transfer_of_ours_is_refused_and_ends_no_call() {
    for (extra, status) in [
        ("X: y", 400),
        ("Refer-To: <sip:103@demo.example>\r\nRefer-To: <sip:104@demo.example>", 400),
        ("Refer-To: <sip:103@demo.example", 400),
        ("Refer-To: <mailto:103@demo.example>", 400),
        ("Refer-To: <sip:demo.example>", 400),
        ("Refer-To: <sip:103@elsewhere.example>", 403),
        ("Refer-To: <sip:103@demo.example;method=BYE>", 403),
        ("Refer-To: <sip:103@demo.example?Replaces=x>", 400),
        ("Refer-To: <sip:103@demo.example?Replaces=x%3Bto-tag%3D1>", 400),
        ("Refer-To: <sip:103@demo.example?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>", 603),
        ("Refer-To: <sip:103@demo.example>\r\nRequire: foo", 420),
    ] {
        let mut desk = Desk::new();
        let mut anna = Phone::calls(&mut desk, "anna", "a");
        let refer = anna.refer(extra);
        assert_eq!(desk.ask(PHONE, refer).status, status, "{extra}");
        assert_eq!(desk.events(), [], "{extra}");
    }
    let mut desk = Desk::new();
    let mut anna = Phone::calls(&mut desk, "anna", "a");
    let long = format!("Refer-To: <sip:103@demo.example;x={}>", "y".repeat(1024));
    let refer = anna.refer(&long);
    assert_eq!(desk.ask(PHONE, refer).status, 400);
}

#[test]
fn numbers_are_read_as_they_are_dialled() {
    for (address, to) in [
        ("<sip:%2B7495@demo.example>", "+7495"),
        ("sip:103@192.0.2.1:5060", "103"),
        ("\"Bo\" <sip:103@DEMO.example;user=phone;method=INVITE?Subject=x>", "103"),
        ("<tel:+7-495-123>", "+7495123"),
    ] {
        let mut desk = Desk::new();
        let mut anna = Phone::calls(&mut desk, "anna", "a");
        let refer =
            anna.refer(&format!("Refer-To: {address}\r\nReferred-By: <sip:boss@evil.example>"));
        desk.hear(PHONE, refer);
        assert_eq!(asked(&mut desk), Some((anna.leg, to.to_owned(), None)), "{address}");
    }
}

#[test]
fn one_transfer_at_a_time_and_only_of_a_call_that_is_up() {
    let mut desk = Desk::new();
    let mut anna = Phone::calls(&mut desk, "anna", "a");
    let first = anna.refer("Refer-To: <sip:103@demo.example>");
    desk.hear(PHONE, first);
    heard(&mut desk);
    let second = anna.refer("Refer-To: <sip:104@demo.example>");
    assert_eq!(desk.ask(PHONE, second).status, 491);
    let mut early = Phone::invites(&mut desk, "anna", "b");
    desk.command(Command::Ring(early.leg));
    early.tag = tag(&desk.one_response());
    let refer = early.refer("Refer-To: <sip:103@demo.example>");
    assert_eq!(desk.ask(PHONE, refer).status, 491);
}

#[test]
fn trunks_do_not_transfer_and_nothing_is_transferred_outside_of_a_call() {
    let mut desk = Desk::new();
    let (_, mut caller) = desk.talking();
    desk.sent();
    let refer = caller.next("REFER", "Refer-To: <sip:103@demo.example>\r\n", "");
    assert_eq!(desk.ask(CARRIER, refer).status, 403);
    let stranger = desk.next_caller().message("REFER", "Refer-To: <sip:1@demo.example>\r\n", "", 1);
    assert_eq!(desk.ask(CARRIER, stranger).status, 403);
    assert_eq!(desk.events(), []);
}

#[test]
fn a_second_call_of_the_company_can_be_named_from_either_side_and_no_other() {
    let mut desk = Desk::new();
    let mut others = account("eve", "pw");
    others.company = "others".to_owned();
    let all = vec![account("anna", "pw"), account("boris", "pw"), others];
    desk.command(Command::SetAccounts(accounts(all)));
    let mut anna = Phone::calls(&mut desk, "anna", "a");
    let second = Phone::calls(&mut desk, "anna", "b");
    let eve = Phone::calls(&mut desk, "eve", "e");
    let turned = second.replaces().replace("to-tag", "X").replace("from-tag", "to-tag");
    let turned = turned.replace("X", "from-tag");
    for named in [second.replaces(), turned] {
        let refer = anna.refer(&format!("Refer-To: <sip:103@demo.example{named}>"));
        desk.hear(PHONE, refer);
        let (statuses, _) = heard(&mut desk);
        assert_eq!(statuses, [202]);
        assert_eq!(asked(&mut desk), Some((anna.leg, "103".to_owned(), Some(second.leg))));
        desk.command(Command::TellTransfer { leg: anna.leg, status: 200 });
        heard(&mut desk);
    }
    for (named, status) in [(eve.replaces(), 603), (anna.replaces(), 403)] {
        let refer = anna.refer(&format!("Refer-To: <sip:103@demo.example{named}>"));
        assert_eq!(desk.ask(PHONE, refer).status, status, "{named}");
    }
    desk.hear(PHONE, second.message("BYE", 9, "", ""));
    desk.sent();
    let refer = anna.refer(&format!("Refer-To: <sip:103@demo.example{}>", second.replaces()));
    assert_eq!(desk.ask(PHONE, refer).status, 603);
}

#[test]
fn a_phone_that_hangs_up_after_asking_is_told_no_more() {
    let mut desk = Desk::new();
    let mut anna = Phone::calls(&mut desk, "anna", "a");
    let refer = anna.refer("Refer-To: <sip:103@demo.example>");
    desk.hear(PHONE, refer);
    heard(&mut desk);
    desk.hear(PHONE, anna.message("BYE", 9, "", ""));
    assert_eq!(heard(&mut desk).0, [200]);
    desk.command(Command::TellTransfer { leg: anna.leg, status: 200 });
    desk.assert_empty_after(100);
}
