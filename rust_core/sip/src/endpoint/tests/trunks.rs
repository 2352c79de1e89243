//! Our registrations at trunks, and whose a call is.

use super::*;

fn registering() -> Trunk {
    Trunk {
        credentials: Some(credentials("me", "carrier", "secret")),
        register: true,
        ..trunk("carrier", CARRIER)
    }
}

/// A desk whose only trunk registers, and its first REGISTER.
fn started() -> (Desk, Request) {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![registering()]));
    let register = desk.one_request();
    (desk, register)
}

fn host(name: &str) -> Host {
    Host { name: name.to_owned(), port: Some(5060), transport: Transport::Udp }
}

fn challenge(request: &Request, status: u16, realm: &str) -> Bytes {
    let mut response = request.response(status, "Who are you", Some("x"));
    let name =
        if status == 401 { HeaderName::WwwAuthenticate } else { HeaderName::ProxyAuthenticate };
    response.headers.push(name, format!("Digest realm=\"{realm}\", nonce=\"n1\", qop=\"auth\""));
    response.to_bytes()
}

fn accepted(request: &Request, expires: &str) -> Bytes {
    let mut response = request.response(200, "OK", Some("x"));
    let contact = request.headers.text(&HeaderName::Contact).unwrap();
    response.headers.push(HeaderName::Contact, format!("{contact};expires={expires}"));
    response.to_bytes()
}

fn states(desk: &mut Desk) -> Vec<(bool, u16)> {
    let states = desk.events().into_iter().map(|event| match event {
        Event::TrunkChanged(state) => (state.registered, state.status),
        other => panic!("{other:?}"),
    });
    states.collect()
}

#[test]
fn a_trunk_is_registered_refreshed_at_80_percent_and_left() {
    let (mut desk, register) = started();
    assert_eq!(register.uri, "sip:198.51.100.9");
    assert_eq!(register.headers.text(&HeaderName::Contact), Some("<sip:carrier@192.0.2.1:5060>"));
    desk.hear(CARRIER, challenge(&register, 401, "carrier"));
    let again = desk.one_request();
    assert!(again.headers.text(&HeaderName::Authorization).unwrap().contains("nc=00000001"));
    desk.hear(CARRIER, accepted(&again, "100"));
    assert_eq!(states(&mut desk), [(true, 200)]);
    desk.pass_s(69);
    assert_eq!(desk.sent(), []);
    desk.pass_s(1);
    let refresh = desk.one_request();
    assert!(refresh.headers.text(&HeaderName::Authorization).unwrap().contains("nc=00000002"));
    assert_eq!(
        refresh.headers.line(&HeaderName::CallId),
        register.headers.line(&HeaderName::CallId)
    );
    desk.hear(CARRIER, accepted(&refresh, "100"));
    assert_eq!(states(&mut desk), [], "no news");
    desk.command(Command::SetTrunks(vec![]));
    let leave = desk.one_request();
    assert_eq!(leave.headers.text(&HeaderName::Expires), Some("0"));
    desk.hear(CARRIER, accepted(&leave, "0"));
    desk.assert_empty_after(300);
}

#[test]
fn a_trunk_that_is_left_before_it_is_answered_is_taken_back_all_the_same() {
    let (mut desk, register) = started();
    desk.hear(CARRIER, challenge(&register, 401, "carrier"));
    let again = desk.one_request();
    desk.command(Command::SetTrunks(vec![]));
    let leave = desk.one_request();
    assert_eq!(leave.headers.text(&HeaderName::Expires), Some("0"));
    assert!(leave.headers.text(&HeaderName::Authorization).unwrap().contains("nc=00000002"));
    let number = |request: &Request| request.cseq().unwrap().number;
    assert!(number(&leave) > number(&again));
    desk.hear(CARRIER, accepted(&again, "100"));
    desk.hear(CARRIER, accepted(&leave, "0"));
    assert_eq!(states(&mut desk), []);
    desk.assert_empty_after(300);
}

