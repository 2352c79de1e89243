//! Devices register.

use super::*;

struct Phone {
    cseq: u32,
    call_id: &'static str,
}

impl Phone {
    fn new() -> Self {
        Self { cseq: 0, call_id: "r1" }
    }

    fn message(&mut self, user: &str, rest: &str) -> String {
        self.cseq += 1;
        let Self { cseq, call_id } = self;
        format!(
            "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK{call_id}.{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{REALM}>;tag=1\r\nTo: <sip:{user}@{REALM}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nUser-Agent: Phone 1\r\n{rest}Content-Length: 0\r\n\r\n"
        )
    }

    /// Asks, answers the challenge, and gives what comes of it.
    fn register(&mut self, desk: &mut Desk, from: &str, rest: &str) -> Response {
        let first = self.message("anna", rest);
        let challenge = desk.ask(from, first.clone());
        self.cseq += 1;
        let number = self.cseq;
        let first = first.replace(&format!("CSeq: {} ", number - 1), "CSeq: 1 ");
        let second = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), number);
        desk.ask(from, second)
    }
}

impl Phone {
    /// The same over a connection.
    fn register_tcp(&mut self, desk: &mut Desk, connection: u64, from: &str, rest: &str) {
        let first = self.message("anna", rest);
        desk.hear_tcp(connection, from, first.clone());
        let challenge = desk.one_response();
        self.cseq += 1;
        let number = self.cseq;
        let first = first.replace(&format!("CSeq: {} ", number - 1), "CSeq: 1 ");
        let second = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), number);
        desk.hear_tcp(connection, from, second);
        assert_eq!(desk.one_response().status, 200);
    }
}

const CONTACT: &str = "Contact: <sip:anna@10.0.0.5:5062>\r\n";

/// The word of refreshed places, with what is left of each in whole seconds.
fn refreshed(desk: &mut Desk) -> Vec<(u64, u64)> {
    let [Event::RegistrationsRefreshed(places)] = &desk.events()[..] else {
        panic!("not one word")
    };
    places.iter().map(|(id, left)| (*id, left.as_secs())).collect()
}

