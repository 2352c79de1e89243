//! The readers of SIP and SDP.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tandem_sip::auth::{Challenger, ClientDigest, Credentials, Secrets, Verdict};
use tandem_sip::offer_answer::{Direction, Session, SessionDescription, accept_answer, answer};
use tandem_sip::wire::{
    Address, Framed, Framer, HeaderName, Limits, Message, Method, Request, Uri, Via, call_id_of,
    decode_percent, display_text, encode_user, masked, parse, split_commas,
};

use super::{shape, size};

/// What was understood can be written, and is then understood as the same.
pub(super) fn message(input: &[u8]) -> u64 {
    match parse(Bytes::copy_from_slice(input), &Limits::DATAGRAM) {
        Ok(message) => {
            let again = parse(written(&message), &Limits::DATAGRAM).expect("we read what we write");
            assert_eq!(lengthless(again), lengthless(message.clone()));
            look_into(&message);
            let names: Vec<_> = message.headers().iter().map(|(name, _)| name).collect();
            shape((matches!(message, Message::Request(_)), names, size(input.len())))
        }
        Err(malformed) => {
            if let Some(mut request) = malformed.partial.clone() {
                request.note_source(([192, 0, 2, 1], 5060).into());
                let response = request.response(malformed.status, malformed.why, Some("us"));
                let bytes = response.to_bytes();
                let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an empty line");
                let lines = bytes[..head].iter().filter(|&&b| b == b'\n').count();
                assert_eq!(lines, response.headers.len() + 1, "a value has made a line");
            }
            shape((malformed.why, malformed.status, malformed.partial.is_some()))
        }
    }
}

/// What is shown of a message is as long as it was, and has no more secrets; it belongs where the parser says.
pub(super) fn trace(input: &[u8]) -> u64 {
    let shown = masked(input);
    assert_eq!(shown.len(), input.len());
    assert_eq!(masked(&shown), shown, "what is masked stays as it is");
    let found = call_id_of(input);
    // What the parser repairs is looked for as it is written.
    let is_folded = input.windows(2).any(|w| w[0] == b'\n' && matches!(w[1], b' ' | b'\t'));
    let is_repaired = is_folded || found.is_some_and(|id| id.iter().any(u8::is_ascii_control));
    if let (Ok(message), false) =
        (parse(Bytes::copy_from_slice(input), &Limits::DATAGRAM), is_repaired)
    {
        let read = message.headers().line(&HeaderName::CallId);
        assert_eq!(found, read.map(|id| id.trim_ascii()), "another Call-ID than the parser's");
    }
    let hidden = input.iter().zip(&shown).filter(|(was, is)| was != is).count();
    shape((found.is_some(), size(hidden), size(input.len())))
}

pub(super) fn trace_seeds() -> Vec<Vec<u8>> {
    let mut seeds = message_seeds();
    let head = "INFO sip:a:secret@x SIP/2.0\r\nCall-ID: 1\r\nAuthorization: Digest response=\"0f\", cnonce=\"1\"\r\n";
    for (kind, body) in [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
        ("application/dtmf", "5"),
        ("application/sdp", "v=0\r\na=crypto:1 X inline:abc\r\na=ice-pwd:abc\r\nk=clear:abc\r\n"),
    ] {
        seeds.push(format!("{head}Content-Type: {kind}\r\n\r\n{body}").into_bytes());
    }
    seeds.push(
        b"MESSAGE sip:a SIP/2.0\r\ni: 1\r\nProxy-Authorization: Bearer x\r\n y\r\n\r\n12".to_vec(),
    );
    seeds
}

/// Every typed reader of every field.
fn look_into(message: &Message) {
    let headers = message.headers();
    for (name, line) in headers.iter() {
        for value in headers.values(name).chain(split_commas(line)) {
            Via::parse(&value);
            if let Some(address) = Address::parse(&value) {
                address.display_name();
                address.params.iter().for_each(drop);
                address.parsed_uri().and_then(|uri| uri.user());
            }
        }
    }
}