#[test]
fn our_contact_is_known_in_the_words_of_the_carrier() {
    let (mut desk, register) = started();
    let mut ok = register.response(200, "OK", Some("x"));
    let others = "<sip:carrier@192.0.2.1:5061>;expires=7, <sip:else@192.0.2.1:5060>;expires=8";
    ok.headers.push(HeaderName::Contact, others);
    ok.headers.push(HeaderName::Contact, "\"me\" <SIP:carri%65r@192.0.2.1:5060;x=y>;expires=100");
    ok.headers.push(HeaderName::Expires, "1000");
    desk.hear(CARRIER, ok.to_bytes());
    desk.pass_s(69);
    assert_eq!(desk.sent(), []);
    desk.pass_s(1);
    assert_eq!(desk.one_request().method, Method::Register);
}

#[test]
fn short_registrations_are_not_refreshed_without_pause() {
    for (granted, pause_s) in [("40", 32), ("60", 48), ("1", 1)] {
        let (mut desk, register) = started();
        desk.hear(CARRIER, accepted(&register, granted));
        desk.pass(Duration::from_secs(pause_s) - Duration::from_millis(1));
        assert_eq!(desk.sent(), []);
        desk.pass(Duration::from_millis(1));
        assert_eq!(desk.methods(), ["REGISTER"]);
    }
}

#[test]
fn a_registration_for_ever_lasts_a_day() {
    let (mut desk, register) = started();
    desk.hear(CARRIER, accepted(&register, &u64::MAX.to_string()));
    assert_eq!(states(&mut desk), [(true, 200)]);
    desk.pass_s(69_120);
    assert_eq!(desk.methods(), ["REGISTER"]);
}

#[test]
fn a_proxy_that_asks_gets_proxy_authorization() {
    let (mut desk, register) = started();
    desk.hear(CARRIER, challenge(&register, 407, "carrier"));
    let again = desk.one_request();
    let has = |name| again.headers.line(&name).is_some();
    assert!(has(HeaderName::ProxyAuthorization) && !has(HeaderName::Authorization));
}

#[test]
fn a_foreign_realm_gets_no_digest() {
    let (mut desk, register) = started();
    desk.hear(CARRIER, challenge(&register, 401, "evil"));
    assert_eq!(desk.sent(), []);
    let told = desk.events().pop();
    let Some(Event::TrunkChanged(state)) = told else { panic!("{told:?}") };
    assert_eq!((state.registered, state.status), (false, 401));
    assert_eq!(state.reason, "the carrier's realm is \"evil\", not \"carrier\"");
}

#[test]
fn a_wrong_secret_is_not_tried_for_ever() {
    let (mut desk, register) = started();
    let mut request = register;
    for _ in 0..2 {
        desk.hear(CARRIER, challenge(&request, 401, "carrier"));
        request = desk.one_request();
    }
    desk.hear(CARRIER, challenge(&request, 401, "carrier"));
    assert_eq!(desk.sent(), []);
    assert_eq!(states(&mut desk), [(false, 401)]);
}

#[test]
fn failures_are_tried_again_with_growing_pauses_and_told_once() {
    let (mut desk, register) = started();
    let (mut request, mut pauses) = (register, Vec::new());
    for attempt in 1..=10 {
        let status = if attempt < 10 { 503 } else { 403 };
        desk.hear(CARRIER, request.response(status, "No", Some("x")).to_bytes());
        let failed_at = desk.now;
        let due = loop {
            desk.pass(Duration::from_millis(100));
            if let Some(next) = desk.requests().pop() {
                break next;
            }
        };
        pauses.push((desk.now - failed_at).as_secs_f64());
        request = due;
    }
    assert_eq!(states(&mut desk), [(false, 503), (false, 403)]);
    for (i, pause) in pauses.iter().enumerate() {
        let middle = f64::from(2_u32 << i.min(6)).min(120.0);
        assert!((middle * 0.79..middle * 1.21 + 0.1).contains(pause), "{pauses:?}");
    }
    desk.hear(CARRIER, accepted(&request, "300"));
    assert_eq!(states(&mut desk), [(true, 200)]);
}