fn told(desk: &mut Desk) -> Vec<(Why, usize)> {
    let told = desk.events().into_iter().map(|event| match event {
        Event::RegistrationChanged { why, bindings, .. } => (why, bindings.len()),
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[test]
fn a_phone_registers_refreshes_and_leaves() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let ok = phone.register(&mut desk, PHONE, &format!("{CONTACT}Expires: 600\r\n"));
    assert_eq!(ok.status, 200);
    assert_eq!(ok.headers.text(&HeaderName::Contact), Some("<sip:anna@10.0.0.5:5062>;expires=600"));
    let Some(Event::RegistrationChanged { bindings, why, .. }) = desk.events().pop() else {
        panic!("nothing told")
    };
    let binding = &bindings[0];
    assert_eq!((why, binding.source), (Why::Registered, peer(PHONE)));
    assert_eq!((binding.user_agent.as_str(), binding.expires_in.as_secs()), ("Phone 1", 600));
    desk.pass_s(300);
    assert_eq!(phone.register(&mut desk, PHONE, &format!("{CONTACT}Expires: 600\r\n")).status, 200);
    let id = binding.id;
    assert_eq!(desk.events(), []);
    desk.pass_s(1);
    assert_eq!(refreshed(&mut desk), [(id, 599)]);
    desk.pass_s(598);
    assert_eq!(told(&mut desk), []);
    let gone = phone.register(&mut desk, PHONE, &format!("{CONTACT}Expires: 0\r\n"));
    assert_eq!((gone.status, gone.headers.line(&HeaderName::Contact)), (200, None));
    assert_eq!(told(&mut desk), [(Why::Unregistered, 0)]);
    desk.assert_empty_after(3600);
}

#[test]
fn refreshes_are_told_of_together_once_a_second_and_what_is_gone_by_then_is_not() {
    let (mut desk, mut phone, mut other) = (Desk::new(), Phone::new(), Phone::new());
    other.call_id = "r2";
    let away = "Contact: <sip:anna@10.0.0.6:5062>\r\nExpires: 300\r\n";
    phone.register(&mut desk, PHONE, CONTACT);
    other.register(&mut desk, PHONE, away);
    desk.events();
    for _ in 0..3 {
        phone.register(&mut desk, PHONE, CONTACT);
        other.register(&mut desk, PHONE, away);
    }
    assert_eq!(desk.events(), []);
    desk.pass_s(1);
    assert_eq!(refreshed(&mut desk), [(1, 3_599), (2, 299)]);
    desk.pass_s(100);
    assert_eq!(desk.events(), []);
    phone.register(&mut desk, PHONE, CONTACT);
    other.register(&mut desk, PHONE, &away.replace("300", "0"));
    assert_eq!(told(&mut desk), [(Why::Unregistered, 1)]);
    other.register(&mut desk, PHONE, away);
    assert_eq!(told(&mut desk), [(Why::Registered, 2)]);
    desk.pass_s(1);
    assert_eq!(refreshed(&mut desk), [(1, 3_599)]);
    desk.assert_empty_after(3_600);
}

#[test]
fn a_phone_that_says_anything_new_of_itself_is_told_of_at_once() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    phone.register(&mut desk, PHONE, CONTACT);
    desk.events();
    phone.register(&mut desk, "198.51.100.7:5062", CONTACT);
    assert_eq!(told(&mut desk), [(Why::Registered, 1)], "another port of its NAT");
    phone.register(&mut desk, "198.51.100.7:5062", &format!("{CONTACT}Path: <sip:edge;lr>\r\n"));
    assert_eq!(told(&mut desk), [(Why::Registered, 1)], "another way");
    phone.call_id = "after its restart";
    phone.register(&mut desk, "198.51.100.7:5062", &format!("{CONTACT}Path: <sip:edge;lr>\r\n"));
    assert_eq!(told(&mut desk), [(Why::Registered, 1)], "its CSeq counts anew");
    desk.pass_s(10);
    assert_eq!(desk.events(), []);
}

#[test]
fn a_registration_that_is_not_refreshed_expires_on_time() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    phone.register(&mut desk, PHONE, &format!("{CONTACT}Expires: 600\r\n"));
    desk.pass_s(300);
    phone.register(&mut desk, PHONE, "Contact: <sip:anna@10.0.0.5:5062>;expires=60\r\n");
    desk.pass_s(1);
    desk.events();
    desk.pass_s(58);
    assert_eq!(told(&mut desk), []);
    desk.pass_s(1);
    assert_eq!(told(&mut desk), [(Why::Expired, 0)]);
    desk.assert_empty_after(600);
}

#[test]
fn neither_refreshes_nor_ever_new_contacts_leave_anything_behind() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    for i in 0..50 {
        phone.register(&mut desk, PHONE, &format!("Contact: <sip:anna@10.0.0.{}>\r\n", i % 40));
        desk.pass_s(60);
    }
    assert_eq!((desk.endpoint.counters().timers, desk.endpoint.counters().bindings), (3, 3));
    desk.assert_empty_after(3_600);
}

#[test]
fn who_registers_without_end_is_asked_to_wait_and_keeps_nobody_else_from_it() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let both = vec![account("anna", "pw"), account("boris", "pw")];
    desk.command(Command::SetAccounts(accounts(both)));
    let statuses: Vec<u16> =
        (0..40).map(|_| phone.register(&mut desk, PHONE, CONTACT).status).collect();
    assert_eq!((&statuses[..30], &statuses[30..]), (&[200; 30][..], &[503; 10][..]));
    assert_eq!(desk.endpoint.counters().server_transactions, 30);
    let refused = phone.register(&mut desk, PHONE, CONTACT);
    assert!(refused.headers.line(&HeaderName::RetryAfter).is_some());
    let mut other = Phone::new();
    let first = other.message("boris", "").replace("Call-ID: r1", "Call-ID: r2");
    let challenge = desk.ask(PHONE, first.clone());
    let second = authorized(&first, &challenge, &credentials("boris", REALM, "pw"), 2);
    assert_eq!(desk.ask(PHONE, second.replace("z9hG4bK", "z9hG4bKb")).status, 200);
    desk.pass_s(2);
    assert_eq!(phone.register(&mut desk, PHONE, CONTACT).status, 200);
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let mut desk = Desk::new();
    let mut answers = Vec::new();
    for (user, password) in [("anna", "wrong"), ("nobody", "pw")] {
        let mut phone = Phone { cseq: 0, call_id: "same" };
        let first = phone.message(user, CONTACT);
        let challenge = desk.ask(PHONE, first.clone());
        let second = authorized(&first, &challenge, &credentials(user, REALM, password), 2);
        let answer = desk.ask(PHONE, second);
        let text = String::from_utf8(answer.to_bytes().to_vec()).unwrap().replace(user, "USER");
        let nonce = text.find("nonce=").unwrap();
        let tag = tag(&answer);
        answers.push((text[..nonce].replace(&tag, "TAG"), text[nonce..].len()));
    }
    assert_eq!(answers[0].0, answers[1].0);
    assert_eq!(desk.events(), []);
    assert_eq!(desk.endpoint.counters().unauthorized, 4);
}

