//! Guessers, flooders and garblers are banned; nobody else is, whatever others do in their name.

use super::*;

const EVIL: &str = "203.0.113.66:5060";
/// Another phone behind the address of `PHONE`.
const BESIDE: &str = "203.0.113.5:7000";
const S: Duration = Duration::from_secs(1);

impl Desk {
    /// Registers as `user` with `password` by a datagram from `from`; the final status.
    fn register_as(&mut self, from: &str, user: &str, password: &str) -> u16 {
        self.register_with(from, from, user, password).status
    }

    /// The same with a nonce that was given to `asked`.
    fn register_with(&mut self, asked: &str, from: &str, user: &str, password: &str) -> Response {
        self.serial += 1;
        let first = register(user, self.serial);
        let challenge = self.ask(asked, first.clone());
        let second = authorized(&first, &challenge, &credentials(user, REALM, password), 2);
        self.ask(from, second)
    }

    fn is_away(&mut self, from: &str) -> bool {
        self.endpoint.turns_away(self.now, peer(from).ip())
    }

    fn bans(&mut self) -> Vec<(String, BanReason, u64, u32)> {
        let ban = |event| match event {
            Event::SourceBanned { source, why, lasts, times, .. } => {
                Some((source.to_string(), why, lasts.as_secs(), times))
            }
            _ => None,
        };
        self.events().into_iter().filter_map(ban).collect()
    }
}