fn written(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.write_to(&mut out);
    out.into()
}

fn lengthless(mut message: Message) -> Message {
    match &mut message {
        Message::Request(request) => request.headers.remove(&HeaderName::ContentLength),
        Message::Response(response) => response.headers.remove(&HeaderName::ContentLength),
    }
    message
}

/// Frames don't depend on how the stream was cut; together they are not longer than it.
pub(super) fn stream(input: &[u8]) -> u64 {
    let whole = frames(input, input.len().max(1));
    let cut = frames(input, 1 + input.len() / 7);
    assert_eq!(whole.0, cut.0);
    assert_eq!(whole.1, cut.1);
    let taken: usize = whole
        .0
        .iter()
        .map(|frame| match frame {
            Framed::Message(bytes) => bytes.len(),
            Framed::Ping => 4,
        })
        .sum();
    assert!(taken <= input.len());
    let mut outcomes = Vec::new();
    for frame in &whole.0 {
        if let Framed::Message(bytes) = frame {
            outcomes
                .push(parse(bytes.clone(), &Limits::STREAM).err().map(|malformed| malformed.why));
        }
    }
    shape((whole.0.len(), whole.1, outcomes))
}

fn frames(input: &[u8], step: usize) -> (Vec<Framed>, Option<&'static str>) {
    let (mut framer, mut frames) = (Framer::default(), Vec::new());
    for chunk in input.chunks(step) {
        framer.push(chunk);
        loop {
            match framer.next_frame(&Limits::STREAM) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(why) => return (frames, Some(why)),
            }
        }
    }
    (frames, None)
}

pub(super) fn message_seeds() -> Vec<Vec<u8>> {
    let call = "Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKa;rport, SIP/2.0/TCP [2001:db8::1]\r\n\
        Max-Forwards: 70\r\nFrom: \"A. \\\"B\\\"\" <sip:101@example.com;user=phone>;tag=f\r\nTo: <sip:102@example.com>\r\n\
        Call-ID: a@192.0.2.9\r\nContact: <sip:101@192.0.2.9:5062;transport=udp>;q=0.5;expires=60\r\n\
        Route: <sip:p1;lr>, <sip:p2;lr=on>\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\nExpires: 60\r\n";
    let sdp = "v=0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\n";
    let with = |start: &str, rest: &str, body: &str| {
        format!("{start}\r\n{call}{rest}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    vec![
        with("INVITE sip:*21#5@example.com;x=y SIP/2.0", "CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n", sdp),
        with("SIP/2.0 200 OK", "CSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\n", sdp),
        with("REGISTER sip:example.com SIP/2.0", "CSeq: 2 REGISTER\r\nAuthorization: Digest a=\"b, c\"\r\n", ""),
        with("OPTIONS tel:+74951234567 SIP/2.0", "CSeq: 3 OPTIONS\r\nk: path\r\nSubject: a\r\n b\r\n", ""),
        b"\r\n\r\nBYE sip:x@y SIP/2.0\nv: SIP/2.0/UDP z\nf: <sip:a@b>\nt: c <tel:1>\ni: d\nCSeq: 4 BYE\nl: 0\n\n".to_vec(),
    ]
}

/// A user part that was read can be written, and is read as the same.
pub(super) fn uri(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let Some(uri) = Uri::parse(&text) else { return 0 };
    assert!(!uri.host.contains([' ', '\r', '\n', '<', '>']));
    if let Some(user) = uri.user() {
        assert_eq!(decode_percent(&encode_user(&user)), user);
        let text = format!("sip:{}@example.com", encode_user(&user));
        assert_eq!(Uri::parse(&text).is_some(), !user.is_empty());
    }
    let params: Vec<_> =
        uri.params.iter().map(|(name, value)| (name.len().min(9), value.is_some())).collect();
    shape((
        uri.scheme as u8,
        uri.user().is_some(),
        uri.port.is_some(),
        uri.headers.is_some(),
        params,
    ))
}

pub(super) fn uri_seeds() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 6] = [
        b"sip:101@example.com",
        b"sips:a%20b;par=1:pw@[2001:db8::1]:5061;transport=tls;lr;maddr=10.0.0.1?Subject=a&x=y",
        b"tel:+7(495)123-45-67;phone-context=example.com",
        b"sip:*21#123@h:5060;lr=on",
        b"sip:[2001:db8:::192.0.2.1]",
        "sip:анна@пример".as_bytes(),
    ];
    seeds.map(<[u8]>::to_vec).into()
}