/// Which of a hundred made-up users are shown SHA-256, where every other account takes it.
fn shown_sha256(secret: [u8; 32], seed: u8) -> Vec<bool> {
    let mut desk = Desk::with(|config| config.secret = secret);
    desk.endpoint = Endpoint::new(desk.endpoint.config.clone(), [seed; 32], desk.now);
    let mut modern = account("anna", "pw");
    modern.secrets.ha1_sha256 = Some(ha1("anna", REALM, "pw", Algorithm::Sha256));
    desk.command(Command::SetAccounts(accounts(vec![modern, account("boris", "pw")])));
    let mut phone = Phone::new();
    let mut ask = |user: &str| {
        let challenge = desk.ask(PHONE, phone.message(user, CONTACT));
        challenge.headers.lines(&HeaderName::WwwAuthenticate).count() == 2
    };
    assert!(ask("anna") && !ask("boris"));
    (0..100).map(|i| ask(&format!("made-up-{i}"))).collect()
}

#[test]
fn who_is_unknown_is_shown_what_a_lasting_secret_says() {
    let first = shown_sha256([1; 32], 1);
    assert!((30..70).contains(&first.iter().filter(|shown| **shown).count()));
    assert_eq!(first, shown_sha256([1; 32], 2), "in each run");
    assert_ne!(first, shown_sha256([2; 32], 1), "in no other exchange");
}

#[test]
fn credentials_are_good_for_the_address_that_they_were_made_for() {
    for (made_for, sent_to, is_good) in [
        ("sip:demo.example", "sip:DEMO.example:5062;transport=tcp", true),
        ("sip:192.0.2.1:5060", "sip:demo.example", true),
        ("sip:%31@demo.example:5060", "sip:1@demo.example", true),
        ("sip:demo.example", "sip:1@demo.example", true),
        ("sip:demo.example", "sip:192.0.2.1:5060", true),
        ("sip:evil.example", "sip:demo.example", false),
        ("sip:evil.example", "sip:192.0.2.1", false),
        ("sip:demo.example", "sip:evil.example", false),
        ("sip:203.0.113.66", "sip:demo.example", false),
        ("sip:1@demo.example", "sip:2@demo.example", false),
        ("demo.example", "sip:demo.example", false),
    ] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new());
        let first = phone.message("anna", CONTACT);
        let challenge = desk.ask(PHONE, first.clone());
        let signed = first.replace("REGISTER sip:demo.example", &format!("REGISTER {made_for}"));
        let second = authorized(&signed, &challenge, &credentials("anna", REALM, "pw"), 2);
        let sent = second.replacen(made_for, sent_to, 1);
        let expected = if is_good { 200 } else { 400 };
        assert_eq!(desk.ask(PHONE, sent).status, expected, "{made_for} {sent_to}");
        assert_eq!(desk.endpoint.counters().bindings, u64::from(is_good));
    }
}

