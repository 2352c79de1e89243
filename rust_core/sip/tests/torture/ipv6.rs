//! RFC 5118: IPv6 where SIP names addresses.

use std::net::SocketAddr;

use tandem_sip::offer_answer::SessionDescription;
use tandem_sip::wire::{Address, HeaderName, Uri, Via};

use super::desk::{answers, call, message, request, statuses};

#[test]
fn s4_1_and_4_2_a_reference_needs_its_brackets() {
    let of = |uri: &str| {
        let fields = "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111\n\
            Contact: \"Caller\" <sip:caller@[2001:db8::1]>\nCSeq: 98176 REGISTER";
        message(&format!("REGISTER {uri} SIP/2.0"), fields, "")
    };
    let good = of("sip:[2001:db8::10]");
    let request = request(&good);
    let via = request.headers.line(&HeaderName::Via).unwrap();
    assert_eq!(Via::parse(via).unwrap().host, "2001:db8::9:1");
    assert_eq!(Uri::parse(&request.uri).unwrap().host, "2001:db8::10");
    assert_eq!(statuses(&good), [401]);
    assert_eq!(statuses(&of("sip:2001:db8::10")), [400]);
}

#[test]
fn s4_3_and_4_4_a_port_stands_behind_the_brackets() {
    let parts = |uri: &str| {
        let uri = Uri::parse(uri).unwrap();
        (uri.host.to_owned(), uri.port)
    };
    assert_eq!(parts("sip:[2001:db8::10:5070]"), ("2001:db8::10:5070".to_owned(), None));
    assert_eq!(parts("sip:[2001:db8::10]:5070"), ("2001:db8::10".to_owned(), Some(5070)));
    for uri in ["sip:[2001:db8::10:5070]", "sip:[2001:db8::10]:5070"] {
        assert_eq!(statuses(&message(&format!("REGISTER {uri} SIP/2.0"), "", "")), [401], "{uri}");
    }
}

#[test]
fn s4_5_received_with_brackets_and_without() {
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let raw = message(
            "BYE sip:[2001:db8::10] SIP/2.0",
            &format!(
                "To: sip:user@example.com;tag=bd76ya\n\
                 Via: SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3-111"
            ),
            "",
        );
        let answers = answers(&raw);
        assert_eq!(answers[0].status, 481);
        let via = answers[0].headers.values(&HeaderName::Via).next().unwrap();
        let received = Via::parse(&via).unwrap().params.value("received");
        assert_eq!(received, Some("198.51.100.9"), "we say ourselves where it came from");
    }
}

fn invite(instead: &str, sdp: &str) -> Vec<u8> {
    let fields = format!("Content-Type: application/sdp\n{instead}");
    message("INVITE sip:user@[2001:db8::10] SIP/2.0", &fields, sdp)
}

#[test]
fn s4_6_addresses_in_the_session_description() {
    let sdp = "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=Live\r\n\
        c=IN IP6 2001:db8::20\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 0\r\n\
        m=video 6024 RTP/AVP 107\r\na=rtpmap:107 H263-1998/90000\r\n";
    let contact = "Contact: \"Caller\" <sip:caller@[2001:db8::1]>";
    assert_eq!(call(&invite(contact, sdp)).codecs, ["PCMU"]);
    let media = SessionDescription::parse(sdp.as_bytes()).unwrap().media;
    let expected: [SocketAddr; 2] =
        ["[2001:db8::20]:6000", "[2001:db8::20]:6024"].map(|a| a.parse().unwrap());
    assert_eq!([media[0].rtp(), media[1].rtp()], expected.map(Some));
}

#[test]
fn s4_7_addresses_of_both_kinds_in_header_fields() {
    let raw = message(
        "BYE sip:user@host.example.net SIP/2.0",
        "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n\
         Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\n\
         To: <sip:user@host.example.net>;tag=bd76ya",
        "",
    );
    let answers = answers(&raw);
    assert_eq!(answers[0].status, 481);
    let vias: Vec<_> = answers[0].headers.values(&HeaderName::Via).collect();
    let hosts: Vec<_> = vias.iter().map(|via| Via::parse(via).unwrap().host).collect();
    assert_eq!(hosts, ["2001:db8::9:1", "192.0.2.1", "2001:db8::9:255"]);
}

#[test]
fn s4_8_addresses_of_both_kinds_in_the_session_description() {
    let sdp = b"v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\n\
        m=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n\
        m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n";
    let media = SessionDescription::parse(sdp).unwrap().media;
    assert_eq!(media[0].rtp(), Some("192.0.2.1:22334".parse().unwrap()));
    assert_eq!(media[1].rtp(), Some("[2001:db8::1]:6024".parse().unwrap()));
    assert_eq!(call(&invite("", std::str::from_utf8(sdp).unwrap())).codecs, ["PCMU"]);
}

#[test]
fn s4_9_ipv4_addresses_dressed_as_ipv6() {
    let sdp = "v=0\r\no=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2\r\ns=Call me\r\n\
        c=IN IP6 ::ffff:192.0.2.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n";
    let raw = invite(
        "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19\n\
         Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111\n\
         Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>",
        sdp,
    );
    let request = request(&raw);
    let contact = Address::parse(request.headers.line(&HeaderName::Contact).unwrap()).unwrap();
    assert_eq!(contact.parsed_uri().unwrap().host, "::ffff:192.0.2.2");
    let via = request.headers.line(&HeaderName::Via).unwrap();
    assert_eq!(Via::parse(via).unwrap().port, Some(19823));
    assert_eq!(call(&raw).codecs, ["PCMU"]);
}

#[test]
fn s4_10_three_colons_before_an_ipv4_part_are_borne_with() {
    for host in ["[2001:db8:::192.0.2.1]", "[2001:db8::192.0.2.1]"] {
        let raw = message(
            &format!("OPTIONS sip:user@{host} SIP/2.0"),
            &format!("To: sip:user@{host}"),
            "",
        );
        assert_eq!(statuses(&raw), [200], "{host}");
    }
}