#[test]
fn a_refusal_for_another_reason_is_told() {
    let (mut desk, mut register) = started();
    let mut told = Vec::new();
    for reason in ["Unknown user", "Unknown user", "Account\u{202e} closed"] {
        desk.hear(CARRIER, register.response(403, reason, Some("x")).to_bytes());
        register = loop {
            desk.pass(Duration::from_millis(100));
            if let Some(next) = desk.requests().pop() {
                break next;
            }
        };
        told.extend(desk.events().into_iter().map(|event| match event {
            Event::TrunkChanged(state) if state.status == 403 => state.reason,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(told, ["Unknown user", "Account closed"]);
}

#[test]
fn silence_is_408_and_423_is_obeyed() {
    let (mut desk, _) = started();
    desk.pass_s(32);
    assert_eq!(states(&mut desk), [(false, 408)]);
    let (mut desk, register) = started();
    let mut brief = register.response(423, "Interval Too Brief", Some("x"));
    brief.headers.push(HeaderName::MinExpires, "1800");
    desk.hear(CARRIER, brief.to_bytes());
    assert_eq!(desk.one_request().headers.text(&HeaderName::Expires), Some("1800"));
}

#[test]
fn a_trunk_without_address_waits_for_it() {
    let mut desk = Desk::new();
    let hosts = TrunkHosts::of_one("sip.carrier.example", 5060, None);
    let unresolved = Trunk { hosts, ..registering() };
    desk.command(Command::SetTrunks(vec![unresolved]));
    assert_eq!(desk.sent(), []);
    let resolved = |address: Option<SocketAddr>| {
        let servers = address.map(Server::alone).into_iter().collect();
        Command::Resolved { host: host("sip.carrier.example"), servers }
    };
    desk.command(resolved(None));
    assert_eq!((desk.sent(), states(&mut desk)), (vec![], vec![(false, 503)]));
    desk.command(resolved(Some(peer(CARRIER))));
    let (to, register) = desk.sent().remove(0);
    assert_eq!(to, peer(CARRIER));
    let Message::Request(register) = register else { panic!("a response") };
    desk.hear(CARRIER, accepted(&register, "300"));
    assert_eq!(states(&mut desk), [(true, 200)]);
}

#[test]
fn shutting_down_takes_the_registration_back() {
    let (mut desk, register) = started();
    desk.hear(CARRIER, accepted(&register, "300"));
    desk.command(Command::Shutdown);
    let leave = desk.one_request();
    desk.hear(CARRIER, challenge(&leave, 401, "carrier"));
    let again = desk.one_request();
    assert_eq!(again.headers.text(&HeaderName::Expires), Some("0"));
    desk.hear(CARRIER, accepted(&again, "0"));
    assert!(desk.endpoint.is_idle());
    desk.assert_empty_after(400);
}

/// A desk whose only trunk is registered.
fn registered() -> Desk {
    let (mut desk, register) = started();
    desk.hear(CARRIER, challenge(&register, 401, "carrier"));
    let again = desk.one_request();
    desk.hear(CARRIER, accepted(&again, "300"));
    assert_eq!(states(&mut desk), [(true, 200)]);
    desk
}

#[test]
fn the_answer_to_a_farewell_is_not_taken_for_the_new_registration() {
    let mut desk = registered();
    let other = credentials("other", "carrier", "new");
    desk.command(Command::SetTrunks(vec![Trunk { credentials: Some(other), ..registering() }]));
    let [leave, register] = <[Request; 2]>::try_from(desk.requests()).unwrap();
    assert_eq!(leave.headers.text(&HeaderName::Expires), Some("0"));
    assert_eq!(register.headers.text(&HeaderName::To), Some("<sip:other@198.51.100.9>"));
    assert_eq!(states(&mut desk), [(false, 0)], "registering");
    desk.hear(CARRIER, challenge(&leave, 401, "carrier"));
    let again = desk.one_request();
    assert_eq!(again.headers.text(&HeaderName::Expires), Some("0"));
    let authorization = again.headers.text(&HeaderName::Authorization).unwrap();
    assert!(authorization.contains("username=\"me\""), "{authorization}");
    desk.hear(CARRIER, accepted(&again, "0"));
    assert_eq!((states(&mut desk), desk.endpoint.counters().trunks_registered), (vec![], 0));
    desk.hear(CARRIER, accepted(&register, "300"));
    assert_eq!(states(&mut desk), [(true, 200)]);
}

#[test]
fn a_changed_trunk_is_registered_at_once() {
    let secret = Some(credentials("me", "carrier", "other"));
    let changes = [
        (Trunk { credentials: secret, ..registering() }, vec!["300"]),
        (Trunk { expires: Duration::from_secs(600), ..registering() }, vec!["600"]),
        (Trunk { transport: Transport::Tcp, ..registering() }, vec!["0", "300"]),
        (
            Trunk { hosts: at("198.51.100.9", peer("198.51.100.10:5060")), ..registering() },
            vec!["0", "300"],
        ),
        (Trunk { contact_user: "another".into(), ..registering() }, vec!["0", "300"]),
        (Trunk { max_calls: Some(5), ..registering() }, vec![]),
    ];
    for (changed, asked) in changes {
        let mut desk = registered();
        desk.command(Command::SetTrunks(vec![changed.clone()]));
        let requests = desk.requests();
        let expires = |r: &Request| r.headers.text(&HeaderName::Expires).unwrap().to_owned();
        assert_eq!(requests.iter().map(expires).collect::<Vec<_>>(), asked, "{changed:?}");
    }
}

#[test]
fn a_trunk_whose_host_moved_is_registered_there_and_the_old_place_no_longer_counts() {
    let mut desk = Desk::new();
    let hosts = at("sip.carrier.example", peer(CARRIER));
    desk.command(Command::SetTrunks(vec![Trunk { hosts, ..registering() }]));
    let unanswered = desk.one_request();
    let address = peer("198.51.100.10:5060");
    let servers = vec![Server::alone(address)];
    desk.command(Command::Resolved { host: host("sip.carrier.example"), servers });
    let (to, register) = desk.sent().remove(0);
    assert_eq!(to, address);
    desk.hear(CARRIER, unanswered.response(403, "Forbidden", Some("x")).to_bytes());
    assert_eq!(states(&mut desk), []);
    let Message::Request(register) = register else { panic!("a response") };
    desk.hear("198.51.100.10:5060", accepted(&register, "300"));
    desk.pass_s(40);
    assert_eq!(states(&mut desk), [(true, 200)]);
}

fn dial(desk: &mut Desk) -> Request {
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "1".into() };
    let (leg, caller) = (LegId(FIRST_DIALLED_LEG), CallerId::default());
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg, target, caller, offer_of: None, rtp });
    desk.one_request()
}

#[test]
fn invite_and_bye_are_authorized_once_and_only_for_the_pinned_realm() {
    for (realm, is_answered) in [("carrier", true), ("evil", false)] {
        let mut desk = Desk::new();
        let quiet = Trunk { register: false, ..registering() };
        desk.command(Command::SetTrunks(vec![quiet]));
        let invite = dial(&mut desk);
        desk.hear(CARRIER, challenge(&invite, 407, realm));
        let requests = desk.requests();
        if !is_answered {
            assert_eq!(requests.len(), 1, "only the ACK");
            assert_eq!(desk.one_end(), (407, EndedBy::Peer));
            continue;
        }
        let again = &requests[1];
        assert_eq!(again.headers.text(&HeaderName::CSeq), Some("2 INVITE"));
        assert!(again.headers.line(&HeaderName::ProxyAuthorization).is_some());
        let mut ok = again.response(200, "OK", Some("a"));
        ok.headers.push(HeaderName::Contact, format!("<sip:gw@{CARRIER}>"));
        ok.body = SDP.into();
        desk.hear(CARRIER, ok.to_bytes());
        let ack = desk.one_request();
        let mine = |request: &Request| {
            request.headers.text(&HeaderName::ProxyAuthorization).map(str::to_owned)
        };
        assert_eq!((ack.method.clone(), mine(&ack)), (Method::Ack, mine(again)));
        let leg = LegId(FIRST_DIALLED_LEG);
        desk.command(Command::HangUp { leg, status: 200, reason: String::new(), by: EndedBy::Us });
        let bye = desk.one_request();
        assert_eq!(bye.headers.text(&HeaderName::CSeq), Some("3 BYE"));
        desk.hear(CARRIER, challenge(&bye, 407, "carrier"));
        let again = desk.one_request();
        assert!(again.headers.line(&HeaderName::ProxyAuthorization).is_some());
        desk.hear(CARRIER, challenge(&again, 407, "carrier"));
        assert_eq!(desk.sent(), [], "once");
    }
}

#[test]
fn an_invite_that_is_sent_again_after_its_challenge_counts_its_nonce_on() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![Trunk { register: false, ..registering() }]));
    let invite = dial(&mut desk);
    desk.hear(CARRIER, challenge(&invite, 407, "carrier"));
    let authorized = desk.requests().remove(1);
    let mut longer = authorized.response(422, "Session Interval Too Small", Some("x"));
    longer.headers.push(HeaderName::MinSe, "3600");
    desk.hear(CARRIER, longer.to_bytes());
    let again = desk.requests().remove(1);
    assert_eq!(again.headers.text(&HeaderName::CSeq), Some("3 INVITE"));
    let field = |request: &Request, name: &str| {
        let value = request.headers.text(&HeaderName::ProxyAuthorization).unwrap().to_owned();
        value.split(&format!("{name}=")).nth(1).unwrap().split(',').next().unwrap().to_owned()
    };
    let counts = [&authorized, &again].map(|request| field(request, "nc"));
    assert_eq!(counts, ["00000001", "00000002"]);
    assert_eq!(field(&authorized, "nonce"), field(&again, "nonce"));
    assert_ne!(field(&authorized, "response"), field(&again, "response"));
    assert_eq!(again.headers.lines(&HeaderName::ProxyAuthorization).count(), 1);
}