#[test]
fn who_guesses_passwords_is_told_of_once_a_minute() {
    let mut desk = Desk::new();
    let guess = |desk: &mut Desk, from: &str, user: &str, count: u32| {
        let mut phone = Phone { cseq: 0, call_id: "guess" };
        let first = phone.message(user, CONTACT);
        let challenge = desk.ask(from, first.clone());
        for i in 0..count {
            let wrong = credentials(user, REALM, &format!("guess {i}"));
            let status = desk.ask(from, authorized(&first, &challenge, &wrong, 2 + i)).status;
            assert_eq!(status, 401);
        }
    };
    guess(&mut desk, "203.0.113.66:1000", "anna", 5);
    guess(&mut desk, "203.0.113.66:1001", "nobody", 2);
    guess(&mut desk, PHONE, "anna", 1);
    desk.pass_s(59);
    assert_eq!(desk.events(), []);
    desk.pass_s(1);
    let told = |source: &str, count, account: &str| {
        let source = source.parse().unwrap();
        Event::WrongPasswords { source, count, account: format!("{account}@{REALM}") }
    };
    let expected = [told("203.0.113.5", 1, "anna"), told("203.0.113.66", 7, "nobody")];
    assert_eq!(desk.events(), expected);
    assert_eq!(desk.endpoint.counters().wrong_passwords, 8);
    for i in 0..265 {
        guess(&mut desk, &format!("198.18.{}.{}:5060", i / 250, 1 + i % 250), "anna", 1);
    }
    desk.pass_s(60);
    assert_eq!((desk.events().len(), desk.endpoint.counters().guesses_left_out), (256, 9));
    desk.assert_empty_after(60);
}

#[test]
fn a_forged_source_is_not_told_of() {
    let mut desk = Desk::new();
    let first = Phone::new().message("anna", CONTACT);
    let challenge = desk.ask(PHONE, first.clone());
    let wrong = authorized(&first, &challenge, &credentials("anna", REALM, "guess"), 2);
    assert_eq!(desk.ask("192.0.2.99:5060", wrong).status, 401);
    desk.pass_s(60);
    assert_eq!((desk.events(), desk.endpoint.counters().wrong_passwords), (vec![], 0));
}

#[test]
fn a_nonce_of_an_earlier_run_is_stale_and_a_made_up_one_is_nothing() {
    let mut desk = Desk::new();
    let first = Phone::new().message("anna", CONTACT);
    let challenge = desk.ask(PHONE, first.clone());
    let right = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), 2);
    let wrong = authorized(&first, &challenge, &credentials("anna", REALM, "x"), 3);
    desk.endpoint = Endpoint::new(desk.endpoint.config.clone(), [8; 32], desk.now);
    desk.command(Command::SetAccounts(accounts(vec![account("anna", "pw")])));
    let mut says_stale = |message: &str| {
        let response = desk.ask(PHONE, message.to_owned());
        let line = response.headers.text(&HeaderName::WwwAuthenticate).unwrap();
        line.contains("stale=true")
    };
    assert!(says_stale(&right) && says_stale(&wrong), "whatever the password is");
    for message in [right, wrong] {
        assert!(!says_stale(&message.replace("nonce=\"", "nonce=\"f")));
    }
    assert_eq!(desk.endpoint.counters().made_up_nonces, 2);
    assert_eq!(desk.endpoint.counters().wrong_passwords, 0, "nobody has looked at them");
}

#[test]
fn nobody_registers_for_somebody_else() {
    let mut desk = Desk::new();
    let mut phone = Phone::new();
    let first = phone.message("boris", CONTACT);
    let challenge = desk.ask(PHONE, first.clone());
    let second = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), 2);
    assert_eq!(desk.ask(PHONE, second).status, 403);
}

#[test]
fn rules_of_expiry_order_and_star() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let short = phone.register(&mut desk, PHONE, &format!("{CONTACT}Expires: 10\r\n"));
    assert_eq!((short.status, short.headers.text(&HeaderName::MinExpires)), (423, Some("60")));
    let long = phone.register(&mut desk, PHONE, &format!("{CONTACT}Expires: 99999999999\r\n"));
    let contact = long.headers.text(&HeaderName::Contact).unwrap().to_owned();
    assert!(contact.ends_with(";expires=3600"), "{contact}");
    desk.events();
    desk.pass_s(40);
    let mut late = Phone { cseq: 0, ..phone };
    let stale = late.register(&mut desk, PHONE, &format!("{CONTACT}Expires: 0\r\n"));
    assert_eq!(stale.status, 500);
    let mut star = Phone { cseq: 20, ..late };
    assert_eq!(star.register(&mut desk, PHONE, "Contact: *\r\nExpires: 5\r\n").status, 400);
    let both = format!("{CONTACT}Contact: *\r\nExpires: 0\r\n");
    assert_eq!(star.register(&mut desk, PHONE, &both).status, 400);
    assert_eq!(star.register(&mut desk, PHONE, "Contact: <tel:+7>\r\n").status, 400);
    assert_eq!(desk.events(), []);
    let query = star.register(&mut desk, PHONE, "");
    assert!(query.headers.line(&HeaderName::Contact).is_some());
    assert_eq!(star.register(&mut desk, PHONE, "Contact: *\r\nExpires: 0\r\n").status, 200);
    assert_eq!(told(&mut desk), [(Why::Unregistered, 0)]);
}

