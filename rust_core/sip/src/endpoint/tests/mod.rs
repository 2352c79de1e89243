//! The endpoint against a scripted network, in virtual time. One file per kind of story.

mod banning;
mod browsers;
mod calls_in;
mod calls_out;
mod codecs;
mod datagram;
mod diversion;
mod early;
mod failover;
mod gate;
mod health;
mod hold;
mod identity;
mod in_dialog;
mod late_offer;
mod memory;
mod network;
mod overload;
mod prack;
mod races;
mod redirect;
mod refer;
mod registrar;
mod relayed;
mod replaces;
mod secure;
mod session_timers;
mod trunks;
mod wild_phone;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::auth::{Algorithm, ClientDigest, Credentials, Secrets, ha1};
use crate::offer_answer::Agreed;
use crate::wire::{HeaderName, Method, Request, Response};

/// Where the endpoint under test is.
pub(super) const US: &str = "192.0.2.1:5060";
/// A carrier that needs no password.
pub(crate) const CARRIER: &str = "198.51.100.9:5060";
/// A phone.
pub(crate) const PHONE: &str = "203.0.113.5:5062";
pub(super) const REALM: &str = "demo.example";

/// An endpoint, its clock, and what it has said so far.
pub(super) struct Desk {
    pub(super) endpoint: Endpoint,
    pub(super) now: Instant,
    serial: u32,
}

impl Desk {
    /// One company with the device `anna` (password "pw") and the trunk `carrier`.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(US);
        change(&mut config);
        let now = crate::timers::tests::epoch();
        let mut endpoint = Endpoint::new(config, [7; 32], now);
        endpoint.handle_command(now, Command::SetAccounts(accounts(vec![account("anna", "pw")])));
        endpoint.handle_command(now, Command::SetTrunks(vec![trunk("carrier", CARRIER)]));
        Self { endpoint, now, serial: 0 }
    }

    pub(super) fn command(&mut self, command: Command) {
        self.endpoint.handle_command(self.now, command);
    }

    /// A datagram arrives.
    pub(super) fn hear(&mut self, from: &str, message: impl Into<Bytes>) {
        self.endpoint.handle_message(self.now, udp(from), message.into());
    }

    /// A message of a connection arrives.
    pub(super) fn hear_tcp(&mut self, connection: u64, from: &str, message: impl Into<Bytes>) {
        let connection = Some(connection);
        let flow = Flow { listener: 1, transport: Transport::Tcp, peer: peer(from), connection };
        self.endpoint.handle_message(self.now, flow, message.into());
    }

    /// A request arrives that is answered with one response.
    pub(super) fn ask(&mut self, from: &str, message: impl Into<Bytes>) -> Response {
        self.hear(from, message);
        self.one_response()
    }

    /// Time passes; everything that falls due in it happens at its time.
    pub(super) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.endpoint.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
        }
        self.now = until;
    }

    pub(super) fn pass_s(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Everything that the endpoint has sent since the last look.
    pub(super) fn sent(&mut self) -> Vec<(SocketAddr, Message)> {
        let mut sent = Vec::new();
        while let Some(Transmit { flow, bytes }) = self.endpoint.poll_transmit() {
            let message = parse(bytes, &Limits::DATAGRAM).expect("we write what we can read");
            sent.push((flow.peer, message));
        }
        sent
    }

    pub(super) fn requests(&mut self) -> Vec<Request> {
        let requests = self.sent().into_iter().filter_map(|(_, message)| match message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        });
        requests.collect()
    }

    pub(super) fn responses(&mut self) -> Vec<Response> {
        let responses = self.sent().into_iter().filter_map(|(_, message)| match message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        });
        responses.collect()
    }

    pub(super) fn statuses(&mut self) -> Vec<u16> {
        self.responses().iter().map(|response| response.status).collect()
    }

    pub(super) fn methods(&mut self) -> Vec<String> {
        self.requests().iter().map(|request| request.method.as_str().to_owned()).collect()
    }

    pub(super) fn one_response(&mut self) -> Response {
        let mut responses = self.responses();
        assert_eq!(responses.len(), 1, "{responses:?}");
        responses.remove(0)
    }

    pub(super) fn one_request(&mut self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).map(|dated| dated.event).collect()
    }

    /// The only leg that ended, and how.
    pub(super) fn one_end(&mut self) -> (u16, EndedBy) {
        let ends: Vec<_> = self.events().into_iter().filter_map(end_of).collect();
        assert_eq!(ends.len(), 1, "{ends:?}");
        (ends[0].1.status, ends[0].1.by)
    }

    /// A call of the carrier that waits for a decision.
    pub(super) fn called(&mut self) -> (LegId, Caller) {
        let caller = self.next_caller();
        self.hear(CARRIER, caller.invite());
        let Some(Event::Incoming(incoming)) = self.events().pop() else { panic!("no call") };
        assert_eq!(self.statuses(), [100]);
        (incoming.leg, caller)
    }

    pub(super) fn next_caller(&mut self) -> Caller {
        self.serial += 1;
        Caller { serial: self.serial, cseq: 1, to_tag: String::new() }
    }

    /// A call of the carrier that was answered and acknowledged.
    pub(super) fn talking(&mut self) -> (LegId, Caller) {
        let (leg, mut caller) = self.called();
        self.command(Command::Answer { leg, like: None, rtp: peer("192.0.2.1:4000") });
        let ok = self.one_response();
        assert_eq!(ok.status, 200);
        caller.to_tag = tag(&ok);
        self.hear(CARRIER, caller.request("ACK", ""));
        assert_eq!(self.events().last(), Some(&Event::Answered(leg)));
        (leg, caller)
    }

    /// Nothing is left of any call, nor will be.
    pub(super) fn assert_empty_after(&mut self, seconds: u64) {
        self.pass_s(seconds);
        self.sent();
        let counters = self.endpoint.counters();
        let left = (counters.legs, counters.server_transactions, counters.client_transactions);
        assert_eq!((left, counters.timers), ((0, 0, 0), 0));
        assert!(self.endpoint.merges.is_empty());
    }
}