fn register(user: &str, serial: u32) -> String {
    format!(
        "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKb{serial};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@{REALM}>;tag=1\r\nTo: <sip:{user}@{REALM}>\r\n\
         Call-ID: b{serial}\r\nCSeq: 1 REGISTER\r\nContact: <sip:{user}@10.0.0.5:{serial}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn guess(desk: &mut Desk, from: &str, times: u32) {
    for i in 0..times {
        desk.register_as(from, &format!("user{i}"), "guess");
    }
}

fn banned(source: &str, lasts_s: u64, times: u32) -> Vec<(String, BanReason, u64, u32)> {
    vec![(source.to_owned(), BanReason::WrongPasswords, lasts_s, times)]
}

#[test]
fn who_guesses_is_banned_and_each_time_for_longer() {
    let mut desk = Desk::new();
    for _ in 0..10 {
        assert_eq!(desk.register_as(EVIL, "anna", "guess"), 401);
    }
    // The right one, too late: nobody looks at it any more.
    assert_eq!(desk.register_as(EVIL, "anna", "pw"), 503);
    guess(&mut desk, EVIL, 9);
    assert_eq!((desk.bans(), desk.is_away(EVIL)), (vec![], false));
    guess(&mut desk, EVIL, 1);
    assert_eq!(desk.bans(), banned("203.0.113.66", 300, 1));
    assert!(desk.is_away(EVIL) && desk.is_away("203.0.113.66:9") && !desk.is_away(PHONE));
    assert_eq!((desk.endpoint.counters().bans, desk.endpoint.counters().turned_away), (1, 2));
    desk.pass_s(299);
    assert!(desk.is_away(EVIL));
    desk.pass_s(1);
    assert!(!desk.is_away(EVIL));
    desk.events();
    guess(&mut desk, EVIL, 30);
    assert_eq!(desk.bans(), banned("203.0.113.66", 1_200, 2));
    assert_eq!(desk.endpoint.banned(desk.now), 1);
    desk.pass_s(86_400 + 1_200);
    guess(&mut desk, EVIL, 30);
    assert_eq!(desk.bans(), banned("203.0.113.66", 300, 1), "all is forgotten");
}

#[test]
fn a_phone_with_an_old_password_is_not_banned() {
    let mut desk = Desk::new();
    for _ in 0..500 {
        assert_eq!(desk.register_as(PHONE, "anna", "old"), 401);
        desk.pass_s(20);
    }
    assert_eq!(desk.endpoint.counters().bans, 0);
}

#[test]
fn nobody_is_banned_for_what_is_sent_in_their_name() {
    let mut desk = Desk::new();
    for i in 0..200 {
        // With a nonce that was given to another, with one made up, and with none.
        assert_eq!(desk.register_with(EVIL, PHONE, "anna", "guess").status, 401);
        let first = register("anna", 10_000 + i);
        let mut challenge = desk.ask(PHONE, first.clone());
        let line = challenge.headers.text(&HeaderName::WwwAuthenticate).unwrap().to_owned();
        challenge.headers = Default::default();
        challenge.headers.push(HeaderName::WwwAuthenticate, line.replace("nonce=\"", "nonce=\"1"));
        let second = authorized(&first, &challenge, &credentials("anna", REALM, "guess"), 2);
        assert_eq!(desk.ask(PHONE, second).status, 401);
        desk.hear(PHONE, "BYE nonsense".to_owned());
        desk.sent();
    }
    desk.pass_s(60);
    assert_eq!((desk.bans(), desk.is_away(PHONE)), (vec![], false));
    assert_eq!(desk.register_as(PHONE, "anna", "pw"), 200);
}

#[test]
fn who_may_not_be_banned_is_slowed() {
    let mut desk = Desk::with(|config| {
        config.never_banned = vec![(peer("[::ffff:203.0.113.0]:1").ip(), 96 + 24)];
    });
    for from in [CARRIER, EVIL] {
        guess(&mut desk, from, 100);
        assert_eq!((desk.bans(), desk.is_away(from)), (vec![], false), "{from}");
        assert_eq!(desk.register_as(from, "user", "guess"), 503);
        let late = desk.register_with(from, from, "anna", "pw");
        assert_eq!(late.status, 503);
        assert_eq!(late.headers.text(&HeaderName::RetryAfter), Some("20"));
        desk.pass_s(20);
        assert_eq!(desk.register_as(from, "anna", "pw"), 200, "{from}");
        desk.pass_s(20);
    }
    assert!(desk.endpoint.counters().slowed > 160);
}

#[test]
fn an_office_keeps_its_telephones_whatever_one_of_them_tries() {
    let mut desk = Desk::new();
    let table = vec![account("anna", "pw"), account("boris", "pw"), account("new", "pw")];
    let numbers = [("demo".to_owned(), vec!["112".to_owned()])].into();
    let table = super::Accounts::from(table).with_emergency_numbers(numbers);
    desk.command(Command::SetAccounts(table.into()));
    assert_eq!(desk.register_as(PHONE, "anna", "pw"), 200);
    assert_eq!(desk.register_as("203.0.113.5:5070", "boris", "pw"), 200);
    // One phone with a wrong password, ten times a second for ten minutes.
    let mut looked_at = 0;
    for i in 0..6_000 {
        looked_at += u32::from(desk.register_as(BESIDE, "anna", "old") == 401);
        desk.pass(S / 10);
        if i % 1_000 == 0 {
            assert_eq!(desk.register_as("203.0.113.5:5070", "boris", "pw"), 200);
            assert_eq!(desk.register_as(PHONE, "anna", "pw"), 200, "by its own flow");
        }
    }
    assert!((30..60).contains(&looked_at), "{looked_at}");
    assert_eq!((desk.bans(), desk.is_away(PHONE)), (vec![], false));
    desk.register_as(BESIDE, "anna", "old");
    // What it costs: who is not registered yet has to be patient.
    assert_eq!(desk.register_as("203.0.113.5:5071", "new", "pw"), 503);
    desk.events();
    let help =
        desk.next_caller().invite().replace("sip:+7916@carrier.example", "sip:anna@demo.example");
    let help = help.replace("sip:+74951234501@192.0.2.1", "sip:112@demo.example");
    let challenge = desk.ask(PHONE, help.clone());
    desk.hear(PHONE, authorized(&help, &challenge, &credentials("anna", REALM, "pw"), 2));
    assert_eq!(desk.statuses(), [100]);
    let events = desk.events();
    assert!(matches!(&events[..], [Event::Incoming(call)] if call.called == "112"), "{events:?}");
}

#[test]
fn streams_of_garbage_are_banned_within_a_minute() {
    let mut desk = Desk::new();
    let flow = |connection, from| Flow {
        listener: 1,
        transport: Transport::Tcp,
        peer: peer(from),
        connection: Some(connection),
    };
    for connection in 0..10 {
        desk.endpoint.handle_garbage(desk.now, flow(connection, EVIL));
        desk.hear_tcp(connection, EVIL, "GET / HTTP/1.1\r\n\r\n");
        desk.endpoint.handle_garbage(desk.now, flow(100 + connection, "198.18.0.1:9"));
    }
    desk.pass_s(59);
    assert_eq!(desk.events(), []);
    desk.pass_s(1);
    let events = desk.events();
    let told = |event: &Event| matches!(event, Event::Malformed { count: 20, source, .. } if *source == peer(EVIL).ip());
    assert!(events.iter().any(told), "{events:?}");
    let is_ban =
        |event: &Event| matches!(event, Event::SourceBanned { why: BanReason::Garbage, .. });
    assert_eq!(events.iter().filter(|event| is_ban(event)).count(), 1);
    assert!(desk.is_away(EVIL) && !desk.is_away("198.18.0.1:9"));
    assert_eq!(desk.endpoint.counters().malformed, 30);
}

#[test]
fn streams_of_requests_are_banned_unless_somebody_is_registered_there() {
    let mut desk = Desk::new();
    for serial in 0..400 {
        for (connection, from) in [(1, EVIL), (2, PHONE)] {
            desk.hear_tcp(connection, from, register(&format!("user{serial}"), serial));
            assert_eq!(desk.statuses(), [401]);
        }
        desk.hear("198.18.0.1:5060", register("user", serial));
        desk.sent();
    }
    assert_eq!(desk.register_as(PHONE, "anna", "pw"), 200, "an office has come back");
    desk.pass_s(60);
    assert_eq!(desk.bans(), [("203.0.113.66".to_owned(), BanReason::Flood, 300, 1)]);
    desk.assert_empty_after(3_700);
}

#[test]
fn a_network_of_ipv6_is_banned_whole_but_for_the_carrier_in_it() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![trunk("carrier", "[2001:db8::9]:5060")]));
    for i in 0..21 {
        desk.register_as(&format!("[2001:db8::{i:x}f]:5060"), "anna", "guess");
    }
    assert_eq!(desk.bans(), banned("2001:db8::", 300, 1));
    assert!(desk.is_away("[2001:db8::abcd]:1") && !desk.is_away("[2001:db8:0:1::1]:1"));
    assert!(!desk.is_away("[2001:db8::9]:1"));
}

