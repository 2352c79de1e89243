//! Phones in browsers: they come by WebSocket (RFC 7118), listen nowhere, and send their sound inside DTLS.

use super::secure::ask;
use super::*;

/// A connection of Anna's browser.
const BROWSER: Flow = Flow {
    listener: 2,
    transport: Transport::Wss,
    peer: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5)), 40_001),
    connection: Some(7),
};
const CONTACT: &str =
    "<sip:k3jf8@a1b2c3.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=600";
const LEG: LegId = LegId(FIRST_DIALLED_LEG);

fn desk() -> Desk {
    Desk::with(|config| {
        let advertised = peer("192.0.2.1:7443");
        config.listeners.push(Listener { transport: Transport::Wss, advertised });
    })
}

/// As a browser writes it: no length, an address that is nobody's.
fn request(method: &str, to: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/WSS a1b2c3.invalid;branch=z9hG4bK{method}\r\nMax-Forwards: 69\r\n\
         From: <sip:anna@{REALM}>;tag=1\r\nTo: <sip:{to}>\r\nCall-ID: {method}\r\nCSeq: 1 {method}\r\n\
         Supported: path,gruu,outbound\r\n{headers}\r\n{body}"
    )
}

fn register(desk: &mut Desk, contact: &str) -> Response {
    let to = format!("anna@{REALM}");
    let text = request("REGISTER", REALM, &format!("Contact: {contact}\r\n"), "");
    ask(desk, BROWSER, &text.replace(&format!("To: <sip:{REALM}>"), &format!("To: <sip:{to}>")))
}

fn invite(desk: &mut Desk, protocol: &str) -> Response {
    let headers = format!("Contact: {CONTACT}\r\nContent-Type: application/sdp\r\n");
    let to = format!("102@{REALM}");
    ask(desk, BROWSER, &request("INVITE", &to, &headers, &SDP.replace("RTP/AVP", protocol)))
}

#[test]
fn a_browser_registers_and_is_called_by_the_connection_it_came_with() {
    let mut desk = desk();
    let registered = register(&mut desk, CONTACT);
    assert_eq!(registered.status, 200);
    let told = registered.headers.text(&HeaderName::Contact).unwrap();
    assert!(told.starts_with("<sip:k3jf8@a1b2c3.invalid;transport=ws>;expires=600;"), "{told}");
    assert!(told.ends_with(";+sip.instance=\"<urn:uuid:1>\";reg-id=1"), "{told}");
    let Some(Event::RegistrationChanged { bindings, .. }) = desk.events().pop() else {
        panic!("nothing told")
    };
    let caller = CallerId { number: "101".into(), name: String::new(), ..CallerId::default() };
    let (target, rtp) = (Target::Binding(bindings[0].id), peer("192.0.2.1:4002"));
    desk.command(Command::Dial { leg: LEG, target, caller, offer_of: None, rtp });
    let Transmit { flow, bytes } = desk.endpoint.poll_transmit().unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(flow, BROWSER);
    assert!(text.starts_with("INVITE sip:k3jf8@a1b2c3.invalid;transport=ws SIP/2.0\r\n"), "{text}");
    assert!(text.contains("\r\nVia: SIP/2.0/WSS 192.0.2.1:7443;"), "{text}");
    assert!(text.contains("\r\nContact: <sip:tandem@192.0.2.1:7443;transport=ws>\r\n"), "{text}");
    desk.pass_s(2);
    assert!(
        desk.endpoint.poll_transmit().is_none(),
        "nothing is lost there, so nothing is repeated"
    );
    desk.endpoint.handle_connection_closed(desk.now, 7);
    assert!(desk.events().iter().any(|event| matches!(event, Event::Ended(LEG, _))));
}

#[test]
fn sips_is_taken_by_web_socket_inside_tls_only() {
    let mut desk = desk();
    assert_eq!(register(&mut desk, "<sips:k3jf8@a1b2c3.invalid;transport=ws>").status, 200);
    let clear = Flow { transport: Transport::Ws, ..BROWSER };
    let text = request("OPTIONS", REALM, "", "").replacen("OPTIONS sip:", "OPTIONS sips:", 1);
    assert_eq!(ask(&mut desk, BROWSER, &text).status, 200);
    assert_eq!(ask(&mut desk, clear, &text).status, 416);
}

#[test]
fn a_call_by_a_browser_is_refused_with_a_reason_until_we_can_carry_its_sound() {
    for protocol in ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF"] {
        let mut desk = desk();
        let refused = invite(&mut desk, protocol);
        assert_eq!(refused.status, 488);
        let why = refused.headers.text(&HeaderName::Warning).unwrap();
        assert!(why.contains("as browsers send it"), "{why}");
        assert!(!desk.events().iter().any(|event| matches!(event, Event::Incoming(_))));
    }
    assert_eq!(invite(&mut desk(), "RTP/AVP").status, 100, "what is no browser may call so");
}

#[test]
fn a_page_in_the_browser_of_a_trunks_host_is_not_the_trunk() {
    let carrier = Flow { peer: SocketAddr::new(peer(CARRIER).ip(), 50_000), ..BROWSER };
    for (flow, status) in [(carrier, 407), (Flow { transport: Transport::Tls, ..carrier }, 100)] {
        let mut desk = desk();
        let text = desk.next_caller().invite();
        desk.endpoint.handle_message(desk.now, flow, text.into());
        assert_eq!(desk.one_response().status, status);
    }
}
