//! What real phones, gateways and providers send and the grammar forbids, and how each is taken.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use tandem_sip::wire::{
    Address, Framed, Framer, HeaderName, Limits, Message, Request, Uri, Via, parse,
};

/// An INVITE with this Request-URI, To and further lines.
fn invite(uri: &str, to: &str, more: &str) -> Vec<u8> {
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5080;branch=z9hG4bKx;rport\r\n\
         From: <sip:a@h>;tag=1\r\nTo: {to}\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n{more}\r\n"
    )
    .into_bytes()
}

fn plain(more: &str) -> Vec<u8> {
    invite("sip:b@h", "<sip:b@h>", more)
}

fn read(raw: &[u8]) -> Option<Request> {
    match parse(Bytes::copy_from_slice(raw), &Limits::DATAGRAM) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}

fn to_user(raw: &[u8]) -> Option<String> {
    let request = read(raw)?;
    Address::parse(request.headers.line(&HeaderName::To)?)?.parsed_uri()?.user()
}

fn replaced(raw: &[u8], from: &str, to: &[u8]) -> Vec<u8> {
    let at = raw.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    [&raw[..at], to, &raw[at + from.len()..]].concat()
}

#[test]
fn feature_codes_are_dialled_raw() {
    for code in ["*21#123", "#31#", "**1*2#"] {
        let uri = format!("sip:{code}@h");
        let request = read(&invite(&uri, &format!("<{uri}>"), "")).unwrap();
        assert_eq!(Uri::parse(&request.uri).unwrap().user().as_deref(), Some(code));
        assert_eq!(to_user(&invite(&uri, &format!("<{uri}>"), "")).as_deref(), Some(code));
    }
    assert_eq!(to_user(&invite("sip:b@h", "<sip:%2A21%23@h>", "")).as_deref(), Some("*21#"));
}

#[test]
fn lines_end_as_they_may() {
    let bare = String::from_utf8(plain("Subject: a\r\n b\r\n")).unwrap().replace("\r\n", "\n");
    assert_eq!(read(bare.as_bytes()).unwrap().headers.text(&HeaderName::Subject), Some("a b"));
    let lead = [b"\r\n\r\n".as_slice(), &plain("")].concat();
    assert!(read(&lead).is_some());
}

#[test]
fn names_come_in_any_encoding_with_and_without_quotes() {
    let named: [(&[u8], &str); 7] = [
        (b"\"\xcf\xf0\xe8\xe2\xe5\xf2\" ", "Привет"),
        (b"\xcf\xf0\xe8\xe2\xe5\xf2 ", "Привет"),
        ("Привет мир ".as_bytes(), "Привет мир"),
        (b"J. Doe (x) ", "J. Doe (x)"),
        (b"Doe, John ", "Doe, John"),
        (b"\"\" ", ""),
        (b"\"a\x01\x07b\" ", "a  b"),
    ];
    for (name, shown) in named {
        let raw = replaced(&plain(""), "<sip:a@h>", &[name, b"<sip:a@h>"].concat());
        let request = read(&raw).unwrap();
        let from = Address::parse(request.headers.line(&HeaderName::From).unwrap()).unwrap();
        assert_eq!((from.display_name().as_str(), from.tag()), (shown, Some("1")));
        let kept = read(&request.to_bytes()).unwrap();
        assert_eq!(kept.headers.line(&HeaderName::From), request.headers.line(&HeaderName::From));
    }
}

#[test]
fn a_tag_is_not_found_inside_a_name_or_an_address() {
    let to = "\"x;tag=no\" <sip:b@h;tag=no>;tag=yes;x=1";
    let request = read(&invite("sip:b@h", to, "")).unwrap();
    let to = Address::parse(request.headers.line(&HeaderName::To).unwrap()).unwrap();
    assert_eq!(to.tag(), Some("yes"));
}

#[test]
fn bodies_are_as_long_as_their_length_or_their_datagram() {
    let with = |more: &str| [plain(more).as_slice(), b"v=0\r\n"].concat();
    let body = |more: &str| read(&with(more)).map(|request| request.body.len());
    assert_eq!(body(""), Some(5), "no length: to the end");
    assert_eq!(body("Content-Length: 3\r\n"), Some(3), "the rest is passed over");
    assert_eq!(body("Content-Length : 5\r\n"), Some(5));
    assert_eq!(body("Content-Length: 5\r\nl: 5\r\n"), Some(5), "twice the same");
    assert_eq!(body("Content-Length: 50\r\n"), None);
    assert_eq!(body("Content-Length: 5\r\nl: 4\r\n"), None);
    assert_eq!(body("Content-Length: +5\r\n"), None);
    assert_eq!(body("Content-Length: 99999999999999999999\r\n"), None);
}

#[test]
fn compact_forms_are_their_long_ones() {
    let raw = "INVITE sip:b@h SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bKx\r\nf: <sip:a@h>;tag=1\r\n\
        t: <sip:b@h>\r\ni: c\r\nCSeq: 1 INVITE\r\nm: <sip:a@h>\r\nc: application/sdp\r\nk: path\r\nl: 5\r\n\r\nv=0\r\n";
    let request = read(raw.as_bytes()).unwrap();
    for (name, value) in [
        (HeaderName::CallId, "c"),
        (HeaderName::Contact, "<sip:a@h>"),
        (HeaderName::ContentType, "application/sdp"),
        (HeaderName::Supported, "path"),
    ] {
        assert_eq!(request.headers.text(&name), Some(value));
    }
}