#[test]
fn a_repeated_register_is_answered_and_not_challenged_again() {
    let mut desk = Desk::new();
    let mut phone = Phone::new();
    let first = phone.message("anna", CONTACT);
    let challenge = desk.ask(PHONE, first.clone());
    let second = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), 2);
    assert_eq!(desk.ask(PHONE, second.clone()).status, 200);
    assert_eq!(desk.ask(PHONE, second).status, 200);
    assert_eq!(told(&mut desk).len(), 1);
}

#[test]
fn places_are_limited_and_an_instance_has_one() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    for i in 0..5 {
        phone.register(&mut desk, PHONE, &format!("Contact: <sip:anna@10.0.0.{i}>\r\n"));
    }
    let Some(Event::RegistrationChanged { bindings, .. }) = desk.events().pop() else {
        panic!("nothing told")
    };
    let contacts: Vec<_> = bindings.iter().map(|b| b.contact.as_str()).collect();
    assert_eq!(contacts, ["sip:anna@10.0.0.2", "sip:anna@10.0.0.3", "sip:anna@10.0.0.4"]);
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    for i in 0..3 {
        let instance =
            format!("Contact: <sip:anna@10.0.0.{i}>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n");
        phone.register(&mut desk, PHONE, &instance);
    }
    assert_eq!(told(&mut desk), [(Why::Registered, 1); 3]);
}

#[test]
fn a_phone_that_begins_to_say_which_it_is_leaves_no_place_behind() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let which = ";+sip.instance=\"<urn:uuid:1>\";reg-id=2";
    phone.register(&mut desk, PHONE, &format!("Contact: <sip:anna@10.0.0.1>{which}\r\n"));
    phone.register(&mut desk, PHONE, "Contact: <sip:anna@10.0.0.2>\r\n");
    assert_eq!(told(&mut desk), [(Why::Registered, 1), (Why::Registered, 2)]);
    let here = format!("Contact: <sip:anna@10.0.0.2>;expires=99{which}\r\n");
    let ok = phone.register(&mut desk, PHONE, &here);
    assert_eq!(told(&mut desk), [(Why::Registered, 1)]);
    let expected = format!("<sip:anna@10.0.0.2>;expires=99{which}");
    assert_eq!(ok.headers.text(&HeaderName::Contact), Some(expected.as_str()));
    let other = "Contact: <sip:anna@10.0.0.2>;+sip.instance=\"<urn:uuid:3>\"\r\n";
    phone.register(&mut desk, PHONE, other);
    assert_eq!(told(&mut desk), [(Why::Registered, 2)], "another phone with the same address");
}

#[test]
fn who_says_nothing_of_which_it_is_is_known_by_its_contact() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    for i in 0..2 {
        let contact = format!("Contact: <sip:anna@10.0.0.{i}>;+sip.instance=\"\"\r\n");
        phone.register(&mut desk, PHONE, &contact);
    }
    assert_eq!(told(&mut desk), [(Why::Registered, 1), (Why::Registered, 2)]);
    let odd = "Contact: <sip:anna@10.0.0.2>;+sip.instance=\"<urn:x:1>\";reg-id=\"1;q=2\"\r\n";
    let ok = phone.register(&mut desk, PHONE, odd);
    let contacts: Vec<_> = ok.headers.values(&HeaderName::Contact).collect();
    assert_eq!(contacts[2], "<sip:anna@10.0.0.2>;expires=3600;+sip.instance=\"<urn:x:1>\"");
}

#[test]
fn one_contact_written_otherwise_is_one_place() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    for contact in ["sip:anna@phone.example;line=1", "sip:%61nna@PHONE.example;ob"] {
        phone.register(&mut desk, PHONE, &format!("Contact: <{contact}>\r\n"));
    }
    assert_eq!(told(&mut desk), [(Why::Registered, 1); 2]);
}

