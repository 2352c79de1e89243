//! What happened on the SIP side.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::health::Standing;
use crate::offer_answer::Agreed;

use super::command::{CallerId, LegId};
use super::flow::Transport;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A call waits for a decision.
    Incoming(Box<Incoming>),
    /// A dialled leg rings.
    Ringing(LegId),
    /// What a dialled leg says before its answer is to be heard by the one for whom it was dialled.
    EarlyMedia {
        /// The dialled leg.
        leg: LegId,
        /// For whom.
        listener: LegId,
    },
    /// A dialled leg picked up, or an answered one was acknowledged.
    Answered(LegId),
    /// What a leg speaks, at its answer and whenever it changes, and the source address of its signalling.
    MediaAgreed(LegId, Box<Agreed>, IpAddr),
    /// A key sent as INFO.
    KeyPressed(LegId, char),
    /// The far end of a leg wants its call to go to somebody else (RFC 3515).
    TransferAsked {
        /// Its leg.
        leg: LegId,
        /// Whom to, as dialled.
        to: String,
        /// Another leg of a device of the same company, whose place the call is to take (RFC 3891).
        instead_of: Option<LegId>,
    },
    /// The last of a leg.
    Ended(LegId, LegEnd),
    /// These places, by their ids, are as they were, and stay so for this long now: each that was refreshed in the last
    /// second, once. Places that anything else has changed of are told of at once instead.
    RegistrationsRefreshed(Vec<(u64, Duration)>),
    /// Where a device can be reached has changed.
    RegistrationChanged {
        /// Its company.
        company: String,
        /// Whose.
        device: String,
        /// All places now.
        bindings: Vec<Binding>,
        /// Why.
        why: Why,
    },
    /// Who uses this connection is a trunk, a device that proved itself, or the far end of a dialog.
    Proven(u64),
    /// A source has tried passwords that were wrong or not looked at, so many since it was last told of.
    WrongPasswords {
        /// An IPv4 address, or the first of an IPv6 /64.
        source: IpAddr,
        /// How many.
        count: u64,
        /// Whose it tried last: user@realm, which need not exist.
        account: String,
    },
    /// A source has sent what cannot be read, so often since it was last told of.
    Malformed {
        /// As of `WrongPasswords`; over UDP it may be forged.
        source: IpAddr,
        /// How often.
        count: u64,
        /// What was wrong with the last.
        last: String,
    },
    /// A source is not listened to from now on.
    SourceBanned {
        /// As of `WrongPasswords`.
        source: IpAddr,
        /// Why.
        why: BanReason,
        /// For how long.
        lasts: Duration,
        /// For the how manieth time.
        times: u32,
        /// Whose password it tried last, if it did: user@realm, which need not exist.
        account: String,
    },
    /// A source is listened to again before its time.
    BanLifted(IpAddr),
    /// A server of a trunk did not take a dialled leg.
    Tried(LegId, Box<Tried>),
    /// A trunk got or lost its registration, is refused for another reason, or one of its servers is gone or back.
    TrunkChanged(Box<TrunkState>),
}

/// A server that did not take a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tried {
    /// For people: "sip.example (192.0.2.1:5060)".
    pub server: String,
    /// SIP status, 408 for no answer, 503 also for no connection.
    pub status: u16,
    /// Its words, or ours.
    pub reason: String,
    /// The one that is tried now; `None`: that was the last.
    pub next: Option<String>,
}

/// How a trunk stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrunkState {
    /// Its company.
    pub company: String,
    /// Which.
    pub trunk: String,
    /// Whether we register there.
    pub registers: bool,
    /// Whether we are registered now.
    pub registered: bool,
    /// The status of the last answer to a register, 408 for none; 0 before the first, and where nothing registers.
    pub status: u16,
    /// Its reason phrase.
    pub reason: String,
    /// In the order of the configuration.
    pub servers: Vec<ServerState>,
}

/// How one server of a trunk stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerState {
    /// As configured.
    pub host: String,
    /// `None`: the host has none.
    pub address: Option<SocketAddr>,
    /// Whether it answers.
    pub standing: Standing,
    /// Whether it is the one that we are registered with.
    pub is_home: bool,
    /// Why it is down: SIP status, 408 for no answer, 503 also for no connection.
    pub status: u16,
    /// Why it is down.
    pub reason: String,
}

/// A call that waits for a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// Its leg.
    pub leg: LegId,
    /// Whose call it is.
    pub company: String,
    /// The device that proved itself.
    pub device: Option<String>,
    /// Or the trunk that it comes from.
    pub trunk: Option<String>,
    /// Who says to call; empty for who doesn't want to be named.
    pub caller: CallerId,
    /// User part of the Request-URI.
    pub called: String,
    /// Call-ID.
    pub call_id: String,
    /// Encoding names offered.
    pub codecs: Vec<String>,
    /// The leg whose place it wants (RFC 3891), of a device of the same company.
    pub instead_of: Option<LegId>,
}

/// How a leg ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LegEnd {
    /// SIP status, 200 after a conversation.
    pub status: u16,
    /// Who ended it.
    pub by: EndedBy,
    /// Reason phrase or Reason header.
    pub reason: String,
    /// The number to which a device sends its callers (3xx); "" for none.
    pub moved_to: String,
}

/// Who ended a leg.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndedBy {
    /// The far end.
    Peer,
    /// A command.
    Us,
    /// No decision in time.
    Deadline,
    /// No answer from the network.
    Timeout,
    /// No RTP for too long.
    Media,
    /// We stop.
    Shutdown,
}

impl EndedBy {
    /// As Python names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Us => "us",
            Self::Deadline => "deadline",
            Self::Timeout => "timeout",
            Self::Media => "media",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Why a registration changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// A new or moved place.
    Registered,
    /// The device took it back.
    Unregistered,
    /// It ran out, or its connection broke.
    Expired,
    /// The account is gone.
    Removed,
}

impl Why {
    /// As Python names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unregistered => "unregistered",
            Self::Expired => "expired",
            Self::Removed => "removed",
        }
    }
}

/// Why a source was banned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BanReason {
    /// It tried too many wrong passwords.
    WrongPasswords,
    /// It sent by streams what is no SIP.
    Garbage,
    /// It sent request after request by streams, and showed for none who it is.
    Flood,
}

impl BanReason {
    /// As Python names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongPasswords => "wrong_passwords",
            Self::Garbage => "garbage",
            Self::Flood => "flood",
        }
    }
}

/// One place where a device can be reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Never reused.
    pub id: u64,
    /// Contact address.
    pub contact: String,
    /// The device as seen by us.
    pub source: SocketAddr,
    /// How.
    pub transport: Transport,
    /// Name of the phone.
    pub user_agent: String,
    /// What is left.
    pub expires_in: Duration,
    /// Call-ID of the register.
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
    /// Path values.
    pub path: Vec<String>,
    /// `+sip.instance` and `reg-id` (RFC 5626), if the phone has them.
    pub instance: Option<String>,
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}