/// Names hold no control character, and tags no more than was sent.
pub(super) fn address(input: &[u8]) -> u64 {
    let values = split_commas(&Bytes::copy_from_slice(input));
    assert!(values.iter().map(Bytes::len).sum::<usize>() <= input.len());
    let mut shapes = Vec::new();
    for value in values.iter().take(8) {
        let Some(address) = Address::parse(value) else { continue };
        let name = address.display_name();
        assert!(!name.contains(char::is_control) && name.chars().count() <= 128);
        assert!(address.tag().is_none_or(|tag| tag.len() <= value.len()));
        shapes.push((
            size(name.len()),
            address.tag().is_some(),
            address.params.iter().count().min(9),
        ));
    }
    display_text(input);
    shape(shapes)
}

pub(super) fn address_seeds() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 5] = [
        b"\"Anna, \\\"A\\\"\" <sip:101@example.com;lr?x=1,2>;tag=a;q=0.5;+sip.instance=\"<urn:uuid:0>\", <sip:b@c>",
        b"J. Doe (x) <sip:a@b>;expires=60",
        b"sip:a@b;tag=c",
        b"*",
        b"\xcf\xf0\xe8 <sip:a@b>",
    ];
    seeds.map(<[u8]>::to_vec).into()
}

/// The source can be noted in any Via that can be read, and is then found there.
pub(super) fn via(input: &[u8]) -> u64 {
    let mut request = Request::new(Method::Options, "sip:a@b");
    request.headers.push(HeaderName::Via, input.to_vec());
    let top = request.headers.values(&HeaderName::Via).next();
    let Some(via) = top.as_deref().and_then(Via::parse) else { return 0 };
    request.note_source(([203, 0, 113, 7], 4711).into());
    let noted = request.headers.values(&HeaderName::Via).next().expect("it was there");
    let noted = Via::parse(&noted).expect("it could be read");
    assert_eq!(noted.params.value("received"), Some("203.0.113.7"));
    assert_eq!((noted.branch(), noted.sent_by), (via.branch(), via.sent_by));
    let params = via.params.iter().count().min(9);
    shape((via.transport.len().min(9), via.port.is_some(), via.branch().is_some(), params))
}

pub(super) fn via_seeds() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 3] = [
        b"SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKa;rport;received=1.2.3.4",
        b"SIP  / 2.0 / TCP  [2001:db8::1]:5060 ; branch = z9hG4bKb , SIP/2.0/UDP b",
        b"SIP/2.0/UDP my_host;maddr=224.0.0.1;ttl=1",
    ];
    seeds.map(<[u8]>::to_vec).into()
}