#[test]
fn a_contact_that_is_named_twice_in_one_request_is_one_place() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let here = "Contact: <sip:anna@10.0.0.5:5062>;expires=100\r\nContact: <sip:anna@10.0.0.5:5062>;expires=200\r\n";
    let ok = phone.register(&mut desk, PHONE, here);
    assert_eq!(ok.headers.text(&HeaderName::Contact), Some("<sip:anna@10.0.0.5:5062>;expires=200"));
    assert_eq!(told(&mut desk), [(Why::Registered, 1)]);
    let phone_of = |port: u16| format!("<sip:anna@10.0.0.5:{port}>;+sip.instance=\"<urn:uuid:1>\"");
    let both = format!("Contact: {}, {}\r\n", phone_of(5071), phone_of(5072));
    phone.register(&mut desk, PHONE, &both);
    assert_eq!(told(&mut desk), [(Why::Registered, 2)], "and the one before");
}

fn dial(desk: &mut Desk, binding: u64) {
    let caller = CallerId { number: "102".into(), name: String::new(), ..CallerId::default() };
    let (leg, target) = (LegId(FIRST_DIALLED_LEG), Target::Binding(binding));
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
}

fn binding(desk: &mut Desk) -> u64 {
    let Some(Event::RegistrationChanged { bindings, .. }) = desk.events().pop() else {
        panic!("nothing told")
    };
    bindings[0].id
}

#[test]
fn a_device_is_called_where_it_was_seen_and_never_gets_our_digest() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let path = format!("{CONTACT}Require: path\r\nPath: <sip:edge@203.0.113.5:5062;lr>\r\n");
    assert!(phone.register(&mut desk, PHONE, &path).headers.line(&HeaderName::Path).is_some());
    let id = binding(&mut desk);
    dial(&mut desk, id);
    let (to, message) = desk.sent().remove(0);
    assert_eq!(to, peer(PHONE));
    let Message::Request(invite) = message else { panic!("a response") };
    assert_eq!(invite.uri, "sip:anna@10.0.0.5:5062");
    let routes: Vec<_> = invite.headers.values(&HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:edge@203.0.113.5:5062;lr>"]);
    let mut challenge = invite.response(401, "Unauthorized", Some("x"));
    challenge
        .headers
        .push(HeaderName::WwwAuthenticate, "Digest realm=\"demo.example\", nonce=\"n\"");
    desk.hear(PHONE, challenge.to_bytes());
    assert_eq!(desk.methods(), ["ACK"]);
    assert_eq!(desk.one_end(), (401, EndedBy::Peer));
    dial(&mut desk, id + 1);
    assert_eq!(desk.one_end(), (480, EndedBy::Timeout));
}

#[test]
fn a_broken_connection_takes_its_places_and_ringing_calls_along() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let first = phone.message("anna", CONTACT);
    desk.hear_tcp(4, PHONE, first.clone());
    let challenge = desk.one_response();
    let second = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), 2);
    desk.hear_tcp(4, PHONE, second);
    assert_eq!(desk.one_response().status, 200);
    let id = binding(&mut desk);
    dial(&mut desk, id);
    assert_eq!(desk.endpoint.poll_transmit().unwrap().flow.connection, Some(4));
    desk.endpoint.handle_connection_closed(desk.now, 5);
    assert_eq!(desk.events(), []);
    desk.endpoint.handle_connection_closed(desk.now, 4);
    let events = desk.events();
    assert!(matches!(&events[0], Event::Ended(_, end) if end.status == 503), "{events:?}");
    assert!(
        matches!(&events[1], Event::RegistrationChanged { why: Why::Expired, bindings, .. } if bindings.is_empty())
    );
    assert!(desk.endpoint.registrar.len() == (0, 0));
}

