//! A phone that keeps to the RFCs and otherwise does what comes to its mind: rings, answers, forks, changes the
//! session, holds, asks, gives up, at any moment. A machine as the endpoint is: `handle_*` in, `poll_transmit` out.

mod asks;
mod hears;
mod outcome;
mod says;

use super::network::Dice;
use super::*;

/// Where it is.
pub(super) const AT: &str = PHONE;
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64·T1: how long anything is repeated.
const PATIENCE: Duration = Duration::from_secs(32);

/// How far a dialog is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum State {
    /// No final answer yet.
    #[default]
    Early,
    /// Both sides talk.
    Confirmed,
    /// Over for this phone.
    Over,
}

/// One dialog as the phone sees it.
#[derive(Debug, Default)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
    pub(super) state: State,
    /// Where it wants sound by what was agreed last: each description of its names another port.
    pub(super) port: u16,
    /// Whether it has asked for or is asked something that is not over yet.
    busy: bool,
    is_caller: bool,
    local: String,
    remote: String,
    target: String,
    local_cseq: u32,
    remote_cseq: Option<u32>,
    /// The INVITE that it was called by, until its final answer.
    invite: Option<Request>,
    /// Whether a CANCEL was wanted or sent.
    cancelled: bool,
    /// Number of its newest reliable response, or of the exchange's.
    rseq: u32,
    /// Whether that one still waits for its PRACK.
    is_unpracked: bool,
    /// Whether the INVITE's offer has its answer already (RFC 3262 §5).
    is_answered_early: bool,
    /// Whether an offer of its own in an UPDATE or PRACK has no answer yet.
    is_offering: bool,
    /// Transfers that it asked for, without those whose end it was told.
    pub(super) transfers: i32,
    /// Its 2xx that waits for an ACK, with the CSeq and the port that the answer in the ACK stands for.
    unacknowledged: Option<(u32, Option<u16>)>,
}

#[derive(Debug)]
struct Client {
    request: Request,
    branch: String,
    dialog: usize,
    /// The port in its offer.
    offer: Option<u16>,
    resend: Option<(Instant, Duration)>,
    until: Instant,
    provisional: bool,
    /// What answers its final response: an INVITE's ACK.
    ack: Option<Bytes>,
    done: bool,
}

#[derive(Debug)]
struct Server {
    key: String,
    last: Bytes,
    /// A final response to an INVITE that waits for its ACK.
    resend: Option<(Instant, Duration)>,
    /// The dialog that ends when the ACK of its 2xx never comes.
    dialog: Option<usize>,
    until: Instant,
}

/// The phone.
pub(super) struct WildPhone {
    pub(super) dialogs: Vec<Dialog>,
    /// Whether it still begins anything by itself.
    pub(super) is_calm: bool,
    pub(super) actions: u64,
    /// What never got its answer or ACK in a dialog that goes on, though whatever is repeated gets through.
    pub(super) unanswered: Vec<String>,
    dice: Dice,
    clients: Vec<Client>,
    servers: Vec<Server>,
    out: VecDeque<Bytes>,
    serial: u64,
    last_port: u16,
    digest: ClientDigest,
    credentials: Credentials,
}

