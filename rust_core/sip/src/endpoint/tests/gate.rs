//! Strangers learn nothing, whatever they ask with, and cost nothing.

use super::*;
use crate::auth::hashes;

const METHODS: [&str; 13] = [
    "INVITE",
    "REGISTER",
    "MESSAGE",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "UPDATE",
    "PRACK",
    "BYE",
    "OPTIONS",
    "FOO",
];

/// A request out of dialog in the name of `user`, whom it also asks for.
fn request(method: &str, user: &str) -> String {
    format!(
        "{method} sip:{user}@{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bK{method};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@{REALM}>;tag=1\r\nTo: <sip:{user}@{REALM}>\r\nCall-ID: g\r\n\
         CSeq: 1 {method}\r\nContact: <sip:{user}@{PHONE}>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// What a stranger hears, without what is random in it, and the hashes that this took.
fn heard(desk: &mut Desk, message: &str, user: &str) -> (u16, String, u64) {
    let before = hashes();
    let response = desk.ask(PHONE, message.to_owned());
    let took = hashes() - before;
    let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
    let text = text.replace(&tag(&response), "TAG").replace(user, "USER");
    let nonce = text.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next());
    let text = text.replace(nonce.unwrap_or("no nonce"), "NONCE");
    (response.status, text, took)
}

fn assert_nothing_is_kept(desk: &mut Desk, of: &str) {
    let counters = desk.endpoint.counters();
    let kept = (counters.legs, counters.server_transactions, counters.timers);
    assert_eq!(kept, (0, 0, 0), "{of}");
    assert_eq!(desk.events(), [], "{of}");
}

#[test]
fn every_method_is_refused_alike_and_leaves_nothing() {
    for method in METHODS {
        let mut desk = Desk::new();
        let known = heard(&mut desk, &request(method, "anna"), "anna");
        let unknown = heard(&mut desk, &request(method, "nobody"), "nobody");
        let expected = match method {
            "REGISTER" => 401,
            "OPTIONS" => 200,
            _ => 407,
        };
        assert_eq!(known.0, expected, "{method}");
        assert_eq!(known, unknown, "{method}: the same words after the same work");
        assert!(!known.1.contains("Tandem"), "{method}: what we are is not told");
        assert_nothing_is_kept(&mut desk, method);
        assert_eq!(desk.endpoint.counters().unauthorized, if method == "OPTIONS" { 0 } else { 2 });
    }
}

#[test]
fn wrong_passwords_of_known_and_unknown_users_are_the_same_work_with_every_method() {
    for modern in [false, true] {
        for method in METHODS.into_iter().filter(|method| *method != "OPTIONS") {
            let mut desk = Desk::new();
            let mut anna = account("anna", "pw");
            anna.secrets.ha1_sha256 = modern.then(|| ha1("anna", REALM, "pw", Algorithm::Sha256));
            desk.command(Command::SetAccounts(accounts(vec![anna])));
            let heard_by = |desk: &mut Desk, user: &str| {
                let first = request(method, user);
                let challenge = desk.ask(PHONE, first.clone());
                let mut wrong = credentials(user, REALM, "guess");
                wrong.secrets.ha1_sha256 = Some(ha1(user, REALM, "guess", Algorithm::Sha256));
                heard(desk, &authorized(&first, &challenge, &wrong, 2), user)
            };
            let (known, unknown) = (heard_by(&mut desk, "anna"), heard_by(&mut desk, "nobody"));
            assert_eq!(known, unknown, "{method}");
            assert!(known.2 >= 7, "the password was looked at: {known:?}");
            assert_eq!(desk.endpoint.counters().wrong_passwords, 2);
            assert_eq!(desk.endpoint.counters().server_transactions, 0);
        }
    }
}

#[test]
fn whoever_has_shown_who_they_are_hears_what_we_lack() {
    for (method, status) in [("MESSAGE", 501), ("PUBLISH", 501), ("FOO", 501), ("INFO", 481)] {
        let mut desk = Desk::new();
        let first = request(method, "anna");
        let challenge = desk.ask(PHONE, first.clone());
        let second = authorized(&first, &challenge, &credentials("anna", REALM, "pw"), 2);
        let response = desk.ask(PHONE, second.clone());
        assert_eq!(response.status, status, "{method}");
        assert_eq!(response.headers.text(&HeaderName::Server), Some("Tandem"));
        assert_eq!(desk.ask(PHONE, second).status, status, "a repetition is not a replay");
        desk.assert_empty_after(32);
    }
}
