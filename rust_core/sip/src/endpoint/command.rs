//! What the engine and Python want done.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::Accounts;
use crate::auth::{Credentials, Secrets};
use crate::trunk_hosts::{Host, Server, TrunkHosts};

use super::flow::Transport;
use super::profile::Profile;

/// A leg. Incoming ones count up from 1; dialled ones are numbered by whoever dials, from 2^62 up.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LegId(pub u64);

/// The first number of dialled legs.
pub const FIRST_DIALLED_LEG: u64 = 1 << 62;

/// One device of one company.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its company.
    pub company: String,
    /// Unique in the company.
    pub device: String,
    /// User name of address and digest; unique in the realm.
    pub username: String,
    /// The company's domain.
    pub realm: String,
    /// Instead of the password.
    pub secrets: Secrets,
    /// Places at once; the oldest gives way.
    pub max_bindings: usize,
}

/// A peer that calls us and that we call.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// Its company.
    pub company: String,
    /// Unique in the company.
    pub id: String,
    /// Where it is.
    pub hosts: TrunkHosts,
    /// How to send.
    pub transport: Transport,
    /// Further networks whose requests are this trunk's: address and prefix length.
    pub sources: Vec<(IpAddr, u8)>,
    /// For challenges of this peer.
    pub credentials: Option<Credentials>,
    /// Host part of our From, and of the registrar's address.
    pub domain: String,
    /// Whether we register there.
    pub register: bool,
    /// What we ask for.
    pub expires: Duration,
    /// User part of our Contact.
    pub contact_user: String,
    /// Whether callers hear what it says before the answer.
    pub early_media: bool,
    /// Calls at once.
    pub max_calls: Option<usize>,
    /// How we speak of calls.
    pub profile: Profile,
}

/// A registration of an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoredBinding {
    /// Its company.
    pub company: String,
    /// Whose.
    pub device: String,
    /// Contact address.
    pub contact: String,
    /// The device as seen by us.
    pub source: SocketAddr,
    /// How it is reached.
    pub transport: Transport,
    /// What is left of it.
    pub expires_in: Duration,
    /// Call-ID of the register.
    pub call_id: String,
    /// Its CSeq.
    pub cseq: u32,
    /// Name of the phone.
    pub user_agent: String,
    /// Path values (RFC 3327).
    pub path: Vec<String>,
    /// Which phone it is, if it says (RFC 5626).
    pub instance: Option<String>,
}

/// A source that was banned in an earlier run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RestoredBan {
    /// An address, or any of an IPv6 /64.
    pub source: IpAddr,
    /// What is left of it; zero: it is over, and the next one is longer for it.
    pub left: Duration,
    /// Until that is forgotten.
    pub forgotten_in: Duration,
    /// How many there were, this one included.
    pub times: u32,
}

/// What the called party sees.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CallerId {
    /// User part of From.
    pub number: String,
    /// Display name; "" for none.
    pub name: String,
    /// Whether it is told to nobody whom that is not entrusted to (RFC 3325 §7).
    pub is_hidden: bool,
    /// For whom the call was before it was forwarded.
    pub diverted: Option<Box<Diverted>>,
}

/// For whom a call was first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diverted {
    /// User part of the address.
    pub number: String,
    /// Why it was forwarded last, as RFC 5806 §4.3 names it: "no-answer".
    pub reason: String,
    /// How often it was; 1 or more.
    pub count: u32,
}

/// Whom a leg is dialled to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// A place where a device is registered.
    Binding(u64),
    /// A number behind a trunk.
    Trunk {
        /// The trunk's company.
        company: String,
        /// The trunk.
        trunk: String,
        /// The number, becomes the user part.
        number: String,
    },
}

/// Something to do. Those that name a leg which is gone do nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// 180 to the caller.
    Ring(LegId),
    /// 183 to the caller with a session, to hear before any answer what `like` says.
    Progress {
        /// The incoming leg.
        leg: LegId,
        /// Take what that leg agreed on.
        like: LegId,
        /// Where we receive its RTP.
        rtp: SocketAddr,
    },
    /// 200 to the caller.
    Answer {
        /// The incoming leg.
        leg: LegId,
        /// Take what that leg agreed on; otherwise G.711.
        like: Option<LegId>,
        /// Where we receive its RTP.
        rtp: SocketAddr,
    },
    /// A final refusal to the caller.
    Reject {
        /// The incoming leg.
        leg: LegId,
        /// 300..=699.
        status: u16,
        /// Reason phrase; "" for the usual one.
        reason: String,
        /// Retry-After in seconds.
        retry_after_s: Option<u32>,
    },
    /// A new leg.
    Dial {
        /// Its number.
        leg: LegId,
        /// Whom.
        target: Target,
        /// Who calls.
        caller: CallerId,
        /// Offer what that leg speaks; otherwise our own codecs.
        offer_of: Option<LegId>,
        /// Where we receive its RTP.
        rtp: SocketAddr,
    },
    /// BYE, CANCEL or `status`, whatever fits.
    HangUp {
        /// The leg.
        leg: LegId,
        /// For an incoming leg that was not answered.
        status: u16,
        /// Goes into a Reason header, "" for none.
        reason: String,
        /// Who wants it.
        by: super::event::EndedBy,
    },
    /// Tells the far end, which asked for a transfer, how it goes.
    TellTransfer {
        /// The leg that asked.
        leg: LegId,
        /// 100..=699; the first of 200 and more is the last.
        status: u16,
    },
    /// INFO with a key, for a far end that takes no telephone events.
    PressKey {
        /// The leg.
        leg: LegId,
        /// One of "0123456789*#ABCD".
        key: char,
    },
    /// Replaces the accounts. Cheap: the table is built by whoever commands it.
    SetAccounts(Arc<Accounts>),
    /// Replaces the trunks.
    SetTrunks(Vec<Trunk>),
    /// A host of trunks has (other) servers, or none.
    Resolved {
        /// What was looked up.
        host: Host,
        /// What is there now.
        servers: Vec<Server>,
    },
    /// Takes over registrations.
    RestoreBindings(Vec<RestoredBinding>),
    /// Takes over bans, after the registrations; who is registered or a trunk meanwhile is not banned.
    RestoreBans(Vec<RestoredBan>),
    /// Listens to a source again, as if it had never been banned.
    LiftBan(IpAddr),
    /// Ends all legs and registrations at trunks.
    Shutdown,
}
