//! The whole SIP side: a conversation of broken messages, after which nothing may be left.
//!
//! An input is messages with `SEPARATOR` between them. One that begins with `REPLY` is not sent as it is, but as the
//! end of a response to our newest request. `$TAG` stands for the newest tag that we gave.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tandem_sip::auth::Secrets;
use tandem_sip::defence::BanTimes;
use tandem_sip::endpoint::{
    Account, CallerId, Command, Config, Endpoint, Event, FIRST_DIALLED_LEG, Flow, LegId, Listener,
    Profile, Target, Transmit, Transport, Trunk, TrunkHosts,
};
use tandem_sip::wire::{Address, HeaderName, Limits, Message, Request, parse};

use super::shape;
use super::sip::epoch;

const SEPARATOR: u8 = 0x1e;
const REPLY: u8 = 0x1d;
const MAX_MESSAGES: usize = 12;

pub(super) fn run(input: &[u8]) -> u64 {
    let mut talk = Talk::new();
    for piece in input.split(|&b| b == SEPARATOR).take(MAX_MESSAGES) {
        talk.hear(piece);
    }
    talk.endpoint.handle_command(talk.now, Command::Shutdown);
    talk.drain();
    talk.pass(Duration::from_secs(400));
    let left = talk.endpoint.counters();
    assert_eq!((left.legs, left.server_transactions, left.client_transactions), (0, 0, 0));
    assert!(left.timers <= left.bindings, "timers are left");
    assert_eq!(talk.begun, talk.ended, "each leg ends once");
    shape(&talk.heard)
}

/// An endpoint, and a world that answers every call and asks for one more.
struct Talk {
    endpoint: Endpoint,
    now: Instant,
    tag: Vec<u8>,
    newest: Option<Request>,
    begun: u32,
    ended: u32,
    /// What came of it.
    heard: Vec<String>,
}

impl Talk {
    fn new() -> Self {
        let now = epoch();
        let mut endpoint = Endpoint::new(config(), [5; 32], now);
        let secrets = Secrets { ha1_md5: "0".repeat(32), ha1_sha256: None };
        let account = Account {
            company: "demo".to_owned(),
            device: "desk".to_owned(),
            username: "anna".to_owned(),
            realm: "demo.example".to_owned(),
            secrets,
            max_bindings: 2,
        };
        endpoint
            .handle_command(now, Command::SetAccounts(std::sync::Arc::new(vec![account].into())));
        endpoint.handle_command(now, Command::SetTrunks(vec![trunk()]));
        Self { endpoint, now, tag: Vec::new(), newest: None, begun: 0, ended: 0, heard: Vec::new() }
    }

    fn hear(&mut self, piece: &[u8]) {
        let bytes = match (piece.split_first(), &self.newest) {
            (Some((&REPLY, tail)), Some(request)) => reply(request, tail),
            _ => piece.to_vec(),
        };
        let bytes = with_tag(&bytes, &self.tag);
        self.endpoint.handle_message(self.now, carrier(), bytes.into());
        self.drain();
        self.pass(Duration::from_millis(700));
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut turns = 0;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
            turns += 1;
            assert!(turns < 10_000, "timers go on for ever");
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(dated) = self.endpoint.poll_event() {
            self.on_event(dated.event);
        }
        while let Some(Transmit { bytes, .. }) = self.endpoint.poll_transmit() {
            self.on_sent(&bytes);
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Incoming(incoming) => {
                self.begun += 1;
                let rtp = ([192, 0, 2, 1], 4000).into();
                self.endpoint.handle_command(self.now, Command::Ring(incoming.leg));
                let answer = Command::Answer { leg: incoming.leg, like: None, rtp };
                self.endpoint.handle_command(self.now, answer);
                self.dial(incoming.leg, incoming.caller);
            }
            Event::Ended(_, end) => {
                self.ended += 1;
                self.heard.push(format!("ended {}", end.status));
            }
            _ => {}
        }
    }

    fn dial(&mut self, like: LegId, caller: CallerId) {
        let target = Target::Trunk {
            company: "demo".to_owned(),
            trunk: "carrier".to_owned(),
            number: caller.number.clone(),
        };
        self.begun += 1;
        let leg = LegId(FIRST_DIALLED_LEG + u64::from(self.begun));
        let rtp = ([192, 0, 2, 1], 4002).into();
        let dial = Command::Dial { leg, target, caller, offer_of: Some(like), rtp };
        self.endpoint.handle_command(self.now, dial);
    }

