//! What holds of every message, whoever wrote it.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tandem_sip::auth::{Algorithm, Challenger, ClientDigest, Credentials, Secrets, Verdict, ha1};
use tandem_sip::offer_answer::{
    Codec, Direction, Session, SessionDescription, accept_answer, answer, offer,
};
use tandem_sip::wire::{
    Address, Framed, Framer, HeaderName, Headers, Limits, Message, Method, Request, Response, Uri,
    decode_percent, display_text, encode_user, parse, quoted,
};

fn usual_headers(method: &str) -> Headers {
    let mut headers = Headers::new();
    headers.push(HeaderName::Via, "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKp;rport");
    headers.push(HeaderName::From, "\"Anna\" <sip:101@example.com>;tag=f");
    headers.push(HeaderName::To, "<sip:102@example.com>");
    headers.push(HeaderName::CallId, "p@192.0.2.9");
    headers.push(HeaderName::CSeq, format!("7 {method}"));
    headers
}

/// Values as they come out of the reader: no control characters, no white space at the ends.
fn value() -> impl Strategy<Value = Bytes> {
    vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..40)
        .prop_map(|bytes| Bytes::copy_from_slice(bytes.trim_ascii()))
}

fn extra() -> impl Strategy<Value = Vec<(HeaderName, Bytes)>> {
    let unknown = "x-[a-z0-9!%*_+`'~.-]{0,12}".prop_map(HeaderName::Other);
    let known = select(vec![HeaderName::Subject, HeaderName::UserAgent, HeaderName::Route]);
    vec((prop_oneof![unknown, known], value()), 0..8)
}

fn message() -> impl Strategy<Value = Message> {
    let method = prop_oneof![
        select(vec!["INVITE", "ACK", "BYE", "REGISTER", "OPTIONS"]).prop_map(str::to_owned),
        "[A-Za-z0-9!%*_+`'~.-]{1,12}",
    ];
    let user = "[a-z0-9*#+%;?&=/]{1,20}";
    let body = vec(any::<u8>(), 0..64).prop_map(Bytes::from);
    let reason = "[ -~а-я]{0,20}".prop_map(|text| text.trim_start().to_owned());
    (method, user, 100_u16..700, reason, extra(), body, any::<bool>()).prop_map(
        |(method, user, status, reason, extra, body, is_request)| {
            let mut headers = usual_headers(&method);
            for (name, value) in extra {
                headers.push(name, value);
            }
            if is_request {
                let (method, uri) = (Method::parse(&method), format!("sip:{user}@example.com"));
                Message::Request(Request { method, uri, headers, body })
            } else {
                Message::Response(Response { status, reason, headers, body })
            }
        },
    )
}

fn written(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.write_to(&mut out);
    out.into()
}

fn read(bytes: Bytes) -> Message {
    parse(bytes.clone(), &Limits::DATAGRAM)
        .unwrap_or_else(|m| panic!("{}: {}", m.why, String::from_utf8_lossy(&bytes)))
}

/// Without the field that the writer adds.
fn lengthless(mut message: Message) -> Message {
    match &mut message {
        Message::Request(request) => request.headers.remove(&HeaderName::ContentLength),
        Message::Response(response) => response.headers.remove(&HeaderName::ContentLength),
    }
    message
}

