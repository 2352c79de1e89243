//! An endpoint that torture messages are sent to, and how they are put together.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tandem_sip::defence::BanTimes;
use tandem_sip::endpoint::{
    Command, Config, Endpoint, Event, Flow, Incoming, Listener, Profile, Transmit, Transport,
    Trunk, TrunkHosts,
};
use tandem_sip::wire::{Limits, Malformed, Message, Request, Response, parse};

/// Who sends: a carrier that needs no password.
const CARRIER: &str = "198.51.100.9:5060";
const US: &str = "192.0.2.1:5060";

/// The usual fields, `instead` of those that it begins a line with, then the body. Lines end with "\n" in the
/// arguments and with CRLF in the message.
pub(crate) fn message(start: &str, instead: &str, body: &str) -> Vec<u8> {
    let method = start.split(' ').next().unwrap_or("");
    let usual = [
        "Via: SIP/2.0/UDP peer.example.net;branch=z9hG4bKtorture".to_owned(),
        "Max-Forwards: 70".to_owned(),
        "From: <sip:caller@peer.example.net>;tag=f1".to_owned(),
        "To: <sip:callee@pbx.example.com>".to_owned(),
        "Call-ID: torture@peer.example.net".to_owned(),
        format!("CSeq: 8 {method}"),
        "Contact: <sip:caller@peer.example.net>".to_owned(),
        format!("Content-Length: {}", body.len()),
    ];
    let name = |line: &str| line.split(':').next().unwrap_or("").trim().to_ascii_lowercase();
    let replaced: Vec<String> =
        instead.lines().filter(|line| !line.starts_with([' ', '\t'])).map(name).collect();
    let mut text = format!("{start}\r\n");
    for line in usual.iter().filter(|line| !replaced.contains(&name(line))) {
        text.push_str(&format!("{line}\r\n"));
    }
    // A field may be left out by a line that names it and nothing else.
    for line in instead.lines().filter(|line| !line.ends_with("absent")) {
        text.push_str(&format!("{line}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// A session description that can be taken part in.
pub(crate) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\n\
    t=0 0\r\nm=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n";

/// An INVITE with that description.
pub(crate) fn invite(uri: &str, instead: &str) -> Vec<u8> {
    message(
        &format!("INVITE {uri} SIP/2.0"),
        &format!("Content-Type: application/sdp\n{instead}"),
        SDP,
    )
}

/// Without SIP: what a message says.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, Malformed> {
    parse(Bytes::copy_from_slice(bytes), &Limits::DATAGRAM)
}

pub(crate) fn request(bytes: &[u8]) -> Request {
    match read(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request but {other:?}"),
    }
}

pub(crate) fn response(bytes: &[u8]) -> Response {
    match read(bytes) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response but {other:?}"),
    }
}

/// What the endpoint answers to one datagram of the carrier.
pub(crate) fn answers(bytes: &[u8]) -> Vec<Response> {
    heard(bytes).0.iter().map(|bytes| response(bytes)).collect()
}

/// The same, but only the numbers: a response to a broken request may repeat what is broken.
pub(crate) fn statuses(bytes: &[u8]) -> Vec<u16> {
    let number = |line: &[u8]| -> u16 {
        let line = String::from_utf8_lossy(line.strip_prefix(b"SIP/2.0 ").unwrap());
        line[..3].parse().unwrap()
    };
    heard(bytes).0.iter().map(|bytes| number(bytes)).collect()
}

/// The call that one datagram of the carrier begins.
pub(crate) fn call(bytes: &[u8]) -> Incoming {
    let (_, events) = heard(bytes);
    match events.into_iter().next() {
        Some(Event::Incoming(incoming)) => *incoming,
        other => panic!("no call but {other:?} and {:?}", statuses(bytes)),
    }
}

/// A message that gets no answer, counted as malformed.
pub(crate) fn is_dropped(bytes: &[u8]) -> bool {
    let mut endpoint = endpoint();
    endpoint.handle_message(epoch(), carrier(), Bytes::copy_from_slice(bytes));
    endpoint.poll_transmit().is_none() && endpoint.counters().malformed == 1
}

fn heard(bytes: &[u8]) -> (Vec<Bytes>, Vec<Event>) {
    let mut endpoint = endpoint();
    endpoint.handle_message(epoch(), carrier(), Bytes::copy_from_slice(bytes));
    let sent = std::iter::from_fn(|| endpoint.poll_transmit());
    let responses = sent.map(|Transmit { bytes, .. }| bytes).collect();
    let events = std::iter::from_fn(|| endpoint.poll_event()).map(|dated| dated.event).collect();
    (responses, events)
}

fn carrier() -> Flow {
    let peer = CARRIER.parse().unwrap();
    Flow { listener: 0, transport: Transport::Udp, peer, connection: None }
}

fn endpoint() -> Endpoint {
    let listener = Listener { transport: Transport::Udp, advertised: US.parse().unwrap() };
    let config = Config {
        listeners: vec![listener],
        default_realm: "pbx.example.com".to_owned(),
        secret: [9; 32],
        max_legs: 10,
        max_requests_of_source: 1_000,
        ban_times: BanTimes {
            first: Duration::from_secs(300),
            longest: Duration::from_secs(86_400),
        },
        never_banned: Vec::new(),
        max_undecided_age: Duration::from_secs(1),
        decision_timeout: Duration::from_secs(3),
        min_expires: Duration::from_secs(60),
        max_expires: Duration::from_secs(3600),
        user_agent: "Tandem".to_owned(),
        only_playable: false,
    };
    let address = CARRIER.parse().unwrap();
    let trunk = Trunk {
        company: "demo".to_owned(),
        id: "carrier".to_owned(),
        hosts: TrunkHosts::of_one("198.51.100.9", 5060, Some(address)),
        transport: Transport::Udp,
        sources: Vec::new(),
        credentials: None,
        domain: "198.51.100.9".to_owned(),
        register: false,
        expires: Duration::from_secs(300),
        contact_user: "pbx".to_owned(),
        early_media: true,
        profile: Profile::default(),
        max_calls: None,
    };
    let mut endpoint = Endpoint::new(config, [3; 32], epoch());
    endpoint.handle_command(epoch(), Command::SetTrunks(vec![trunk]));
    endpoint
}

#[expect(clippy::disallowed_methods, reason = "some instant has to be the first one")]
fn epoch() -> Instant {
    Instant::now()
}