impl WildPhone {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dialogs: Vec::new(),
            is_calm: false,
            actions: 0,
            unanswered: Vec::new(),
            dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            clients: Vec::new(),
            servers: Vec::new(),
            out: VecDeque::new(),
            serial: 0,
            last_port: 10_000,
            digest: ClientDigest::new("wild".to_owned()),
            credentials: credentials("anna", REALM, "pw"),
        }
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        self.out.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let resends = self.clients.iter().filter_map(|client| client.resend);
        let answers = self.servers.iter().filter_map(|server| server.resend);
        let ends = self.clients.iter().map(|client| client.until);
        let ends = ends.chain(self.servers.iter().map(|server| server.until));
        resends.chain(answers).map(|(at, _)| at).chain(ends).min()
    }

    /// Whether nothing waits any more.
    pub(super) fn is_idle(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for client in &mut self.clients {
            if let Some((at, pause)) = client.resend.filter(|(at, _)| *at <= now) {
                self.out.push_back(client.request.to_bytes());
                let most = if client.request.method == Method::Invite { PATIENCE } else { T2 };
                let pause = (pause * 2).min(most);
                client.resend = Some((at + pause, pause));
            }
        }
        for server in &mut self.servers {
            if let Some((at, pause)) = server.resend.filter(|(at, _)| *at <= now) {
                self.out.push_back(server.last.clone());
                let pause = (pause * 2).min(T2);
                server.resend = Some((at + pause, pause));
            }
        }
        let (over, servers): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.servers).into_iter().partition(|server| server.until <= now);
        self.servers = servers;
        // RFC 3261 §13.3.1.4: without an ACK the dialog ends by a BYE.
        for dialog in over.into_iter().filter(|s| s.resend.is_some()).filter_map(|s| s.dialog) {
            if self.dialogs[dialog].unacknowledged.take().is_some() {
                self.unanswered.push(format!("2xx of {:?}", self.dialogs[dialog]));
                self.bye(now, dialog);
            }
        }
        let (over, clients): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.clients).into_iter().partition(|client| client.until <= now);
        self.clients = clients;
        for client in over.into_iter().filter(|client| !client.done) {
            self.gave_up(now, &client);
        }
    }

    pub(super) fn handle_message(&mut self, now: Instant, bytes: Bytes) {
        match parse(bytes, &Limits::DATAGRAM).expect("the exchange writes what can be read") {
            Message::Request(request) => self.on_request(now, request),
            Message::Response(response) => self.on_response(now, &response),
        }
    }

    /// Sometimes on hold.
    fn describe(&mut self, headers: &mut crate::wire::Headers, body: &mut Bytes, port: u16) {
        let direction =
            ["sendrecv", "sendrecv", "sendonly", "inactive"][self.dice.below(4) as usize];
        headers.push(HeaderName::ContentType, "application/sdp");
        *body = Bytes::from(format!(
            "v=0\r\no=- 1 {port} IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 8 0\r\na={direction}\r\n"
        ));
    }

    fn next_port(&mut self) -> u16 {
        self.last_port += 2;
        self.last_port
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

impl Dialog {
    fn request(&self, method: Method, cseq: u32, serial: u64) -> Request {
        let name = method.as_str().to_owned();
        let mut request = Request::new(method, self.target.clone());
        let to_tag = match self.remote_tag.as_str() {
            _ if self.remote.contains(";tag=") => String::new(),
            "" => String::new(),
            tag => format!(";tag={tag}"),
        };
        request.headers.push(HeaderName::Via, via(serial));
        request.headers.push(HeaderName::MaxForwards, "70");
        let from = format!("{};tag={}", self.local, self.local_tag);
        request.headers.push(HeaderName::From, from);
        request.headers.push(HeaderName::To, format!("{}{to_tag}", self.remote));
        request.headers.push(HeaderName::CallId, self.call_id.clone());
        request.headers.push(HeaderName::CSeq, format!("{cseq} {name}"));
        request.headers.push(HeaderName::Contact, format!("<sip:anna@{AT}>"));
        // Who takes no UPDATE is asked by re-INVITE whether it is still there.
        let update =
            if self.local_tag.ends_with(['0', '2', '4', '6', '8']) { ", UPDATE" } else { "" };
        request.headers.push(HeaderName::Allow, format!("INVITE, ACK, BYE, CANCEL, INFO{update}"));
        request
    }
}

fn via(serial: u64) -> String {
    format!("SIP/2.0/UDP {AT};branch=z9hG4bKw{serial};rport")
}

fn branch(headers: &crate::wire::Headers) -> String {
    let via = headers.text(&HeaderName::Via).unwrap_or("");
    via.split("branch=").nth(1).unwrap_or("").split(';').next().unwrap_or("").to_owned()
}

/// A request and its repetitions; the ACK of a refusal goes with its INVITE.
fn key_of(request: &Request) -> String {
    let method = match &request.method {
        Method::Ack => "INVITE",
        other => other.as_str(),
    };
    format!("{method} {}", branch(&request.headers))
}

fn dialog_tag(request: &Request) -> String {
    crate::dialog::tag_of(request.headers.line(&HeaderName::To))
}