    /// Our own requests are right; a response may repeat what was broken in its request.
    fn on_sent(&mut self, bytes: &Bytes) {
        match parse(bytes.clone(), &Limits::DATAGRAM) {
            Ok(Message::Request(request)) => {
                self.heard.push(request.method.as_str().to_owned());
                self.newest = Some(request);
            }
            Ok(Message::Response(response)) => {
                self.heard.push(response.status.to_string());
                let to = response.headers.line(&HeaderName::To).and_then(|to| Address::parse(to));
                if let Some(tag) = to.as_ref().and_then(Address::tag) {
                    self.tag = tag.as_bytes().to_vec();
                }
            }
            Err(malformed) => {
                let text = String::from_utf8_lossy(bytes);
                assert!(text.starts_with("SIP/2.0 "), "{}: {text}", malformed.why);
            }
        }
    }
}

/// A response to `request` that ends as `tail` says: a digit for its class, then header lines and body.
fn reply(request: &Request, tail: &[u8]) -> Vec<u8> {
    let (class, tail) = tail.split_first().unwrap_or((&b'2', b""));
    let status = match class {
        b'1' => 180,
        b'3' => 302,
        b'4' => 401,
        b'5' => 503,
        _ => 200,
    };
    let response = request.response(status, "So", Some("peer"));
    let mut bytes = response.to_bytes().to_vec();
    // Without the writer's own end: Content-Length and the empty line.
    if let Some(end) = bytes.windows(16).position(|w| w == b"\r\nContent-Length") {
        bytes.truncate(end + 2);
    }
    bytes.extend_from_slice(tail);
    bytes
}

fn with_tag(bytes: &[u8], tag: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"$TAG";
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(MARK.len()).position(|w| w == MARK) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(tag);
        rest = &rest[at + MARK.len()..];
    }
    out.extend_from_slice(rest);
    out
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    const SDP: &str = "v=0\r\nc=IN IP4 198.51.100.9\r\nm=audio 7000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    let message = |method: &str, cseq: u32, to_tag: &str, body: &str| {
        format!(
            "{method} sip:+7495@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK{method}{cseq};rport\r\n\
             From: \"Ann\" <sip:+7916@carrier.example>;tag=f\r\nTo: <sip:+7495@192.0.2.1>{to_tag}\r\nCall-ID: c@carrier\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:gw@198.51.100.9>\r\nRecord-Route: <sip:198.51.100.10;lr>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let invite = message("INVITE", 1, "", SDP);
    let ack = message("ACK", 1, ";tag=$TAG", "");
    let bye = message("BYE", 9, ";tag=$TAG", "");
    let held = SDP.replace("m=", "a=sendonly\r\nm=");
    let reinvite = message("INVITE", 2, ";tag=$TAG", &held);
    let ok = format!(
        "\u{1d}2Contact: <sip:b@198.51.100.9>\r\nContent-Type: application/sdp\r\n\r\n{SDP}"
    );
    let ringing = "\u{1d}1Contact: <sip:b@198.51.100.9>\r\n\r\n".to_owned();
    let challenge =
        "\u{1d}4WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n\", qop=\"auth\"\r\n\r\n"
            .to_owned();
    let register = message("REGISTER", 1, "", "");
    let options = message("OPTIONS", 1, "", "");
    let info = message("INFO", 3, ";tag=$TAG", "Signal=5\r\n").replace("/sdp", "/dtmf-relay");
    let separator = char::from(SEPARATOR).to_string();
    let talk = |pieces: &[&String]| {
        pieces.iter().map(|piece| piece.as_str()).collect::<Vec<_>>().join(&separator).into_bytes()
    };
    vec![
        talk(&[&invite, &ack, &ringing, &ok, &reinvite, &info, &bye]),
        talk(&[&invite, &challenge, &ok, &bye]),
        talk(&[&register, &options, &message("CANCEL", 1, "", ""), &invite]),
        talk(&[&invite, &message("CANCEL", 1, "", ""), &message("UPDATE", 4, ";tag=$TAG", SDP)]),
    ]
}

fn carrier() -> Flow {
    let peer = ([198, 51, 100, 9], 5060).into();
    Flow { listener: 0, transport: Transport::Udp, peer, connection: None }
}

fn config() -> Config {
    let advertised = ([192, 0, 2, 1], 5060).into();
    Config {
        listeners: vec![Listener { transport: Transport::Udp, advertised }],
        default_realm: "demo.example".to_owned(),
        secret: [9; 32],
        max_legs: 8,
        max_requests_of_source: 100,
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
    }
}

fn trunk() -> Trunk {
    Trunk {
        company: "demo".to_owned(),
        id: "carrier".to_owned(),
        hosts: TrunkHosts::of_one("carrier.example", 5060, Some(([198, 51, 100, 9], 5060).into())),
        transport: Transport::Udp,
        sources: Vec::new(),
        credentials: None,
        domain: "carrier.example".to_owned(),
        register: false,
        expires: Duration::from_secs(300),
        contact_user: "pbx".to_owned(),
        early_media: true,
        profile: Profile::default(),
        max_calls: None,
    }
}