/// Who calls us from the carrier.
pub(super) struct Caller {
    serial: u32,
    pub(super) cseq: u32,
    pub(super) to_tag: String,
}

impl Caller {
    pub(super) fn invite(&self) -> String {
        self.invite_with("", SDP)
    }

    pub(super) fn invite_with(&self, extra: &str, sdp: &str) -> String {
        self.message("INVITE", &format!("Content-Type: application/sdp\r\n{extra}"), sdp, 1)
    }

    /// A request of this call; ACK and CANCEL belong to the INVITE.
    pub(super) fn request(&self, method: &str, extra: &str) -> String {
        self.message(method, extra, "", self.cseq)
    }

    /// The next request inside the dialog.
    pub(super) fn next(&mut self, method: &str, extra: &str, body: &str) -> String {
        self.cseq += 1;
        self.message(method, extra, body, self.cseq)
    }

    pub(super) fn message(&self, method: &str, extra: &str, body: &str, cseq: u32) -> String {
        let Self { serial, to_tag, .. } = self;
        let to_tag = if to_tag.is_empty() { String::new() } else { format!(";tag={to_tag}") };
        // The ACK of a 2xx is a transaction of its own.
        let branch = if method == "ACK" && !to_tag.is_empty() { "ack" } else { "" };
        format!(
            "{method} sip:+74951234501@192.0.2.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {CARRIER};branch=z9hG4bKc{serial}.{cseq}{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"Ann\" <sip:+7916@carrier.example>;tag=f{serial}\r\n\
             To: <sip:+74951234501@192.0.2.1>{to_tag}\r\nCall-ID: c{serial}@carrier\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:gw@{CARRIER}>\r\n{extra}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

pub(super) const SDP: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\n\
    t=0 0\r\nm=audio 7000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

pub(super) fn config(address: &str) -> Config {
    let listener = |transport| Listener { transport, advertised: peer(address) };
    Config {
        listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
        default_realm: REALM.to_owned(),
        secret: [9; 32],
        max_legs: 100,
        max_requests_of_source: 10_000,
        ban_times: crate::defence::BanTimes {
            first: Duration::from_secs(300),
            longest: Duration::from_secs(86_400),
        },
        never_banned: Vec::new(),
        max_undecided_age: Duration::from_millis(500),
        decision_timeout: Duration::from_secs(3),
        min_expires: Duration::from_secs(60),
        max_expires: Duration::from_secs(3600),
        user_agent: "Tandem".to_owned(),
        only_playable: false,
    }
}

/// A table of these.
fn accounts(list: Vec<Account>) -> std::sync::Arc<super::Accounts> {
    std::sync::Arc::new(list.into())
}

pub(super) fn account(user: &str, password: &str) -> Account {
    Account {
        company: "demo".to_owned(),
        device: format!("{user}-desk"),
        username: user.to_owned(),
        realm: REALM.to_owned(),
        secrets: secrets(user, REALM, password),
        max_bindings: 3,
    }
}

pub(super) fn secrets(user: &str, realm: &str, password: &str) -> Secrets {
    Secrets { ha1_md5: ha1(user, realm, password, Algorithm::Md5), ha1_sha256: None }
}

pub(crate) fn trunk(id: &str, address: &str) -> Trunk {
    let address = peer(address);
    Trunk {
        company: "demo".to_owned(),
        id: id.to_owned(),
        hosts: at(&address.ip().to_string(), address),
        transport: Transport::Udp,
        sources: Vec::new(),
        credentials: None,
        domain: address.ip().to_string(),
        register: false,
        expires: Duration::from_secs(300),
        contact_user: id.to_owned(),
        early_media: true,
        profile: Profile::default(),
        max_calls: None,
    }
}

/// A host with one address.
pub(crate) fn at(host: &str, address: SocketAddr) -> TrunkHosts {
    TrunkHosts::of_one(host, address.port(), Some(address))
}

pub(super) fn credentials(user: &str, realm: &str, password: &str) -> Credentials {
    Credentials {
        username: user.to_owned(),
        realm: realm.to_owned(),
        secrets: secrets(user, realm, password),
    }
}

pub(crate) fn peer(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

pub(crate) fn udp(from: &str) -> Flow {
    Flow { listener: 0, transport: Transport::Udp, peer: peer(from), connection: None }
}

pub(super) fn tag(response: &Response) -> String {
    crate::dialog::tag_of(response.headers.line(&HeaderName::To))
}

pub(super) fn end_of(event: Event) -> Option<(LegId, LegEnd)> {
    match event {
        Event::Ended(leg, end) => Some((leg, end)),
        _ => None,
    }
}

pub(super) fn agreed_in(events: &[Event]) -> Vec<&Agreed> {
    let agreed = events.iter().filter_map(|event| match event {
        Event::MediaAgreed(_, agreed, _) => Some(agreed.as_ref()),
        _ => None,
    });
    agreed.collect()
}

/// Answers a challenge as a phone does: the same request again with credentials.
pub(super) fn authorized(
    request: &str,
    response: &Response,
    credentials: &Credentials,
    next_cseq: u32,
) -> String {
    let mut digest = ClientDigest::new("cnonce".to_owned());
    let (challenge, header) = match response.status {
        401 => (HeaderName::WwwAuthenticate, "Authorization"),
        407 => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
        status => panic!("no challenge but {status}"),
    };
    let values: Vec<_> = response.headers.lines(&challenge).cloned().collect();
    assert!(digest.accept_challenge(&values, credentials));
    let line = request.lines().next().unwrap();
    let (method, uri) = (line.split(' ').next().unwrap(), line.split(' ').nth(1).unwrap());
    let value = digest.authorize(method, uri, credentials).unwrap();
    request
        .replacen("Max-Forwards", &format!("{header}: {value}\r\nMax-Forwards"), 1)
        .replacen("CSeq: 1 ", &format!("CSeq: {next_cseq} "), 1)
        .replacen("branch=z9hG4bK", &format!("branch=z9hG4bK{next_cseq}."), 1)
}