#[test]
fn a_second_challenge_of_an_invite_is_its_end() {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![Trunk { register: false, ..registering() }]));
    let invite = dial(&mut desk);
    desk.hear(CARRIER, challenge(&invite, 401, "carrier"));
    let again = desk.requests().remove(1);
    desk.hear(CARRIER, challenge(&again, 401, "carrier"));
    assert_eq!(desk.methods(), ["ACK"]);
    assert_eq!(desk.one_end(), (401, EndedBy::Peer));
}

#[test]
fn a_call_belongs_to_the_trunk_of_its_source() {
    let mut desk = Desk::new();
    let second = Trunk {
        sources: vec![("198.51.100.0".parse().unwrap(), 24), ("192.0.2.99".parse().unwrap(), 32)],
        contact_user: "+74951234501".into(),
        ..trunk("second", "192.0.2.200:5060")
    };
    desk.command(Command::SetTrunks(vec![trunk("carrier", CARRIER), second]));
    let trunk_of = |desk: &mut Desk, source: &str, change: (&str, &str)| {
        let caller = desk.next_caller();
        desk.hear(source, caller.invite().replace(change.0, change.1));
        desk.sent();
        desk.events().pop().and_then(|event| match event {
            Event::Incoming(incoming) => incoming.trunk,
            _ => None,
        })
    };
    let other = ("INVITE sip:+74951234501", "INVITE sip:102");
    assert_eq!(trunk_of(&mut desk, CARRIER, other).as_deref(), Some("carrier"));
    let same = ("", "");
    assert_eq!(trunk_of(&mut desk, CARRIER, same).as_deref(), Some("second"), "its Contact");
    assert_eq!(trunk_of(&mut desk, "198.51.100.77:9", other).as_deref(), Some("second"));
    assert_eq!(trunk_of(&mut desk, "192.0.2.99:9", other).as_deref(), Some("second"));
    assert_eq!(trunk_of(&mut desk, "192.0.2.98:9", other), None);
}