#[test]
fn a_call_follows_its_phone_to_the_connection_that_it_comes_back_by() {
    let which = |id: u32| {
        format!("Contact: <sip:anna@10.0.0.5:5062>;+sip.instance=\"<urn:uuid:{id}>\"\r\n")
    };
    let elsewhere = "198.51.100.77:40001";
    for (is_known_broken, back_from, back_as, leads_to) in [
        (true, elsewhere, which(1), Some(5)),
        (true, PHONE, which(2), None),
        (true, PHONE, CONTACT.to_owned(), Some(5)),
        (true, elsewhere, CONTACT.to_owned(), None),
        (false, elsewhere, which(1), Some(5)),
        (false, PHONE, which(2), Some(4)),
        (false, elsewhere, CONTACT.to_owned(), Some(5)),
    ] {
        let (mut desk, mut phone) = (Desk::new(), Phone::new());
        phone.register_tcp(&mut desk, 4, PHONE, &which(1));
        let id = binding(&mut desk);
        dial(&mut desk, id);
        let invite = desk.one_request();
        let mut ok = invite.response(200, "OK", Some("phone"));
        ok.headers.push(HeaderName::Contact, "<sip:anna@10.0.0.5:5062>");
        ok.headers.push(HeaderName::ContentType, "application/sdp");
        ok.body = SDP.into();
        desk.hear_tcp(4, PHONE, ok.to_bytes());
        assert_eq!(desk.methods(), ["ACK"]);
        if is_known_broken {
            desk.endpoint.handle_connection_closed(desk.now, 4);
        }
        phone.register_tcp(&mut desk, 5, back_from, &back_as);
        let leg = LegId(FIRST_DIALLED_LEG);
        let by = EndedBy::Us;
        desk.command(Command::HangUp { leg, status: 480, reason: String::new(), by });
        let bye = desk.endpoint.poll_transmit().unwrap();
        assert!(bye.bytes.starts_with(b"BYE "));
        assert_eq!(bye.flow.connection, leads_to, "{is_known_broken} {back_from} {back_as}");
        let expected = if leads_to == Some(5) { back_from } else { PHONE };
        assert_eq!(bye.flow.peer, peer(expected));
        assert!(desk.endpoint.legs_by_connection.is_empty());
    }
}

#[test]
fn a_connection_is_proven_by_a_password_and_needed_while_somebody_is_there() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let first = phone.message("anna", CONTACT);
    desk.hear_tcp(4, PHONE, first.clone());
    assert_eq!(desk.events(), []);
    let challenge = desk.one_response();
    desk.hear_tcp(4, PHONE, authorized(&first, &challenge, &credentials("anna", REALM, "pw"), 2));
    assert_eq!(desk.events()[0], Event::Proven(4));
    let caller = desk.next_caller();
    desk.hear_tcp(5, CARRIER, caller.invite().replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
    assert_eq!(desk.events()[0], Event::Proven(5));
    let needed = |desk: &Desk| [3, 4, 5].map(|connection| desk.endpoint.is_needed(connection));
    assert_eq!(needed(&desk), [false, true, true]);
    desk.pass_s(3_600);
    assert_eq!(needed(&desk), [false, false, false]);
    desk.assert_empty_after(60);
    assert!(desk.endpoint.legs_by_connection.is_empty());
}

#[test]
fn who_registers_too_often_proves_nothing_by_it() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    for connection in 0..40 {
        let first = phone.message("anna", CONTACT);
        desk.hear_tcp(connection, PHONE, first.clone());
        let challenge = desk.one_response();
        let mine = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), phone.cseq);
        desk.hear_tcp(connection, PHONE, mine);
        desk.sent();
    }
    let proven = desk.events().into_iter().filter(|event| matches!(event, Event::Proven(_)));
    assert_eq!(proven.count(), 30);
    let needed = (0..40).filter(|connection| desk.endpoint.is_needed(*connection));
    assert_eq!(needed.count(), 1, "one phone, one place");
}

fn restored(contact: &str, transport: Transport) -> RestoredBinding {
    RestoredBinding {
        company: "demo".into(),
        device: "anna-desk".into(),
        contact: contact.into(),
        source: peer(PHONE),
        transport,
        expires_in: Duration::from_secs(100),
        call_id: "r1".into(),
        cseq: 1,
        user_agent: String::new(),
        path: Vec::new(),
        instance: None,
    }
}

#[test]
fn restored_places_are_reachable_and_give_way_to_live_ones() {
    let mut desk = Desk::new();
    let here = "sip:anna@203.0.113.5:5099";
    let ghost = RestoredBinding { device: "ghost".into(), ..restored(here, Transport::Udp) };
    desk.command(Command::RestoreBindings(vec![restored(here, Transport::Tcp), ghost]));
    let id = binding(&mut desk);
    dial(&mut desk, id);
    let flow = desk.endpoint.poll_transmit().unwrap().flow;
    assert_eq!(
        (flow.peer, flow.connection),
        (peer("203.0.113.5:5099"), None),
        "to be connected anew"
    );
    desk.endpoint.handle_unreachable(desk.now, Transport::Tcp, flow.peer, "");
    assert_eq!(desk.one_end(), (503, EndedBy::Timeout));
    desk.command(Command::RestoreBindings(vec![restored(here, Transport::Udp)]));
    assert_eq!(told(&mut desk), [(Why::Registered, 1)], "not twice");
    desk.pass_s(100);
    assert_eq!(told(&mut desk), [(Why::Expired, 0)]);
}

