//! Calls inside TLS, and what `sips:` asks for (RFC 5630).

use super::*;

/// A connection of Anna's phone, which is behind a NAT.
const SECURE: Flow = Flow {
    listener: 2,
    transport: Transport::Tls,
    peer: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5)), 40_001),
    connection: Some(7),
};
const LEG: LegId = LegId(FIRST_DIALLED_LEG);

fn desk() -> Desk {
    Desk::with(|config| {
        let advertised = peer("192.0.2.1:5061");
        config.listeners.push(Listener { transport: Transport::Tls, advertised });
    })
}

/// Anna's phone asks for something and answers the challenge.
pub(super) fn ask(desk: &mut Desk, flow: Flow, first: &str) -> Response {
    desk.endpoint.handle_message(desk.now, flow, first.to_owned().into());
    let asked = desk.one_response();
    if !matches!(asked.status, 401 | 407) {
        return asked;
    }
    let second = authorized(first, &asked, &credentials("anna", REALM, "pw"), 2);
    desk.endpoint.handle_message(desk.now, flow, second.into());
    desk.one_response()
}

fn register(desk: &mut Desk, flow: Flow, contact: &str) -> Response {
    let text = format!(
        "REGISTER sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.5;branch=z9hG4bKr{contact}\r\nMax-Forwards: 70\r\n\
         From: <sip:anna@{REALM}>;tag=1\r\nTo: <sip:anna@{REALM}>\r\nCall-ID: {contact}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <{contact}>\r\nContent-Length: 0\r\n\r\n"
    );
    ask(desk, flow, &text)
}

fn invite(desk: &mut Desk, flow: Flow, scheme: &str) -> Response {
    let text = format!(
        "INVITE {scheme}:102@{REALM} SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.5;branch=z9hG4bKi\r\nMax-Forwards: 70\r\n\
         From: <sip:anna@{REALM}>;tag=1\r\nTo: <sip:102@{REALM}>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:anna@10.0.0.5>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    );
    ask(desk, flow, &text)
}

fn binding(desk: &mut Desk) -> u64 {
    let Some(Event::RegistrationChanged { bindings, .. }) = desk.events().pop() else {
        panic!("nothing told")
    };
    bindings[0].id
}

fn dial(desk: &mut Desk, target: Target, offer_of: Option<LegId>) {
    let caller = CallerId { number: "101".into(), name: String::new(), ..CallerId::default() };
    let rtp = peer("192.0.2.1:4002");
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of, rtp });
}

fn carrier() -> Target {
    Target::Trunk { company: "demo".into(), trunk: "carrier".into(), number: "+7916".into() }
}

fn secure_trunk() -> Trunk {
    let hosts = at("sip.carrier.example", peer("198.51.100.9:5061"));
    Trunk { transport: Transport::Tls, hosts, ..trunk("carrier", "198.51.100.9:5061") }
}

#[test]
fn a_phone_behind_a_nat_is_called_by_its_own_connection_and_told_to_come_back_by_tls() {
    let mut desk = desk();
    assert_eq!(register(&mut desk, SECURE, "sip:anna@10.0.0.5:5061;transport=tls").status, 200);
    let id = binding(&mut desk);
    dial(&mut desk, Target::Binding(id), None);
    let Transmit { flow, bytes } = desk.endpoint.poll_transmit().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(flow, SECURE);
    assert!(text.contains("Via: SIP/2.0/TLS 192.0.2.1:5061;"), "{text}");
    assert!(text.contains("Contact: <sip:tandem@192.0.2.1:5061;transport=tls>"), "{text}");
}

#[test]
fn sips_is_taken_inside_tls_only() {
    let clear = Flow { listener: 1, transport: Transport::Tcp, ..SECURE };
    for (flow, registered, called) in
        [(udp(PHONE), 400, 416), (clear, 400, 416), (SECURE, 200, 100)]
    {
        let mut desk = desk();
        assert_eq!(register(&mut desk, flow, "sips:anna@10.0.0.5").status, registered);
        assert_eq!(invite(&mut desk, flow, "sips").status, called);
    }
}

#[test]
fn a_sips_call_goes_on_inside_tls_or_not_at_all() {
    let mut desk = desk();
    assert_eq!(invite(&mut desk, SECURE, "sips").status, 100);
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    register(&mut desk, udp(PHONE), "sip:anna@203.0.113.5:5062");
    let by_datagrams = binding(&mut desk);
    for target in [Target::Binding(by_datagrams), carrier()] {
        dial(&mut desk, target, Some(incoming.leg));
        assert_eq!(desk.one_end(), (480, EndedBy::Timeout));
    }
    desk.command(Command::SetTrunks(vec![secure_trunk()]));
    dial(&mut desk, carrier(), Some(incoming.leg));
    let request = desk.one_request();
    assert_eq!(request.uri, "sips:+7916@sip.carrier.example;transport=tls");
    let contact = request.headers.text(&HeaderName::Contact);
    assert_eq!(contact, Some("<sips:carrier@192.0.2.1:5061;transport=tls>"));
    desk.command(Command::Answer { leg: incoming.leg, like: None, rtp: peer("192.0.2.1:4000") });
    let contact = desk.one_response().headers.text(&HeaderName::Contact).map(str::to_owned);
    assert_eq!(contact.as_deref(), Some("<sips:102@192.0.2.1:5061;transport=tls>"));
}

#[test]
fn a_call_by_sip_may_leave_tls() {
    let mut desk = desk();
    invite(&mut desk, SECURE, "sip");
    let Some(Event::Incoming(incoming)) = desk.events().pop() else { panic!("no call") };
    dial(&mut desk, carrier(), Some(incoming.leg));
    assert_eq!(desk.one_request().uri, "sip:+7916@198.51.100.9");
}

#[test]
fn why_a_trunk_cannot_be_connected_to_is_told_whenever_it_is_another_reason() {
    let mut desk = desk();
    desk.command(Command::SetTrunks(vec![Trunk { register: true, ..secure_trunk() }]));
    let mut fails = |why: &str| {
        assert_eq!(desk.one_request().method, Method::Register);
        let carrier = peer("198.51.100.9:5061");
        desk.endpoint.handle_unreachable(desk.now, Transport::Tls, carrier, why);
        let told = desk.events().pop();
        desk.pass_s(3);
        told.map(|event| match event {
            Event::TrunkChanged(state) => (state.status, state.reason),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(fails(""), Some((503, "no connection".into())));
    assert_eq!(fails("certificate of x: expired"), Some((503, "certificate of x: expired".into())));
}
