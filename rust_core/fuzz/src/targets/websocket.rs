//! What a peer sends to a listener of WebSocket: its request, and then frames.

use tandem_sip::websocket::{Origins, WebSocket};
use tandem_sip::wire::{Framed, Limits};

use super::{shape, size};

/// What comes does not depend on how the bytes were cut, is not longer than they are, and whoever breaks off is told why.
pub(super) fn run(input: &[u8]) -> u64 {
    let whole = heard(input, input.len().max(1));
    let cut = heard(input, 1 + input.len() / 7);
    assert_eq!(whole.messages, cut.messages);
    assert_eq!(whole.why, cut.why);
    assert_eq!(whole.is_upgrading, cut.is_upgrading);
    let taken: usize = whole.messages.iter().map(size_of_message).sum();
    assert!(taken <= input.len());
    assert!(whole.said.len() <= 512 + input.len());
    if whole.why.is_some() {
        assert!(!whole.said.is_empty(), "nothing was said");
    }
    shape((size(whole.messages.len()), whole.why, whole.is_upgrading, size(whole.said.len())))
}

struct Heard {
    messages: Vec<Framed>,
    why: Option<&'static str>,
    is_upgrading: bool,
    said: Vec<u8>,
}

fn heard(input: &[u8], step: usize) -> Heard {
    let origins = Origins::parse(["https://phone.example"]).expect("an origin");
    let mut socket = WebSocket::new(origins.into());
    let (mut messages, mut why) = (Vec::new(), None);
    'stream: for chunk in input.chunks(step) {
        socket.push(chunk);
        loop {
            match socket.next_frame(&Limits::STREAM) {
                Ok(Some(frame)) => messages.push(frame),
                Ok(None) => break,
                Err(fault) => {
                    why = Some(fault);
                    break 'stream;
                }
            }
        }
    }
    let said = socket.poll_transmit().map_or_else(Vec::new, |bytes| bytes.to_vec());
    Heard { messages, why, is_upgrading: socket.is_upgrading(), said }
}

fn size_of_message(framed: &Framed) -> usize {
    match framed {
        Framed::Message(bytes) => {
            assert!(bytes.len() <= Limits::STREAM.message);
            bytes.len()
        }
        Framed::Ping => 4,
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let request = "GET /ws HTTP/1.1\r\nHost: pbx.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
        Origin: https://phone.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let options = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK1\r\n\r\n";
    let with = |frames: &[(u8, &[u8])]| {
        let mut out = request.as_bytes().to_vec();
        for (first, payload) in frames {
            out.push(*first);
            match u8::try_from(payload.len()) {
                Ok(length) if length < 126 => out.push(0x80 | length),
                _ => {
                    out.push(0x80 | 126);
                    out.extend([(payload.len() >> 8) as u8, payload.len() as u8]);
                }
            }
            // A key of noughts masks nothing, so that a mutation changes what it seems to.
            out.extend([0; 4]);
            out.extend(*payload);
        }
        out
    };
    vec![
        with(&[(0x81, options.as_bytes()), (0x82, b"\r\n\r\n"), (0x8a, b"")]),
        with(&[
            (0x01, b"OPTIONS "),
            (0x89, b"ping"),
            (0x00, b"sip:x "),
            (0x80, b"SIP/2.0\r\n\r\n"),
        ]),
        with(&[(0x82, &[b'a'; 300]), (0x88, b"\x03\xe8bye")]),
        // Too long, and too many lines.
        request.replace("Origin", &format!("{}Origin", "X: y\r\n".repeat(1_400))).into_bytes(),
        request.replace("/ws", "/?a=b").replace("sip", "xmpp,sip").into_bytes(),
    ]
}
