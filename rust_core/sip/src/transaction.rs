//! The four transaction machines of RFC 3261 §17 with the Accepted state of RFC 6026, as data.
//!
//! A transaction keeps its key and one serialised message. `endpoint/*_transactions.rs` move it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::endpoint::{Flow, LegId, Trunk};
use crate::health::ServerKey;
use crate::trunk::{Registration, TrunkKey};
use crate::wire::{Address, HeaderName, Method, Request, Via};

/// We were asked.
#[derive(Debug)]
pub(crate) struct ServerTransaction {
    pub(crate) key: String,
    /// Where responses go.
    pub(crate) flow: Flow,
    pub(crate) is_invite: bool,
    pub(crate) state: ServerState,
    /// The newest response, repeated on demand.
    pub(crate) last: Bytes,
    /// Timer G: pause before the next repetition of a refusal.
    pub(crate) pause: Duration,
    /// The leg that an INVITE belongs to.
    pub(crate) leg: Option<LegId>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ServerState {
    /// No final response yet.
    Proceeding,
    /// A final response was sent (of an INVITE: a refusal, until its ACK).
    Completed,
    /// The refusal of an INVITE was acknowledged; late repetitions are absorbed.
    Confirmed,
    /// A 2xx to an INVITE was sent; the leg repeats it (RFC 6026).
    Accepted,
}

/// We asked.
#[derive(Debug)]
pub(crate) struct ClientTransaction {
    pub(crate) branch: String,
    pub(crate) flow: Flow,
    pub(crate) method: Method,
    pub(crate) state: ClientState,
    /// The request while it may be repeated; then, of an INVITE, its ACK.
    pub(crate) bytes: Bytes,
    /// The request while an ACK with credentials, a CANCEL or a repetition with credentials may have to be made from it.
    pub(crate) request: Option<Box<Request>>,
    /// Our ACKs of 2xx by their To tag: one of each fork that answered.
    pub(crate) acks: Vec<Acknowledged>,
    /// Timer A or E.
    pub(crate) pause: Duration,
    /// When it was sent first.
    pub(crate) started: Instant,
    /// When it is over without an answer, or forgotten after one.
    pub(crate) until: Instant,
    pub(crate) owner: Owner,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientState {
    /// No answer yet.
    Calling,
    /// A provisional answer came.
    Proceeding,
    /// A final answer came (of an INVITE: a refusal); repetitions are acknowledged or absorbed.
    Completed,
    /// A 2xx to an INVITE came; other forks may send theirs.
    Accepted,
}

/// Whom the answer concerns.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    /// The INVITE of a dialled leg.
    Dial(LegId),
    /// An INVITE to a server of this trunk that gave no answer in time: another one has the call. What it still says is
    /// turned away.
    GivenUp(Arc<Trunk>),
    /// An OPTIONS that asks a server of trunks for a sign of life, and which question of ours it was.
    Health(ServerKey, u64),
    /// A refresh of a leg's session, and whether it was sent with credentials.
    Refresh(LegId, bool),
    /// An OPTIONS that asks for a sign of life of a leg.
    Probe(LegId),
    /// A key sent to a leg.
    Key(LegId),
    /// The registration at a trunk: company, trunk, and which question of ours it was.
    Registration(TrunkKey, u64),
    /// A registration that we take back, whose trunk may be gone already.
    Leave(Box<(Arc<Trunk>, Registration)>),
    /// A BYE to a trunk, which may challenge it once.
    Bye(Arc<Trunk>),
    /// A PRACK of a leg, which its trunk may challenge once.
    Prack(LegId),
    /// Nobody: other BYEs, CANCEL.
    Nobody,
}

/// The ACK of one 2xx, sent again whenever that 2xx comes again.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    pub(crate) tag: String,
    pub(crate) flow: Flow,
    pub(crate) ack: Bytes,
}

/// What finds a server transaction (RFC 3261 §17.2.3). ACK finds the one of its INVITE.
pub(crate) fn server_key(request: &Request) -> Option<String> {
    let method = if request.method == Method::Ack { "INVITE" } else { request.method.as_str() };
    let top = request.headers.values(&HeaderName::Via).next()?;
    let via = Via::parse(&top)?;
    if let Some(branch) = via.branch() {
        return Some(format!("{branch} {} {method}", via.sent_by));
    }
    // RFC 2543: no branch to rely on. The To tag is left out, because an ACK has one and its INVITE has not.
    let call_id = request.headers.text(&HeaderName::CallId)?;
    let from = request.headers.line(&HeaderName::From)?;
    let tag = Address::parse(from)?.tag().unwrap_or("").to_owned();
    Some(format!("{call_id} {tag} {} {} {method}", request.cseq()?.number, via.sent_by))
}
