//! One connection, as a browser, a phone or an enemy uses it.

use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const MESSAGE: &[u8] = b"OPTIONS sip:x SIP/2.0\r\n\r\n";

/// A request as browsers make it, with one line replaced.
fn request(replaced: &str, by: &str) -> String {
    let text = "GET /ws HTTP/1.1\r\nHost: pbx.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Origin: https://phone.example\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    assert!(text.contains(replaced), "{replaced}");
    text.replacen(replaced, by, 1)
}

fn socket() -> WebSocket {
    WebSocket::new(Origins::parse(["https://phone.example"]).unwrap().into())
}

/// A connection whose request was granted.
fn open() -> WebSocket {
    let mut socket = socket();
    socket.push(request("", "").as_bytes());
    assert_eq!(socket.next_frame(&Limits::STREAM), Ok(None));
    socket.poll_transmit().unwrap();
    assert!(!socket.is_upgrading());
    socket
}

/// A frame of a peer.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ ..126 => out.push(0x80 | u8::try_from(length).unwrap()),
        length @ ..65_536 => {
            out.push(0x80 | 126);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    out
}

fn said(socket: &mut WebSocket) -> String {
    String::from_utf8(socket.poll_transmit().unwrap_or_default().to_vec()).unwrap()
}

fn answered(request: &str) -> String {
    let mut socket = socket();
    socket.push(request.as_bytes());
    let result = socket.next_frame(&Limits::STREAM);
    assert_eq!(result.is_err(), socket.is_upgrading(), "{result:?}");
    said(&mut socket)
}

fn message(bytes: &'static [u8]) -> Option<Framed> {
    Some(Framed::Message(Bytes::from_static(bytes)))
}

/// All that comes of these bytes.
fn taken(socket: &mut WebSocket, bytes: &[u8]) -> Result<Vec<Framed>, &'static str> {
    socket.push(bytes);
    std::iter::from_fn(|| socket.next_frame(&Limits::STREAM).transpose()).collect()
}

#[test]
fn a_request_is_granted_as_the_rfc_shows() {
    let answer = answered(&request("", ""));
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert!(answer.contains("\r\nSec-WebSocket-Protocol: sip\r\n"), "RFC 7118 §4");
    assert!(!answer.contains("Extensions"));
}