/// Whose a call of the carrier is, addressed to `user`: a company and its trunk.
fn whose(desk: &mut Desk, user: &str) -> Option<(String, String)> {
    let caller = desk.next_caller();
    let asked = format!("INVITE sip:{user}@");
    desk.hear(CARRIER, caller.invite().replacen("INVITE sip:+74951234501@", &asked, 1));
    let arrived = desk.events().into_iter().find_map(|event| match event {
        Event::Incoming(incoming) => Some((incoming.company, incoming.trunk?)),
        _ => None,
    });
    assert_eq!(desk.statuses(), [if arrived.is_some() { 100 } else { 407 }]);
    arrived
}

#[test]
fn a_registering_trunk_is_known_by_its_address_while_it_is_registered() {
    let (mut desk, register) = started();
    assert_eq!(whose(&mut desk, "carrier"), None);
    desk.hear(CARRIER, accepted(&register, "300"));
    assert!(whose(&mut desk, "carrier").is_some());
    assert!(whose(&mut desk, "+74951234501").is_some());
    desk.pass_s(290);
    desk.sent();
    desk.events();
    assert!(whose(&mut desk, "carrier").is_some(), "a refresh that fails takes nothing back");
    desk.pass_s(10);
    desk.sent();
    assert_eq!(whose(&mut desk, "carrier"), None);
}

