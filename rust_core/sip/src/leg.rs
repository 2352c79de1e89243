//! One dialog with somebody (RFC 3261 §12), from the first INVITE to the end.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::auth::ClientDigest;
use crate::early::{Early, Rel100, Reliable};
use crate::endpoint::{Account, FIRST_DIALLED_LEG, Flow, LegId, Trunk};
use crate::offer_answer::{Agreed, AgreedCodec, Codec, Direction, Session, SessionDescription};
use crate::session_timer::{Answered, SessionTimer};
use crate::wire::{HeaderName, Request};

/// What we know of one leg.
#[derive(Debug)]
pub(crate) struct Leg {
    pub(crate) id: LegId,
    pub(crate) state: LegState,
    pub(crate) call_id: String,
    /// Ours; begins with the number of the leg, so that a request finds it without a table.
    pub(crate) local_tag: String,
    /// Value of our From (or To) without tag.
    pub(crate) local: String,
    /// What else our first INVITE says of who calls.
    pub(crate) said: Vec<(HeaderName, String)>,
    /// Value of their To (or From), with tag once known.
    pub(crate) remote: String,
    /// That tag; `None` while a dialled leg may still be answered by any fork.
    pub(crate) remote_tag: Option<String>,
    /// Where they want requests (their Contact).
    pub(crate) remote_target: String,
    pub(crate) routes: Vec<String>,
    /// How they are reached.
    pub(crate) flow: Flow,
    /// Whether they are where `flow` says: a datagram of a trunk may be forged until its ACK brings back our tag. Until
    /// then nothing goes to any other address that it names.
    pub(crate) is_proven: bool,
    /// Whether its INVITE is for a `sips:` URI: each hop of the call is inside TLS then (RFC 5630 §3).
    pub(crate) is_sips: bool,
    /// How many more hops its call may take (RFC 3261 §8.1.1.6): of an incoming one what it came with.
    pub(crate) max_forwards: u8,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    /// User part of our Contact.
    pub(crate) contact_user: String,
    pub(crate) trunk: Option<Arc<Trunk>>,
    /// The servers of its trunk, while one after the other may be tried.
    pub(crate) hops: Option<Box<Hops>>,
    /// The device at the other end, if it is one.
    pub(crate) account: Option<Arc<Account>>,
    /// Which of its phones, if that says which it is.
    pub(crate) instance: Option<String>,
    /// Our side of the media session; `None` before we have said anything.
    pub(crate) session: Option<Session>,
    /// Codecs on the table: what they offered, or what we did.
    pub(crate) offered: Vec<Codec>,
    /// Their offer, until it is answered.
    pub(crate) offer: Option<SessionDescription>,
    pub(crate) agreed: Option<Agreed>,
    /// What was agreed first, and what its other leg speaks: an offer may come back to it after one that named less.
    pub(crate) agreed_first: Option<Agreed>,
    /// The INVITE of an incoming leg, until its final answer.
    pub(crate) invite: Option<Box<Request>>,
    /// Server transaction of that INVITE.
    pub(crate) server: Option<u64>,
    /// Client transaction of the INVITE that dialled it.
    pub(crate) client: Option<u64>,
    /// Our 2xx that waits for its ACK.
    pub(crate) unacknowledged: Option<Unacknowledged>,
    /// Of a dialled leg: the answer that came before the final one.
    pub(crate) early: Option<Box<Early>>,
    /// Of a dialled leg: each fork that speaks reliably, by its tag, with the number that it has come to (RFC 3262 §4).
    pub(crate) counted_forks: Vec<(String, u32)>,
    /// Of an incoming leg: whether its provisional responses can be made reliable.
    pub(crate) rel100: Rel100,
    /// Of an incoming leg: those that were.
    pub(crate) reliable: Option<Box<Reliable>>,
    /// Why we leave, for the Reason header of a CANCEL or BYE that has to wait.
    pub(crate) reason: Option<String>,
    /// The challenge that its INVITE was sent again for.
    pub(crate) digest: Option<Box<ClientDigest>>,
    /// `None` where the far end knows none.
    pub(crate) session_timer: Option<SessionTimer>,
    /// A refresh of ours that has no answer yet.
    pub(crate) refresh: Option<Refresh>,
    /// When one who need not send was last asked for a sign of life, or was first seen not to send.
    pub(crate) probed_at: Option<Instant>,
    /// Whether they take an UPDATE.
    pub(crate) takes_update: bool,
    /// Keys sent to it as INFO that it has not answered.
    pub(crate) unanswered_keys: u8,
    /// Where its refusal sends callers, "" for nowhere.
    pub(crate) moved_to: String,
    /// The leg for which it was dialled.
    pub(crate) serves: Option<LegId>,
    /// Legs that are rung for it now.
    pub(crate) rung: u32,
    /// A transfer that its far end has asked for, until it knows how that went.
    pub(crate) referral: Option<Box<Referral>>,
    /// How many it has asked for.
    pub(crate) referrals: u32,
    /// When we last said that it rings.
    pub(crate) rang_at: Option<Instant>,
    /// When somebody was last rung for it.
    pub(crate) led_on_at: Option<Instant>,
    /// Whether its ringing has been told.
    pub(crate) rings: bool,
    /// Key of the merged-request table, for incoming ones.
    pub(crate) merge_key: Option<String>,
}