#[test]
fn what_may_differ_in_a_request_may() {
    for (replaced, by) in [
        ("/ws", "/"),
        ("/ws", "/ws?x=1"),
        ("Upgrade: websocket", "upgrade: h2c, WebSocket"),
        ("Origin: https://phone.example\r\n", ""),
        ("Protocol: sip", "Protocol: xmpp, sip"),
        ("Protocol: sip", "Protocol: xmpp\r\nSec-WebSocket-Protocol: sip"),
        ("Host", "Sec-WebSocket-Extensions: permessage-deflate\r\nHost"),
        ("Host", "Cookie: a=\u{fc}\r\nHost"),
    ] {
        let answer = answered(&request(replaced, by));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{by}: {answer}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let long = format!("Cookie: {}\r\nHost", "x".repeat(8_192));
    let many = "A: b\r\n".repeat(70) + "Host";
    for (status, replaced, by) in [
        (404, "/ws", "/phone"),
        (405, "GET", "POST"),
        (400, "HTTP/1.1", "HTTP/1.0"),
        (400, "GET /ws HTTP/1.1", "OPTIONS sip:x SIP/2.0"),
        (400, "Host: pbx.example\r\n", ""),
        (400, "Host", "Host: other.example\r\nHost"),
        (426, "Upgrade: websocket", "Upgrade: h2c"),
        (426, "keep-alive, Upgrade", "keep-alive"),
        (426, "Version: 13", "Version: 8"),
        (400, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="),
        (400, "dGhlIHNhbXBsZSBub25jZQ==", "?"),
        (400, "Protocol: sip", "Protocol: sipx"),
        (403, "https://phone", "http://phone"),
        (403, "https://phone.example", "null"),
        (403, "https://phone.example", "https://evil.example"),
        (400, "Origin", "Origin: https://phone.example\r\nOrigin"),
        (431, "Host", &long),
        (431, "Host", &many),
    ] {
        let answer = answered(&request(replaced, by));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{by}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        assert!(head.ends_with("Connection: close"));
        assert_eq!(head.contains("Allow: GET"), status == 405);
        assert_eq!(head.contains("Upgrade: websocket"), status == 426);
    }
}

#[test]
fn what_is_no_request_is_refused_before_it_ends() {
    for bytes in [&b"\x16\x03\x01\x02\x00"[..], b"\x00", &[b'G'; 8_192]] {
        let mut socket = socket();
        socket.push(bytes);
        assert!(socket.next_frame(&Limits::STREAM).is_err());
        assert!(said(&mut socket).starts_with("HTTP/1.1 4"));
    }
}

#[test]
fn a_request_may_come_in_pieces_and_who_is_too_slow_is_told() {
    let mut slow = socket();
    for byte in request("", "").bytes() {
        assert!(slow.is_upgrading());
        slow.push(&[byte]);
        assert_eq!(slow.next_frame(&Limits::STREAM), Ok(None));
    }
    assert!(!slow.is_upgrading());
    let mut stalled = socket();
    stalled.push(b"GET /ws HTTP/1.1\r\n");
    assert_eq!(stalled.next_frame(&Limits::STREAM), Ok(None));
    stalled.close();
    assert!(said(&mut stalled).starts_with("HTTP/1.1 408 "));
    assert!(stalled.next_frame(&Limits::STREAM).is_err());
}

#[test]
fn messages_come_whole_by_text_by_bytes_and_in_fragments() {
    let mut socket = open();
    let mut bytes = masked(0x81, MESSAGE);
    bytes.extend(masked(0x82, MESSAGE));
    bytes.extend(masked(0x01, &MESSAGE[..5]));
    bytes.extend(masked(0x89, b"still there?"));
    bytes.extend(masked(0x00, &MESSAGE[5..7]));
    bytes.extend(masked(0x80, &MESSAGE[7..]));
    let all = taken(&mut socket, &bytes).unwrap();
    assert_eq!(all, vec![message(MESSAGE).unwrap(); 3]);
    assert_eq!(&socket.poll_transmit().unwrap()[..], b"\x8a\x0cstill there?");
    assert!(!socket.is_inside_message());
}

#[test]
fn a_message_that_has_begun_is_known_to_have() {
    let mut socket = open();
    assert_eq!(taken(&mut socket, &masked(0x01, b"OPT")), Ok(vec![]));
    assert!(socket.is_inside_message());
    assert_eq!(taken(&mut socket, &masked(0x89, b"")), Ok(vec![]));
    assert!(socket.is_inside_message(), "a ping does not end it");
    assert_eq!(taken(&mut socket, &masked(0x80, b"IONS")).unwrap().len(), 1);
    assert!(!socket.is_inside_message());
}

#[test]
fn keep_alives_are_what_they_are_in_a_stream() {
    let mut socket = open();
    assert_eq!(taken(&mut socket, &masked(0x81, b"\r\n\r\n")), Ok(vec![Framed::Ping]));
    for nothing in [&b"\r\n"[..], b""] {
        assert_eq!(taken(&mut socket, &masked(0x81, nothing)), Ok(vec![]));
    }
    assert_eq!(taken(&mut socket, &masked(0x8a, b"unasked")), Ok(vec![]));
    assert_eq!(socket.poll_transmit(), None);
}

#[test]
fn text_that_is_no_utf_8_is_taken_and_is_given_as_bytes() {
    let name = b"From: \"Jos\xe9\" <sip:x>";
    let mut socket = open();
    assert_eq!(taken(&mut socket, &masked(0x81, name)), Ok(vec![message(name).unwrap()]));
    assert_eq!(socket.frame(name).unwrap()[0], 0x82);
    assert_eq!(&socket.frame(b"abc").unwrap()[..], b"\x81\x03abc");
    let long = socket.frame(&[b'a'; 300]).unwrap();
    assert_eq!((&long[..4], long.len()), (&b"\x81\x7e\x01\x2c"[..], 304));
    let longer = socket.frame(&[b'a'; 70_000]).unwrap();
    assert_eq!((&longer[..10], longer.len()), (&b"\x81\x7f\0\0\0\0\0\x01\x11\x70"[..], 70_010));
}

#[test]
fn who_breaks_the_rules_is_told_which_kind() {
    let over = masked(0x82, &[b'a'; 65_537]);
    let unmasked = b"\x81\x03abc".to_vec();
    let endless = [&b"\x82\xff"[..], &[0xff; 8], &MASK].concat();
    let half = masked(0x01, &[b'a'; 60_000]);
    for (status, bytes) in [
        (1002, unmasked),
        (1002, masked(0xc1, b"compressed?")),
        (1002, masked(0x83, b"")),
        (1002, masked(0x8b, b"")),
        (1002, masked(0x80, b"continues nothing")),
        (1002, [masked(0x01, b"a"), masked(0x81, b"b")].concat()),
        (1002, masked(0x09, b"a fragment of a ping")),
        (1002, masked(0x89, &[0; 126])),
        (1002, masked(0x88, b"\x03")),
        (1002, masked(0x88, &1005_u16.to_be_bytes())),
        (1009, over[..14].to_vec()),
        (1009, endless),
        (1009, [half.clone(), masked(0x80, &[b'a'; 6_000])].concat()),
    ] {
        let mut socket = open();
        assert!(taken(&mut socket, &bytes).is_err(), "{:x?}", &bytes[..2]);
        let told = socket.poll_transmit().unwrap();
        assert_eq!(&told[..2], b"\x88\x02", "a close frame");
        assert_eq!(u16::from_be_bytes([told[2], told[3]]), status, "{:x?}", &bytes[..2]);
        assert_eq!(socket.frame(b"x"), None, "nothing follows it");
        socket.close();
        assert_eq!(socket.poll_transmit(), None, "it is said once");
    }
    let mut socket = open();
    assert_eq!(taken(&mut socket, &masked(0x82, &[b'a'; 65_536])).unwrap().len(), 1);
}

#[test]
fn who_closes_is_answered_in_its_words_and_what_follows_is_not_read() {
    for (sent, answered) in [
        (&b"\x03\xe8bye"[..], &b"\x88\x02\x03\xe8"[..]),
        (b"\x0f\xa0", b"\x88\x02\x0f\xa0"),
        (b"", b"\x88\x00"),
    ] {
        let mut socket = open();
        let bytes = [masked(0x81, MESSAGE), masked(0x88, sent), masked(0x81, MESSAGE)].concat();
        socket.push(&bytes);
        assert_eq!(socket.next_frame(&Limits::STREAM), Ok(message(MESSAGE)));
        assert!(socket.next_frame(&Limits::STREAM).is_err());
        assert!(socket.next_frame(&Limits::STREAM).is_err());
        assert_eq!(&socket.poll_transmit().unwrap()[..], answered);
    }
    let mut socket = open();
    socket.close();
    assert_eq!(&socket.poll_transmit().unwrap()[..], b"\x88\x02\x03\xe9");
}

#[test]
fn nothing_is_sent_before_the_request_is_granted() {
    assert_eq!(socket().frame(b"x"), None);
}

proptest! {
    #[test]
    fn what_comes_does_not_depend_on_how_it_was_cut(
        parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..300)), 1..8),
        size in 1usize..200,
    ) {
        let mut stream = request("", "").into_bytes();
        let mut expected = Vec::new();
        for (is_cut, payload) in &parts {
            if *is_cut {
                let middle = payload.len() / 2;
                stream.extend(masked(0x02, &payload[..middle]));
                stream.extend(masked(0x80, &payload[middle..]));
            } else {
                stream.extend(masked(0x82, payload));
            }
            expected.extend(framed(payload.clone().into()));
        }
        let mut socket = socket();
        let mut all = Vec::new();
        for chunk in stream.chunks(size) {
            all.extend(taken(&mut socket, chunk).unwrap());
        }
        prop_assert_eq!(all, expected);
        prop_assert!(!socket.is_inside_message());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut socket = open();
        let _ = taken(&mut socket, &bytes);
    }
}