#[test]
fn addresses_are_taken_as_meant() {
    let lr = read(&plain("Route: <sip:p;lr=on>\r\n")).unwrap();
    let route = Address::parse(lr.headers.line(&HeaderName::Route).unwrap()).unwrap();
    assert!(route.parsed_uri().unwrap().params.has("lr"));
    let tel = read(&invite("tel:+7-495-1", "<tel:+7(495)1;phone-context=x>", "")).unwrap();
    assert_eq!(Uri::parse(&tel.uri).unwrap().user().as_deref(), Some("+74951"));
    for uri in ["sip:b@my_pbx", "sip:b%zz@h", "sip:b@h:0", "SIP:b@H;transport=UDP"] {
        assert!(read(&invite(uri, "<sip:b@h>", "")).is_some(), "{uri}");
    }
    let bare = read(&invite("sip:b@h", "sip:b@h;user=phone;tag=7", "")).unwrap();
    let to = Address::parse(bare.headers.line(&HeaderName::To).unwrap()).unwrap();
    assert_eq!((to.uri, to.tag()), ("sip:b@h", Some("7")));
    assert_eq!(
        to_user(&invite("sip:b@h", "<sip:+7495;phone-context=x@h;user=phone>", "")).as_deref(),
        Some("+7495")
    );
}

#[test]
fn a_via_has_spaces_and_addresses_of_all_kinds() {
    for sent_by in
        ["10.0.0.5:5080 ", "10.0.0.5 : 5080 ", "[2001:db8::1]:5060", "2001:db8::1", "my_pbx"]
    {
        let raw = replaced(&plain(""), "10.0.0.5:5080", sent_by.as_bytes());
        let request = read(&raw).unwrap();
        let via = request.headers.line(&HeaderName::Via).unwrap();
        assert_eq!(Via::parse(via).unwrap().branch(), Some("z9hG4bKx"), "{sent_by}");
    }
}

#[test]
fn what_can_mean_nothing_is_refused_with_an_answer() {
    let broken = [
        (400, replaced(&plain(""), "CSeq: 1", b"CSeq: x")),
        (400, plain("Garbage\r\n")),
        (400, plain(": no name\r\n")),
        (400, replaced(&plain(""), "INVITE sip:b@h", b"INVITE sip:b@2001:db8::1")),
        (400, invite("sip:b c@h", "<sip:b@h>", "")),
        (400, invite("sip:b@h", "<sip:b c@h>", "")),
        (414, invite(&format!("sip:{}@h", "b".repeat(2048)), "<sip:b@h>", "")),
        (
            400,
            replaced(&plain(""), "Call-ID: c", format!("Call-ID: {}", "c".repeat(257)).as_bytes()),
        ),
        (513, plain(&"X: y\r\n".repeat(252))),
        (505, replaced(&plain(""), "h SIP/2.0", b"h SIP/7.0")),
    ];
    for (status, raw) in broken {
        let malformed = parse(Bytes::from(raw), &Limits::DATAGRAM).unwrap_err();
        assert_eq!(malformed.status, status, "{}", malformed.why);
        let response = malformed.partial.unwrap().response(status, "No", Some("us"));
        assert!(response.headers.line(&HeaderName::Via).is_some());
    }
    assert!(read(&plain(&"X: y\r\n".repeat(251))).is_some(), "256 fields are allowed");
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    let broken = [
        b"".to_vec(),
        b"\r\n\r\n".to_vec(),
        b"\0\0\0\0".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        replaced(&plain(""), "Via:", b"X-Via:"),
        replaced(&plain("Garbage\r\n"), "INVITE sip:b@h", b"ACK sip:b@h"),
        b"SIP/2.0 200 OK\r\n\r\n".to_vec(),
        b"SIP/2.0 20x OK\r\nVia: SIP/2.0/UDP h\r\n\r\n".to_vec(),
    ];
    for raw in broken {
        let malformed = parse(Bytes::from(raw.clone()), &Limits::DATAGRAM).unwrap_err();
        assert_eq!(malformed.partial, None, "{}", String::from_utf8_lossy(&raw));
    }
    let long = [b"OPTIONS sip:b@h SIP/2.0\r\nX: ".as_slice(), &[b'y'; 65_536]].concat();
    assert_eq!(parse(Bytes::from(long), &Limits::DATAGRAM).unwrap_err().status, 513);
}

#[test]
fn smuggled_fields_are_the_fields_that_they_look_like() {
    let request =
        read(&plain("X-Foo : v\r\nroute\t: <sip:evil>\r\nSubject: a\r\n Route: <sip:b>\r\n"))
            .unwrap();
    assert_eq!(request.headers.text(&HeaderName::Other("x-foo".to_owned())), Some("v"));
    assert_eq!(request.headers.lines(&HeaderName::Route).count(), 1);
    assert_eq!(request.headers.text(&HeaderName::Subject), Some("a Route: <sip:b>"));
    let bare_cr = read(&plain("Subject: a\rRoute: <sip:b>\r\n")).unwrap();
    assert_eq!(bare_cr.headers.text(&HeaderName::Subject), Some("a Route: <sip:b>"));
}

#[test]
fn a_stream_needs_lengths_and_says_pings() {
    let frames = |bytes: &[u8]| {
        let mut framer = Framer::default();
        framer.push(bytes);
        std::iter::from_fn(|| framer.next_frame(&Limits::STREAM).transpose())
            .take(8)
            .collect::<Result<Vec<_>, _>>()
    };
    assert_eq!(frames(b"\r\n\r\n\r\n"), Ok(vec![Framed::Ping]), "a pong may follow");
    let message = plain("Content-Length: 0\r\n");
    let two = [message.as_slice(), b"\r\n\r\n", &message].concat();
    let whole = Framed::Message(Bytes::from(message));
    assert_eq!(frames(&two), Ok(vec![whole.clone(), Framed::Ping, whole]));
    assert!(frames(&plain("")).is_err());
    assert!(frames(&plain("Content-Length: 65536\r\n")).is_err());
}