/// The servers of a trunk that a leg is tried at.
#[derive(Debug)]
pub(crate) struct Hops {
    /// The one that is tried now.
    pub(crate) current: Hop,
    /// Those after it.
    pub(crate) rest: VecDeque<Hop>,
    /// Where we receive RTP.
    pub(crate) rtp: SocketAddr,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Hop {
    pub(crate) flow: Flow,
    /// Request-URI.
    pub(crate) uri: String,
    /// How people are told of it.
    pub(crate) shown: String,
}

/// Where a leg is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LegState {
    /// Incoming; nobody has decided yet.
    Undecided,
    /// Incoming; somebody is sought for it, and it may have been told that somebody rings.
    Ringing,
    /// Incoming; our 2xx waits for the ACK.
    Accepted,
    /// Dialled; no answer yet.
    Calling,
    /// Dialled; a provisional answer came.
    Proceeding,
    /// Both sides talk.
    Confirmed,
    /// Over for everybody but the network: a CANCEL or an ACK is still on its way.
    Leaving,
}

/// A 2xx that is repeated until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    pub(crate) cseq: u32,
    /// Where the request wanted its response.
    pub(crate) flow: Flow,
    pub(crate) bytes: Bytes,
    pub(crate) pause: Duration,
    /// When it is repeated next; a timer that comes earlier belonged to another 2xx.
    pub(crate) next: Instant,
    pub(crate) until: Instant,
    /// The codecs that we offered in it, where the INVITE had no offer.
    pub(crate) our_offer: Option<Vec<Codec>>,
}

/// A transfer that was asked for, and the subscription that came with it (RFC 3515 §2.4.4).
#[derive(Debug)]
pub(crate) struct Referral {
    /// CSeq of the REFER.
    pub(crate) cseq: u32,
    /// Whether it is the first of its dialog: then NOTIFY need not say which it is about.
    pub(crate) is_first: bool,
    /// Whether the far end wants to be told (RFC 4488).
    pub(crate) is_told: bool,
    /// What it was told last, 100 or 180.
    pub(crate) told: u16,
    /// Whether somebody has taken it up.
    pub(crate) is_taken: bool,
    /// When it is given up if nobody has; then, when its subscription ends.
    pub(crate) until: Instant,
}

/// How we refresh a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refresh {
    /// Without a description, so it crosses nothing.
    Update,
    /// With the session as it is: until its answer no other description may come.
    Invite,
    /// It has met theirs, and is sent again after a while (RFC 3261 §14.1).
    Glare,
}