/// What we answer is a description of as many lines, with one audio stream, and its offerer agrees.
pub(super) fn sdp(input: &[u8]) -> u64 {
    let offer = match SessionDescription::parse(input) {
        Ok(offer) => offer,
        Err(why) => return shape(why),
    };
    let session = Session { id: 1, version: 2, rtp: ([192, 0, 2, 1], 4000).into() };
    let lines: Vec<_> = offer
        .media
        .iter()
        .map(|line| {
            (
                line.is_audio(),
                line.rtp().is_some(),
                line.rtcp().is_some(),
                line.codecs.len().min(5),
                line.direction as u8,
            )
        })
        .collect();
    let answered = answer(&offer, &session, Direction::SendRecv, |codec| Some(codec.fmtp.clone()));
    if let Ok((body, agreed)) = &answered {
        assert!(body.lines().all(|line| !line.contains(char::is_control)));
        let read = SessionDescription::parse(body.as_bytes()).expect("we read what we write");
        assert_eq!(read.media.len(), offer.media.len());
        let chosen = read.media.iter().position(|line| line.port != 0).expect("one is taken");
        let only = SessionDescription { media: vec![read.media[chosen].clone()] };
        let line = &offer.media[chosen];
        let theirs = accept_answer(&line.codecs, line.direction, &only).expect("it is their offer");
        assert_eq!(theirs.codecs.len(), agreed.codecs.len());
        assert!(agreed.rtp.port() != 0 && !agreed.rtp.ip().is_multicast());
    }
    shape((lines, answered.is_ok()))
}

pub(super) fn sdp_seeds() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 3] = [
        b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=sendonly\r\nm=audio 4000/2 RTP/AVP 96 8 101\r\n\
          a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
          a=rtcp:4003 IN IP4 10.0.0.2\r\na=ptime:30\r\nm=video 0 RTP/AVP 31\r\n",
        b"v=0\nm=image 4 udptl t38\nm=audio 6 RTP/SAVP 0\nm=audio 8 RTP/AVPF 0 9 13 18\nc=IN IP6 2001:db8::1\na=inactive\0",
        b"v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 65535 RTP/AVP 0 3 4 15\r\na=recvonly\r\na=rtcp-mux\r\n",
    ];
    seeds.map(<[u8]>::to_vec).into()
}

/// Nobody gets in, and what we answer to a challenge is one line.
pub(super) fn digest(input: &[u8]) -> u64 {
    let secrets = Secrets { ha1_md5: "0".repeat(32), ha1_sha256: Some("0".repeat(64)) };
    let now = epoch();
    let mut challenger = Challenger::new([7; 32], 1, now);
    let mut request = Request::new(Method::Register, "sip:demo");
    request.headers.push(HeaderName::Authorization, input.to_vec());
    let source = [192, 0, 2, 1].into();
    let verdict = challenger.verify(
        now + Duration::from_secs(1),
        &request,
        &HeaderName::Authorization,
        "demo",
        source,
        true,
        |_| true,
        |_| Some(&secrets),
    );
    let (Verdict::Challenge(lines) | Verdict::MadeUp(lines)) = verdict else {
        panic!("credentials that nobody can have: {verdict:?}")
    };
    assert_eq!(lines.len(), 2);
    let credentials = Credentials {
        username: "anna".to_owned(),
        realm: "demo".to_owned(),
        secrets: secrets.clone(),
    };
    let mut client = ClientDigest::new("cnonce".to_owned());
    let is_answered = client.accept_challenge(&[Bytes::copy_from_slice(input)], &credentials);
    let value = client.authorize("REGISTER", "sip:demo", &credentials);
    assert_eq!(value.is_some(), is_answered);
    shape((
        is_answered,
        value.map(|value| (value.contains("qop"), value.contains("opaque"), value.contains("SHA"))),
    ))
}

pub(super) fn digest_seeds() -> Vec<Vec<u8>> {
    let seeds: [&[u8]; 3] = [
        b"Digest username=\"anna\", realm=\"demo\", nonce=\"1.1.0123456789abcdef0123456789abcdef\", uri=\"sip:demo\", \
          response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"a\"",
        b"Digest realm=\"demo\", nonce=\"abc\", qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"x\\\"y\", stale=TRUE",
        b"Digest realm=\"demo\",nonce=\"abc\"",
    ];
    seeds.map(<[u8]>::to_vec).into()
}

/// One instant for all inputs: a new one each would only make runs differ.
#[expect(clippy::disallowed_methods, reason = "some instant has to be the first one")]
pub(super) fn epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}