#[test]
fn of_several_companies_trunks_at_one_address_none_is_meant_by_chance() {
    let of = |company: &str, trunk: Trunk| Trunk { company: company.into(), ..trunk };
    let registering = |company: &str| {
        of(company, Trunk { contact_user: format!("{company}-user"), ..registering() })
    };
    let by_address = of("zeta", trunk("line", CARRIER));
    let two = vec![registering("acme"), registering("beta")];
    let with_line = [two.clone(), vec![by_address.clone()]].concat();
    let cases = [
        (two.clone(), "acme-user", Some("acme")),
        (two.clone(), "beta-user", Some("beta")),
        (two, "+74951234501", None),
        (with_line.clone(), "+74951234501", Some("zeta")),
        (with_line, "beta-user", Some("beta")),
        (vec![by_address.clone(), of("acme", by_address)], "+74951234501", None),
    ];
    for (mut trunks, user, company) in cases {
        for _ in 0..2 {
            trunks.reverse();
            let mut desk = Desk::new();
            desk.command(Command::SetTrunks(trunks.clone()));
            for register in desk.requests() {
                desk.hear(CARRIER, accepted(&register, "300"));
            }
            let found = whose(&mut desk, user).map(|(company, _)| company);
            assert_eq!(found.as_deref(), company, "{user} {trunks:?}");
            let unclear = u64::from(company.is_none());
            assert_eq!(desk.endpoint.counters().unclear_trunks, unclear);
        }
    }
}

#[test]
fn of_one_companys_trunks_the_narrowest_network_is_meant() {
    let carrier = peer(CARRIER).ip();
    let within = |id: &str, network: std::net::IpAddr, length| Trunk {
        sources: vec![(network, length)],
        ..trunk(id, "192.0.2.200:5060")
    };
    let std::net::IpAddr::V4(v4) = carrier else { panic!("IPv4") };
    let mapped = v4.to_ipv6_mapped().into();
    let table = [
        (vec![within("all", carrier, 16), within("narrow", carrier, 24)], "narrow"),
        (vec![within("all", carrier, 24), within("one", carrier, 32)], "one"),
        (vec![within("all", carrier, 24), within("narrow", mapped, 96 + 28)], "narrow"),
        (vec![within("all", carrier, 24), within("one", mapped, 128)], "one"),
    ];
    for (trunks, meant) in table {
        let mut desk = Desk::new();
        desk.command(Command::SetTrunks(trunks));
        assert_eq!(whose(&mut desk, "+74951234501").unwrap().1, meant);
    }
}

#[test]
fn an_asserted_identity_is_believed_of_trunks() {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    let asserted = "P-Asserted-Identity: \"Real\" <tel:+7-495-000>\r\n";
    desk.hear(CARRIER, caller.invite_with(asserted, SDP));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    assert_eq!(
        incoming.caller,
        CallerId { number: "+7495000".into(), name: "Real".into(), ..CallerId::default() }
    );
}

#[test]
fn who_hides_the_number_is_anonymous() {
    let asserted = "P-Asserted-Identity: \"Real\" <tel:+7-495-000>\r\n";
    let real = CallerId { number: "+7495000".into(), name: "Real".into(), ..CallerId::default() };
    let hidden = CallerId { is_hidden: true, ..CallerId::default() };
    let hiding = ["id", "user; ID ;critical", "header"].map(|privacy| (privacy, true));
    let showing = ["none", "session", ""].map(|privacy| (privacy, false));
    for (privacy, is_hidden) in hiding.into_iter().chain(showing) {
        let mut desk = Desk::new();
        let extra = format!("{asserted}Privacy: {privacy}\r\n");
        let invite = desk.next_caller().invite_with(&extra, SDP);
        desk.hear(CARRIER, invite);
        let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
        assert_eq!(incoming.caller, if is_hidden { hidden.clone() } else { real.clone() });
    }
    let mut desk = Desk::new();
    let unnamed = "\"Anonymous\" <sip:Anonymous@anonymous.invalid>";
    let invite = desk.next_caller().invite();
    desk.hear(CARRIER, invite.replace("\"Ann\" <sip:+7916@carrier.example>", unnamed));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    assert_eq!(incoming.caller, hidden);
}

