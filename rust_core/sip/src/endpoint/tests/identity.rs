//! Who calls: what a trunk is told, and what is believed of it.

use super::*;

const LEG: LegId = LegId(FIRST_DIALLED_LEG);

fn profile(identity: Identity, is_trusted: bool) -> Profile {
    Profile { identity, is_trusted, ..Profile::default() }
}

fn desk(profile: Profile) -> Desk {
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![Trunk { profile, ..trunk("carrier", CARRIER) }]));
    desk
}

/// The INVITE to a trunk like this, its From without tag.
fn invite(profile: Profile, is_hidden: bool) -> (Request, String) {
    let mut desk = desk(profile);
    let number = "+79161234567".to_owned();
    let target = Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number };
    let caller =
        CallerId { number: "+74951".into(), name: "Acme".into(), is_hidden, diverted: None };
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    let invite = desk.one_request();
    let from = invite.headers.text(&HeaderName::From).unwrap();
    let (address, _) = from.split_once(";tag=").unwrap();
    let address = address.to_owned();
    (invite, address)
}

const OURS: &str = "\"Acme\" <sip:+74951@198.51.100.9>";
const UNNAMED: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
const NAMES: [HeaderName; 4] = [
    HeaderName::PAssertedIdentity,
    HeaderName::PPreferredIdentity,
    HeaderName::RemotePartyId,
    HeaderName::Privacy,
];

/// What those four say, "" for nothing.
fn said(invite: &Request) -> [&str; 4] {
    std::array::from_fn(|i| invite.headers.text(&NAMES[i]).unwrap_or(""))
}

#[test]
fn each_trunk_reads_who_calls_in_its_header() {
    let party = format!("{OURS};party=calling;privacy=off;screen=yes");
    let cases = [
        (Identity::From, ["", "", "", ""]),
        (Identity::Asserted, [OURS, "", "", ""]),
        (Identity::Preferred, ["", OURS, "", ""]),
        (Identity::RemoteParty, ["", "", party.as_str(), ""]),
    ];
    for (identity, expected) in cases {
        for is_trusted in [true, false] {
            let (invite, from) = invite(profile(identity, is_trusted), false);
            assert_eq!(from, OURS);
            assert_eq!(said(&invite), expected, "{identity:?}");
        }
    }
}

#[test]
fn who_hides_is_told_to_the_trusted_alone_and_never_in_from() {
    let party = format!("{OURS};party=calling;privacy=full;screen=yes");
    let cases = [
        (profile(Identity::From, true), ["", "", "", "id"]),
        (profile(Identity::Asserted, true), [OURS, "", "", "id"]),
        (profile(Identity::Preferred, true), ["", OURS, "", "id"]),
        (profile(Identity::RemoteParty, true), ["", "", party.as_str(), "id"]),
        (profile(Identity::Asserted, false), ["", "", "", "id"]),
        (profile(Identity::RemoteParty, false), ["", "", "", "id"]),
    ];
    for (profile, expected) in cases {
        let (invite, from) = invite(profile.clone(), true);
        assert_eq!(from, UNNAMED);
        assert_eq!(said(&invite), expected, "{profile:?}");
        let text = String::from_utf8_lossy(&invite.to_bytes()).into_owned();
        assert_eq!(text.contains("+74951@"), expected[..3] != ["", "", ""]);
    }
}

#[test]
fn the_identity_is_said_again_to_the_next_server_and_in_nothing_but_the_invite() {
    let two = TrunkHosts {
        list: vec![
            at("198.51.100.9", peer(CARRIER)).list.remove(0),
            at("198.51.100.10", peer("198.51.100.10:5060")).list.remove(0),
        ],
        ..at("198.51.100.9", peer(CARRIER))
    };
    let mut desk = Desk::new();
    desk.command(Command::SetTrunks(vec![Trunk {
        hosts: two,
        profile: profile(Identity::Asserted, true),
        ..trunk("carrier", CARRIER)
    }]));
    let target =
        Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "+7916".into() };
    let caller =
        CallerId { number: "+74951".into(), name: "Acme".into(), is_hidden: true, diverted: None };
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    let first = desk.one_request();
    desk.hear(CARRIER, first.response(503, "No", Some("x")).to_bytes());
    let sent = desk.requests();
    assert_eq!(sent.iter().map(|r| r.method.as_str()).collect::<Vec<_>>(), ["ACK", "INVITE"]);
    assert_eq!(said(&sent[0]), ["", "", "", ""]);
    assert_eq!(said(&sent[1]), [OURS, "", "", "id"]);
}

/// Who calls, by an INVITE of the carrier with these headers.
fn heard(profile: Profile, extra: &str, from: &str) -> CallerId {
    let mut desk = desk(profile);
    let caller = desk.next_caller();
    let usual = "\"Ann\" <sip:+7916@carrier.example>";
    let invite = caller.invite_with(extra, SDP).replacen(usual, from, 1);
    desk.hear(CARRIER, invite);
    match desk.events().pop() {
        Some(Event::Incoming(incoming)) => incoming.caller,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_asserted_is_believed_of_the_trusted_alone() {
    let id = |number: &str, name: &str| CallerId {
        number: number.into(),
        name: name.into(),
        ..CallerId::default()
    };
    let from = "\"Ann\" <sip:+7916@carrier.example>";
    let asserted = "P-Asserted-Identity: \"Real\" <sip:+7495@x>\r\n";
    let party = "Remote-Party-ID: \"Called\" <sip:9@x>;party=called\r\n\
                 Remote-Party-ID: \"Old\" <sip:+7496@x>;party=calling;privacy=off\r\n";
    let both = format!("{party}{asserted}");
    let trusted = || profile(Identity::From, true);
    let other = || profile(Identity::Asserted, false);
    assert_eq!(heard(trusted(), asserted, from), id("+7495", "Real"));
    assert_eq!(heard(trusted(), party, from), id("+7496", "Old"));
    assert_eq!(heard(trusted(), &both, from), id("+7495", "Real"));
    assert_eq!(heard(trusted(), "", from), id("+7916", "Ann"));
    assert_eq!(heard(other(), &both, from), id("+7916", "Ann"));
}

#[test]
fn who_hides_is_unnamed_whatever_else_names_them() {
    let hidden = CallerId { is_hidden: true, ..CallerId::default() };
    let from = "\"Ann\" <sip:+7916@carrier.example>";
    let party = "Remote-Party-ID: <sip:+7496@x>;privacy=full\r\n";
    let asserted = "P-Asserted-Identity: \"Real\" <sip:+7495@x>\r\n";
    assert_eq!(heard(profile(Identity::From, true), party, from), hidden);
    assert_eq!(heard(profile(Identity::From, true), asserted, UNNAMED), hidden);
    assert_eq!(heard(profile(Identity::From, false), "Privacy: id\r\n", from), hidden);
    let harmless = "Remote-Party-ID: <sip:+7496@x>;privacy=ipaddr\r\n";
    assert!(!heard(profile(Identity::From, true), harmless, from).is_hidden);
}
