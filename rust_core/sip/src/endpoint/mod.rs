//! The whole SIP side as one machine.
//!
//! Feed it with `handle_*`, then take everything from `poll_transmit` and `poll_event`; call `handle_timeout` when
//! `poll_timeout` says so. Same inputs and same seed, same outputs.

mod answer;
mod banning;
mod client_transactions;
mod command;
mod config;
mod counters;
mod datagram;
mod dial;
mod diversion;
mod early;
mod event;
mod failover;
mod flow;
mod gate;
mod health;
mod identity;
mod in_dialog;
mod incoming;
mod invite_client;
mod invite_server;
mod keys;
mod late_offer;
mod legs;
mod load;
mod prack;
mod probe;
mod profile;
mod redirect;
mod refer;
mod refresh;
mod register;
mod replaces;
mod requests;
mod reserve;
mod server_transactions;
mod timeouts;
mod trunk_register;
mod update;

pub use crate::accounts::Accounts;
pub use crate::health::Standing;
pub use crate::trunk_hosts::{Host, PATIENCE, Server, TrunkHost, TrunkHosts};
pub use command::{
    Account, CallerId, Command, Diverted, FIRST_DIALLED_LEG, LegId, RestoredBan, RestoredBinding,
    Target, Trunk,
};
pub use config::{Config, EMERGENCY_LEGS};
pub use counters::Counters;
pub use event::{
    BanReason, Binding, Dated, EndedBy, Event, Incoming, LegEnd, ServerState, Tried, TrunkState,
    Why,
};
pub use flow::{Flow, Listener, Transmit, Transport};
pub use profile::{Forwarding, Identity, Profile};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use crate::auth::Challenger;
use crate::defence::{Bans, Buckets, Guesses, Strangers, Suspects};
use crate::health::ServerKey;
use crate::leg::Leg;
use crate::registrar::Registrar;
use crate::timers::Timers;
use crate::transaction::{ClientState, ClientTransaction, ServerTransaction};
use crate::trunk::{TrunkKey, Trunks, canonical};
use crate::wire::{Limits, Message, parse};
use reserve::Reserve;

/// The SIP side.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    rng: ChaCha8Rng,
    challenger: Challenger,
    registrar: Registrar,
    trunks: Trunks,
    reserve: Reserve,
    legs: HashMap<LegId, Leg>,
    /// Legs whose flow is a stream, by its connection; `None`: it was closed, or is any to that peer.
    legs_by_connection: HashMap<Option<u64>, BTreeSet<LegId>>,
    /// INVITEs by who sent them, to know one that comes twice by different ways.
    merges: HashMap<String, LegId>,
    /// Calls that wait for a decision, in the order of their arrival, and when that was.
    undecided: BTreeMap<LegId, Instant>,
    servers: HashMap<u64, ServerTransaction>,
    server_keys: HashMap<String, u64>,
    /// How many server transactions each source has.
    servers_of: HashMap<IpAddr, usize>,
    /// Open connections by which somebody has shown who that is.
    proven: HashSet<u64>,
    clients: HashMap<ClientId, ClientTransaction>,
    timers: Timers<Due>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Dated>,
    counters: Counters,
    guesses: Guesses,
    guessers: Suspects,
    garblers: Suspects,
    strangers: Strangers,
    bans: Bans,
    /// How often who has no tries left is judged.
    judging: Buckets<IpAddr>,
    is_reviewing: bool,
    /// Makes the tags of responses that nothing is kept of.
    tag_key: u64,
    behind: f64,
    /// Whether a sweep of the legs is due some time.
    is_sweeping: bool,
    closing: bool,
    last_leg: u64,
    last_transaction: u64,
}

/// Number of a client transaction, and whether it is the CANCEL of that INVITE.
type ClientId = (u64, bool);

/// What is due at a time. Each looks whether it still matters.
#[derive(Debug)]
enum Due {
    ServerResend(u64),
    ServerEnd(u64),
    ClientResend(ClientId),
    ClientEnd(ClientId),
    OkResend(LegId),
    ProvisionalResend(LegId),
    Refresh(LegId),
    Decision(LegId),
    Referral(LegId),
    Sweep,
    Review,
    Refreshes,
    TrunkRegister(Box<(TrunkKey, u64)>),
    Health(ServerKey, u64),
}

impl Endpoint {
    /// `seed` must be random in production: tags, branches and nonces come from it.
    pub fn new(mut config: Config, seed: [u8; 32], now: Instant) -> Self {
        for (network, length) in &mut config.never_banned {
            (*network, *length) = canonical(*network, *length);
        }
        let mut rng = ChaCha8Rng::from_seed(seed);
        let run = rng.next_u64();
        let tag_key = rng.next_u64();
        Self {
            challenger: Challenger::new(gate::nonce_key(&config.secret), run, now),
            config,
            rng,
            registrar: Registrar::default(),
            trunks: Trunks::default(),
            reserve: Reserve::default(),
            legs: HashMap::new(),
            legs_by_connection: HashMap::new(),
            merges: HashMap::new(),
            undecided: BTreeMap::new(),
            servers: HashMap::new(),
            server_keys: HashMap::new(),
            servers_of: HashMap::new(),
            proven: HashSet::new(),
            clients: HashMap::new(),
            timers: Timers::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            guesses: Guesses::default(),
            guessers: Suspects::default(),
            garblers: Suspects::default(),
            strangers: Strangers::default(),
            bans: Bans::default(),
            judging: Buckets::new(banning::JUDGING),
            is_reviewing: false,
            tag_key,
            behind: 0.0,
            is_sweeping: false,
            closing: false,
            last_leg: 0,
            last_transaction: 0,
        }
    }