#[test]
fn a_call_to_our_contact_names_its_number_elsewhere() {
    let number = "sip:+74951234501@192.0.2.1 SIP/2.0";
    let called_with = |uri: &str, extra: &str, trunk: Trunk| {
        let mut desk = Desk::new();
        desk.command(Command::SetTrunks(vec![trunk]));
        for register in desk.requests() {
            desk.hear(CARRIER, accepted(&register, "300"));
        }
        desk.events();
        let call = desk.next_caller().invite_with(extra, SDP).replacen(number, uri, 1);
        desk.hear(CARRIER, Bytes::from(call));
        let called = desk.events().into_iter().find_map(|event| match event {
            Event::Incoming(incoming) => Some(incoming.called),
            _ => None,
        });
        called.unwrap()
    };
    let to_contact = "sip:carrier@192.0.2.1 SIP/2.0";
    let party = "P-Called-Party-ID: <sip:+74957777777@carrier.example>\r\n";
    assert_eq!(called_with(to_contact, "", registering()), "+74951234501");
    assert_eq!(called_with(to_contact, party, registering()), "+74957777777");
    assert_eq!(called_with(number, party, registering()), "+74951234501");
    assert_eq!(called_with(to_contact, party, trunk("carrier", CARRIER)), "carrier");
}

/// An INVITE with the carrier's source address that names somebody else for everything that follows.
fn forged(caller: &Caller) -> String {
    let elsewhere = SDP.replace("IN IP4 198.51.100.9", "IN IP4 203.0.113.66");
    caller.invite_with("", &elsewhere).replace(
        &format!("Contact: <sip:gw@{CARRIER}>"),
        "Record-Route: <sip:203.0.113.66:53;lr>\r\nContact: <sip:x@203.0.113.66:53>",
    )
}

#[test]
fn until_its_ack_a_datagram_of_a_trunk_leads_nothing_to_others() {
    let mut desk = Desk::new();
    let caller = desk.next_caller();
    desk.hear(CARRIER, forged(&caller));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    desk.command(Command::Ring(incoming.leg));
    let rtp = peer("192.0.2.1:4000");
    desk.command(Command::Answer { leg: incoming.leg, like: None, rtp });
    desk.pass_s(40);
    let sent = desk.sent();
    assert!(sent.iter().any(|(_, m)| matches!(m, Message::Request(r) if r.method == Method::Bye)));
    assert!(sent.iter().all(|(to, _)| *to == peer(CARRIER)), "{sent:?}");
    assert!(agreed_in(&desk.events()).is_empty(), "no sound");
}

#[test]
fn with_its_ack_a_trunk_may_send_us_elsewhere() {
    let mut desk = Desk::new();
    let mut caller = desk.next_caller();
    desk.hear(CARRIER, forged(&caller));
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    let leg = incoming.leg;
    desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
    caller.to_tag = tag(&desk.responses()[1]);
    desk.hear(CARRIER, caller.request("ACK", ""));
    let events = desk.events();
    assert_eq!(agreed_in(&events)[0].rtp, peer("203.0.113.66:7000"));
    assert_eq!(events.last(), Some(&Event::Answered(leg)));
    desk.command(Command::HangUp { leg, status: 200, reason: String::new(), by: EndedBy::Us });
    let (to, _) = desk.sent().remove(0);
    assert_eq!(to, peer("203.0.113.66:53"));
}

#[test]
fn a_call_outlives_the_connection_of_its_trunk() {
    let [from, elsewhere] = ["198.51.100.9:49152", "203.0.113.66:5060"];
    for (contact, leads_to) in [(CARRIER, CARRIER), (elsewhere, from)] {
        let mut desk = Desk::new();
        let mut caller = desk.next_caller();
        let named = |text: String| text.replace(&format!("gw@{CARRIER}"), &format!("gw@{contact}"));
        desk.hear_tcp(7, from, named(caller.invite()));
        let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
        let leg = incoming.leg;
        desk.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
        caller.to_tag = tag(desk.responses().last().unwrap());
        desk.hear_tcp(7, from, named(caller.request("ACK", "")));
        desk.endpoint.handle_connection_closed(desk.now, 7);
        let (reason, by) = (String::new(), EndedBy::Us);
        desk.command(Command::HangUp { leg, status: 200, reason, by });
        let bye = desk.endpoint.poll_transmit().unwrap();
        assert!(bye.bytes.starts_with(b"BYE "));
        assert_eq!((bye.flow.connection, bye.flow.peer), (None, peer(leads_to)));
    }
}