/// What a request of ours may take (RFC 3261 §8.1.1.6).
pub(crate) const MAX_FORWARDS: u8 = 70;

impl Leg {
    /// A leg of which nothing is known yet.
    pub(crate) fn new(id: LegId, flow: Flow) -> Self {
        Self {
            id,
            state: LegState::Calling,
            call_id: String::new(),
            local_tag: String::new(),
            local: String::new(),
            said: Vec::new(),
            remote: String::new(),
            remote_tag: None,
            remote_target: String::new(),
            routes: Vec::new(),
            flow,
            is_proven: true,
            is_sips: false,
            max_forwards: MAX_FORWARDS,
            local_cseq: 0,
            remote_cseq: None,
            contact_user: String::new(),
            trunk: None,
            hops: None,
            account: None,
            instance: None,
            session: None,
            offered: Vec::new(),
            offer: None,
            agreed: None,
            agreed_first: None,
            invite: None,
            server: None,
            client: None,
            unacknowledged: None,
            early: None,
            counted_forks: Vec::new(),
            rel100: Rel100::Unknown,
            reliable: None,
            reason: None,
            digest: None,
            session_timer: None,
            refresh: None,
            probed_at: None,
            takes_update: false,
            unanswered_keys: 0,
            moved_to: String::new(),
            serves: None,
            rung: 0,
            referral: None,
            referrals: 0,
            rang_at: None,
            led_on_at: None,
            rings: false,
            merge_key: None,
        }
    }

    /// Whether we made this call.
    pub(crate) fn is_dialled(&self) -> bool {
        self.id.0 >= FIRST_DIALLED_LEG
    }

    /// The hops that are left for a leg that is dialled for this one; `None`: no more (RFC 3261 §16.3 step 3).
    pub(crate) fn hops_left(&self) -> Option<u8> {
        self.max_forwards.checked_sub(1)
    }

    /// The codecs that another leg should be offered to be relayed to this one: as its far end wants to receive them.
    pub(crate) fn speakable(&self) -> Vec<Codec> {
        let theirs = |own: &AgreedCodec| Codec { fmtp: own.codec.fmtp.clone(), ..own.ours() };
        self.agreed_or_offered(theirs)
    }

    /// The codecs that this leg itself is offered again: as we have named them.
    pub(crate) fn spoken(&self) -> Vec<Codec> {
        self.agreed_or_offered(AgreedCodec::ours)
    }

    /// Notes what was agreed.
    pub(crate) fn agree(&mut self, agreed: Agreed) {
        self.agreed_first.get_or_insert_with(|| agreed.clone());
        self.agreed = Some(agreed);
    }

    fn agreed_or_offered(&self, named: impl Fn(&AgreedCodec) -> Codec) -> Vec<Codec> {
        match &self.agreed {
            Some(agreed) => agreed.codecs.iter().chain(&agreed.events).map(named).collect(),
            None => self.offered.clone(),
        }
    }

    /// Whether nothing would tell that the far end has vanished: it need not send (hold, with music or without), and
    /// refreshes no session.
    pub(crate) fn is_out_of_sight(&self) -> bool {
        let need_not_send = |agreed: &Agreed| agreed.direction != Direction::SendRecv;
        self.state == LegState::Confirmed
            && self.session_timer.is_none()
            && self.agreed.as_ref().is_some_and(need_not_send)
    }

    /// Takes over what our 2xx says about the session timer; its headers.
    pub(crate) fn take_session_timer(&mut self, answered: Answered) -> Vec<(HeaderName, String)> {
        let (timer, headers) = answered.unzip();
        self.session_timer = timer;
        headers.unwrap_or_default()
    }

    /// Session for the next description that we write.
    pub(crate) fn next_session(&mut self, rtp: SocketAddr) -> Session {
        let session = match self.session {
            Some(session) => Session { version: session.version + 1, ..session },
            None => Session { id: self.id.0 & 0x3fff_ffff_ffff_ffff, version: 1, rtp },
        };
        self.session = Some(session);
        session
    }
}