#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Drop(Index, u8),
    Repeat(Index, u8),
    Insert(Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let pieces = vec![
        "\r\n", "\n ", "\"", "<", ">", ";", ",", ":", "%", "@", "[", "]", "\\", "=", "\0",
        "SIP/2.0", "l: 9",
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), 1_u8..20).prop_map(|(at, count)| Change::Drop(at, count)),
        (any::<Index>(), 1_u8..60).prop_map(|(at, count)| Change::Repeat(at, count)),
        (any::<Index>(), select(pieces)).prop_map(|(at, piece)| Change::Insert(at, piece)),
    ]
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes.iter().filter(|_| !bytes.is_empty()).cloned().collect::<Vec<_>>() {
        if bytes.is_empty() {
            break;
        }
        let end = |at: usize, count: u8| (at + usize::from(count)).min(bytes.len());
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Drop(at, count) => {
                let at = at.index(bytes.len());
                let end = end(at, count);
                bytes.drain(at..end);
            }
            Change::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let piece = bytes[at..end(at, count)].to_vec();
                bytes.splice(at..at, piece);
            }
            Change::Insert(at, piece) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(message in message()) {
        prop_assert_eq!(lengthless(read(written(&message))), message);
    }

    #[test]
    fn whatever_was_understood_can_be_said_again(
        message in message(), changes in vec(change(), 0..6),
    ) {
        let bytes = Bytes::from(changed(&written(&message), &changes));
        match parse(bytes, &Limits::DATAGRAM) {
            Ok(understood) => {
                let again = read(written(&understood));
                prop_assert_eq!(lengthless(again), lengthless(understood));
            }
            Err(malformed) => {
                if let Some(request) = malformed.partial {
                    let response = request.response(malformed.status, "No", Some("us"));
                    prop_assert_eq!(lines_of_head(&response.to_bytes()), response.headers.len() + 2);
                }
            }
        }
    }

    #[test]
    fn nothing_that_is_written_makes_a_new_line(
        text in vec(any::<u8>(), 0..80), name in any::<String>(), source in any::<[u8; 4]>(),
    ) {
        let mut headers = usual_headers("INVITE");
        headers.push(HeaderName::Subject, text.clone());
        headers.set(HeaderName::Contact, format!("{} <sip:{}@h>", quoted(&name), encode_user(&name)));
        let uri = String::from_utf8_lossy(&text).into_owned();
        let mut request = Request { method: Method::Invite, uri, headers, body: Bytes::new() };
        request.note_source(SocketAddr::from((source, 5060)));
        prop_assert_eq!(lines_of_head(&request.to_bytes()), request.headers.len() + 2);
        let mut response = request.response(200, &name, Some("us"));
        response.headers.push(HeaderName::UserAgent, name);
        prop_assert_eq!(lines_of_head(&response.to_bytes()), response.headers.len() + 2);
    }

    #[test]
    fn names_and_users_come_back_as_they_were(name in any::<String>(), user in any::<String>()) {
        let value = format!("{} <sip:{}@example.com>;tag=t", quoted(&name), encode_user(&user));
        let address = Address::parse(value.as_bytes()).unwrap();
        prop_assert_eq!(address.display_name(), display_text(name.as_bytes()));
        prop_assert_eq!(address.tag(), Some("t"));
        let written = encode_user(&user);
        prop_assert_eq!(decode_percent(&written), user.clone());
        let uri = Uri::parse(address.uri);
        let read = uri.and_then(|uri| uri.raw_user().map(decode_percent)).unwrap_or_default();
        prop_assert_eq!(read, user);
    }

    #[test]
    fn a_stream_gives_the_same_however_it_is_cut(
        messages in vec(message(), 1..4), cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            stream.extend_from_slice(&written(message));
            stream.extend_from_slice(b"\r\n\r\n");
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let (mut framer, mut frames) = (Framer::default(), Vec::new());
        for ends in cuts.windows(2) {
            framer.push(&stream[ends[0]..ends[1]]);
            while let Some(frame) = framer.next_frame(&Limits::STREAM).unwrap() {
                frames.push(frame);
            }
        }
        let expected: Vec<_> = messages
            .iter()
            .flat_map(|message| [Framed::Message(written(message)), Framed::Ping])
            .collect();
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn a_digest_is_accepted_once_and_only_with_the_password(
        user in "[a-zA-Z0-9а-я@.+_ -]{1,16}", password in any::<String>(), wrong in any::<String>(),
        key in any::<[u8; 32]>(), with_sha256 in any::<bool>(),
    ) {
        prop_assume!(password != wrong);
        let credentials = |password: &str| Credentials {
            username: user.clone(),
            realm: "demo".to_owned(),
            secrets: Secrets {
                ha1_md5: ha1(&user, "demo", password, Algorithm::Md5),
                ha1_sha256: Some(ha1(&user, "demo", password, Algorithm::Sha256)),
            },
        };
        let known = credentials(&password).secrets;
        let source: IpAddr = "192.0.2.7".parse().unwrap();
        let now = epoch();
        let mut challenger = Challenger::new(key, 1, now);
        let mut verify = |request: &Request| {
            let find = |name: &str| (name == user).then_some(&known);
            challenger.verify(now, request, &HeaderName::Authorization, "demo", source, with_sha256, |_| true, find)
        };
        for (password, is_right) in [(&password, true), (&wrong, false)] {
            let mut request = Request::new(Method::Register, "sip:demo");
            let Verdict::Challenge(lines) = verify(&request) else { panic!("nothing was shown") };
            let mut client = ClientDigest::new("cnonce".to_owned());
            let lines: Vec<_> = lines.into_iter().map(Bytes::from).collect();
            prop_assert!(client.accept_challenge(&lines, &credentials(password)));
            let value = client.authorize("REGISTER", "sip:demo", &credentials(password)).unwrap();
            request.headers.push(HeaderName::Authorization, value);
            let accepted =
                Verdict::Accepted { username: user.clone(), uri: "sip:demo".to_owned() };
            prop_assert_eq!(verify(&request) == accepted, is_right);
            prop_assert!(verify(&request) != accepted, "played again");
        }
    }

    #[test]
    fn an_answer_is_understood_by_who_offered(
        lines in vec(media_line(), 0..4), audio in audio_line(), place in any::<Index>(),
        wanted in direction(),
    ) {
        let (mut lines, at) = (lines, place.index(4));
        let at = at.min(lines.len());
        lines.insert(at, audio);
        let text = format!("v=0\r\nc=IN IP4 192.0.2.8\r\n{}", lines.concat());
        let offer = SessionDescription::parse(text.as_bytes()).unwrap();
        let session = Session { id: 1, version: 1, rtp: "192.0.2.1:4000".parse().unwrap() };
        let Ok((body, ours)) = answer(&offer, &session, wanted, |codec| (codec.name != "x").then(|| codec.fmtp.clone())) else {
            return Ok(());
        };
        let answer = SessionDescription::parse(body.as_bytes()).unwrap();
        let kinds = |sdp: &SessionDescription| -> Vec<String> {
            sdp.media.iter().map(|line| line.kind.clone()).collect()
        };
        prop_assert_eq!(kinds(&answer), kinds(&offer));
        let taken: Vec<_> = answer.media.iter().map(|line| line.port).filter(|&p| p != 0).collect();
        prop_assert_eq!(taken, [4000]);
        let chosen = answer.media.iter().position(|line| line.port != 0).unwrap();
        let (offered, answered) = (&offer.media[chosen], &answer.media[chosen]);
        prop_assert!(answered.codecs.iter().all(|codec| offered.codecs.contains(codec)));
        prop_assert!(answered.codecs.iter().all(|codec| codec.name != "x"));
        let only = SessionDescription { media: vec![answered.clone()] };
        let theirs = accept_answer(&offered.codecs, offered.direction, &only).unwrap();
        prop_assert_eq!(theirs.direction, ours.direction.mirrored());
        let ((we_send, we_hear), (they_send, they_hear)) =
            (ours.direction.flags(), offered.direction.flags());
        prop_assert!((!we_send || they_hear) && (!we_hear || they_send));
        let types = |codecs: &[tandem_sip::offer_answer::AgreedCodec]| -> Vec<(u8, u8)> {
            codecs.iter().map(|c| (c.receive_type, c.codec.payload_type)).collect()
        };
        prop_assert_eq!(types(&theirs.codecs), types(&ours.codecs));
        prop_assert_eq!(types(&theirs.events), types(&ours.events));
    }

    #[test]
    fn an_own_offer_is_read_as_it_was_meant(
        direction in direction(), port in 1024_u16..65000, id in any::<u64>(), version in any::<u64>(),
        fmtp in "[ -~]{0,30}",
    ) {
        let codecs = [
            Codec { fmtp: fmtp.trim().to_owned(), ..Codec::new(96, "opus", 48000, 2) },
            Codec::new(8, "PCMA", 8000, 1),
            Codec { fmtp: "0-15".to_owned(), ..Codec::new(101, "telephone-event", 8000, 1) },
        ];
        let rtp = SocketAddr::new("2001:db8::5".parse().unwrap(), port);
        let text = offer(&Session { id, version, rtp }, &codecs, direction);
        let read = SessionDescription::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(read.media.len(), 1);
        prop_assert_eq!(&read.media[0].codecs[..], &codecs[..]);
        prop_assert_eq!((read.media[0].rtp(), read.media[0].direction), (Some(rtp), direction));
        let origin = format!("o=tandem {id} {version} IN IP6 2001:db8::5");
        prop_assert!(text.contains(&origin));
    }
}

