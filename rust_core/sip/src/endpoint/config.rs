//! What the operator decides about the SIP side.

use std::net::IpAddr;
use std::time::Duration;

use super::flow::Listener;
use crate::defence::BanTimes;

/// Settings that stay the same while the endpoint lives.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the engine listens on; never empty.
    pub listeners: Vec<Listener>,
    /// Challenges requests whose To names no known domain.
    pub default_realm: String,
    /// Random, and the same in each run: decides what unknown users are shown, and tells our nonces from others.
    pub secret: [u8; 32],
    /// Legs at once, but for those of `EMERGENCY_LEGS`; new calls get 503 when there is no room for their two.
    pub max_legs: usize,
    /// Requests of one source that is no trunk's which may be remembered at once (32 s over UDP); above it, 503 to
    /// all but a register and what ends a call.
    pub max_requests_of_source: usize,
    /// How long a source is not listened to that guesses passwords, floods or sends garbage.
    pub ban_times: BanTimes,
    /// Networks that are never banned: address and prefix length.
    pub never_banned: Vec<(IpAddr, u8)>,
    /// New calls get 503 while the oldest undecided one is older; from half of it on OPTIONS do, and from three
    /// quarters on registers.
    pub max_undecided_age: Duration,
    /// How long Python may take to decide about a call; after it the caller gets 480.
    pub decision_timeout: Duration,
    /// The shortest registration granted (423 below it).
    pub min_expires: Duration,
    /// The longest, and what is granted to who asks for none.
    pub max_expires: Duration,
    /// Server and User-Agent.
    pub user_agent: String,
    /// Offer of our own codecs only those that we can play and record.
    pub only_playable: bool,
}

/// Legs above `max_legs` that calls to emergency numbers may use, and nobody else.
pub const EMERGENCY_LEGS: usize = 32;
/// The round trip guess (RFC 3261 §17.1.1.1).
pub(crate) const T1: Duration = Duration::from_millis(500);
/// The longest pause between repetitions (RFC 3261 §17.1.2.2).
pub(crate) const T2: Duration = Duration::from_secs(4);
/// How long a message may live in the network (RFC 3261 §17.1.2.2).
pub(crate) const T4: Duration = Duration::from_secs(5);
/// 64·T1: timers B, F, H, J, L, M.
pub(crate) const TRANSACTION_LIFE: Duration = Duration::from_secs(32);
/// An INVITE that only ever gets provisional answers ends after this (timer C, RFC 3261 §16.6: more than 3 minutes), and so
/// does a caller's who hears ringing for whom nobody was rung for so long. A device may be let ring for 300 s.
pub(crate) const RING_LIMIT: Duration = Duration::from_secs(330);
/// Transactions at once of each kind; beyond them requests are refused without state.
pub(crate) const MAX_TRANSACTIONS: usize = 400_000;
/// Retry-After of a 503, seconds.
pub(crate) const RETRY_AFTER_S: u32 = 5;