#[test]
fn bans_outlive_a_restart_and_can_be_lifted() {
    let mut desk = Desk::new();
    assert_eq!(desk.register_as(PHONE, "anna", "pw"), 200);
    desk.events();
    let restored = |from: &str, left_s, times| RestoredBan {
        source: peer(from).ip(),
        left: left_s * S,
        forgotten_in: 1_000 * S,
        times,
    };
    desk.command(Command::RestoreBans(vec![
        restored(EVIL, 500, 1),
        restored(PHONE, 500, 1),
        restored("198.18.0.1:9", 0, 2),
    ]));
    assert_eq!(desk.events(), [Event::BanLifted(peer(PHONE).ip())]);
    assert!(desk.is_away(EVIL) && !desk.is_away(PHONE) && !desk.is_away("198.18.0.1:9"));
    guess(&mut desk, "198.18.0.1:9", 30);
    assert_eq!(desk.bans(), banned("198.18.0.1", 4_800, 3));
    desk.command(Command::LiftBan(peer("198.18.0.1:9").ip()));
    desk.command(Command::LiftBan(peer("198.18.0.1:9").ip()));
    assert_eq!(desk.events(), [Event::BanLifted(peer("198.18.0.1:9").ip())]);
    assert!(!desk.is_away("198.18.0.1:9") && desk.is_away(EVIL));
    assert_eq!(desk.register_as("198.18.0.1:9", "anna", "pw"), 200);
}