/// Lines up to the empty one, first and empty line counted; fails if one holds a control character.
fn lines_of_head(bytes: &[u8]) -> usize {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an empty line");
    let head = &bytes[..end];
    let lines: Vec<_> = head.split(|&b| b == b'\n').collect();
    for line in &lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.iter().all(|b| *b == b'\t' || !b.is_ascii_control()), "{line:?}");
    }
    lines.len()
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive])
}

fn media_line() -> impl Strategy<Value = String> {
    select(vec![
        "m=video 4002 RTP/AVP 31\r\n",
        "m=audio 4004 RTP/SAVP 0\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=image 4006 udptl t38\r\n",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
    ])
    .prop_map(str::to_owned)
}

fn audio_line() -> impl Strategy<Value = String> {
    let codecs = select(vec![
        ("0", ""),
        ("8", ""),
        ("9", ""),
        ("13", ""),
        ("96", "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"),
        ("97", "a=rtpmap:97 x/8000\r\n"),
        ("101", "a=rtpmap:101 telephone-event/8000\r\n"),
        ("102", "a=rtpmap:102 telephone-event/48000\r\n"),
        ("103", ""),
        ("0", "a=rtpmap:0 PCMU/8000\r\n"),
    ]);
    (vec(codecs, 1..6), direction()).prop_map(|(codecs, direction)| {
        let types: Vec<_> = codecs.iter().map(|(payload_type, _)| *payload_type).collect();
        let attributes: String = codecs.iter().map(|(_, attributes)| *attributes).collect();
        format!(
            "m=audio 4000 RTP/AVP {}\r\n{attributes}a={}\r\n",
            types.join(" "),
            direction.as_str()
        )
    })
}

#[expect(clippy::disallowed_methods, reason = "some instant has to be the first one")]
fn epoch() -> Instant {
    Instant::now()
}