#[test]
fn a_restored_stream_is_opened_only_to_where_the_register_came_from() {
    for contact in ["sip:anna@10.0.0.5:5062", "sip:anna@internal.example:22", "sip:anna@[::1]:22"] {
        let mut desk = Desk::new();
        desk.command(Command::RestoreBindings(vec![restored(contact, Transport::Tcp)]));
        assert_eq!(told(&mut desk), [(Why::Expired, 0)], "offline until it comes back: {contact}");
        desk.command(Command::RestoreBindings(vec![restored(contact, Transport::Udp)]));
        let id = binding(&mut desk);
        dial(&mut desk, id);
        assert_eq!(desk.sent()[0].0, peer(PHONE), "a datagram goes back through the NAT");
    }
    let mut desk = Desk::new();
    let path = |host: &str| vec![format!("<sip:edge@{host}:5063;transport=tcp;lr>")];
    for (host, count) in [("203.0.113.5", 1), ("10.0.0.5", 0)] {
        let behind = RestoredBinding {
            path: path(host),
            contact: format!("sip:anna@{host}.example"),
            ..restored("", Transport::Tcp)
        };
        desk.command(Command::SetAccounts(accounts(vec![])));
        desk.command(Command::SetAccounts(accounts(vec![account("anna", "pw")])));
        desk.events();
        desk.command(Command::RestoreBindings(vec![behind]));
        assert_eq!(told(&mut desk)[0].1, count, "{host}");
    }
}

#[test]
fn a_phone_that_says_which_it_is_replaces_its_place_of_an_earlier_run() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    let contact = "Contact: <sip:anna@10.0.0.1>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n";
    phone.register(&mut desk, PHONE, contact);
    let Some(Event::RegistrationChanged { bindings, .. }) = desk.events().pop() else {
        panic!("nothing told")
    };
    let mut desk = Desk::new();
    let instance = bindings[0].instance.clone();
    let before = RestoredBinding { instance, ..restored("sip:anna@10.0.0.1", Transport::Udp) };
    desk.command(Command::RestoreBindings(vec![before]));
    assert_eq!(told(&mut desk), [(Why::Registered, 1)]);
    phone.register(&mut desk, PHONE, &contact.replace("10.0.0.1", "10.0.0.2"));
    assert_eq!(told(&mut desk), [(Why::Registered, 1)], "it moved");
}

#[test]
fn an_account_that_goes_takes_its_places_along() {
    let (mut desk, mut phone) = (Desk::new(), Phone::new());
    phone.register(&mut desk, PHONE, CONTACT);
    desk.events();
    desk.command(Command::SetAccounts(accounts(vec![
        account("anna", "pw"),
        account("boris", "pw"),
    ])));
    assert_eq!(desk.events(), []);
    desk.command(Command::SetAccounts(accounts(vec![account("boris", "pw")])));
    assert_eq!(told(&mut desk), [(Why::Removed, 0)]);
    desk.assert_empty_after(3600);
}

#[test]
fn accounts_that_go_together_are_told_in_their_order() {
    let mut desk = Desk::new();
    let names: Vec<String> = (0..30).map(|i| format!("phone{i:02}")).collect();
    desk.command(Command::SetAccounts(accounts(names.iter().map(|n| account(n, "pw")).collect())));
    let place = |name| RestoredBinding {
        device: format!("{name}-desk"),
        ..restored("sip:a@203.0.113.5:5062", Transport::Udp)
    };
    desk.command(Command::RestoreBindings(names.iter().map(place).collect()));
    desk.events();
    desk.command(Command::SetAccounts(accounts(vec![])));
    let device = |event| match event {
        Event::RegistrationChanged { device, why: Why::Removed, .. } => device,
        other => panic!("{other:?}"),
    };
    let gone: Vec<String> = desk.events().into_iter().map(device).collect();
    assert!(gone.len() == 30 && gone.is_sorted(), "{gone:?}");
}