    /// Takes one datagram, or one message cut out of a stream.
    pub fn handle_message(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        let limits = if flow.transport.is_stream() { Limits::STREAM } else { Limits::DATAGRAM };
        // RFC 5626 §4.4 keep-alives, and NATs that send a few zeros.
        if bytes.len() <= 4 && bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
            return;
        }
        self.counters.messages += 1;
        match parse(bytes, &limits) {
            Ok(message) => {
                self.note_stranger(now, flow, false);
                match message {
                    Message::Request(request) => self.on_request(now, flow, request),
                    Message::Response(response) => self.on_response(now, &response),
                }
            }
            Err(malformed) => self.on_malformed(now, flow, malformed),
        }
    }

    /// A connection is gone: what was registered over it is, and what waits for an answer gets none.
    pub fn handle_connection_closed(&mut self, now: Instant, connection: u64) {
        let accounts = self.registrar.connection_closed(connection);
        // Strangers' connections cost no search.
        if self.proven.remove(&connection) {
            self.fail_clients(now, NO_CONNECTION, |flow| flow.connection == Some(connection));
            for id in self.legs_at(Some(connection)) {
                let Some(flow) = self.legs.get(&id).map(|leg| leg.flow) else { continue };
                self.move_leg(id, Flow { connection: None, ..flow });
            }
        }
        for account in accounts {
            self.tell_registration(now, &account, Why::Expired);
        }
    }

    /// Whether somebody is registered by a connection or a call goes on over it.
    pub fn is_needed(&self, connection: u64) -> bool {
        self.registrar.has_connection(connection)
            || self.legs_by_connection.contains_key(&Some(connection))
    }

    /// No connection to this address could be made. `why` is for people; empty where there is nothing to say.
    pub fn handle_unreachable(
        &mut self,
        now: Instant,
        transport: Transport,
        peer: SocketAddr,
        why: &str,
    ) {
        let why = if why.is_empty() { NO_CONNECTION } else { why };
        self.fail_clients(now, why, |flow| flow.transport == transport && flow.peer == peer);
    }

    /// Does what a command says.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Ring(leg) => {
                self.led_on(now, leg);
                self.ring(now, leg);
            }
            Command::Progress { leg, like, rtp } => self.progress(now, leg, like, rtp),
            Command::Answer { leg, like, rtp } => self.answer(now, leg, like, rtp),
            Command::Reject { leg, status, reason, retry_after_s } => {
                self.reject(now, leg, status, &reason, retry_after_s);
            }
            Command::Dial { leg, target, caller, offer_of, rtp } => {
                self.dial(now, leg, &target, &caller, offer_of, rtp)
            }
            Command::HangUp { leg, status, reason, by } => {
                self.hang_up(now, leg, status, &reason, by)
            }
            Command::TellTransfer { leg, status } => self.tell_transfer(now, leg, status),
            Command::PressKey { leg, key } => self.press_key(now, leg, key),
            Command::SetAccounts(accounts) => self.set_accounts(now, accounts),
            Command::SetTrunks(trunks) => self.set_trunks(now, trunks),
            Command::Resolved { host, servers } => self.resolved(now, &host, &servers),
            Command::RestoreBindings(bindings) => self.restore_bindings(now, bindings),
            Command::RestoreBans(bans) => self.restore_bans(now, bans),
            Command::LiftBan(ip) => self.lift_ban(now, ip),
            Command::Shutdown => self.shut_down(now),
        }
    }

    /// How much the engine is behind, as a share of what is bearable: from a half on what can wait is refused, above 1
    /// new calls too.
    pub fn set_behind(&mut self, share: f64) {
        self.behind = share;
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Dated> {
        self.events.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next_deadline(), self.registrar.next_expiry()].into_iter().flatten().min()
    }

    /// Whether nothing is left that a shutdown waits for.
    pub fn is_idle(&self) -> bool {
        let waits = |state| matches!(state, ClientState::Calling | ClientState::Proceeding);
        self.legs.is_empty() && !self.clients.values().any(|client| waits(client.state))
    }

    /// Totals since the start and levels now.
    pub fn counters(&self) -> Counters {
        let (devices, bindings) = self.registrar.len();
        let (trunks, trunks_registered) = self.trunks.len();
        Counters {
            legs: self.legs.len() as u64,
            server_transactions: self.servers.len() as u64,
            client_transactions: self.clients.len() as u64,
            timers: (self.timers.len() + self.registrar.expiries()) as u64,
            devices_online: devices as u64,
            bindings: bindings as u64,
            trunks: trunks as u64,
            trunks_registered: trunks_registered as u64,
            trunk_servers_down: self.trunks.health.down() as u64,
            ..self.counters
        }
    }

    fn tell(&mut self, at: Instant, event: Event) {
        self.events.push_back(Dated { at, event });
    }

    /// Whoever sent something by this flow is known.
    fn prove(&mut self, now: Instant, flow: Flow) {
        if let Some(connection) = flow.connection
            && self.proven.insert(connection)
        {
            self.tell(now, Event::Proven(connection));
        }
    }

    fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    fn random_hex(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }
}

/// Why a request that cannot be sent failed, where nobody knows more.
const NO_CONNECTION: &str = "no connection";

#[cfg(test)]
pub(crate) mod tests;
