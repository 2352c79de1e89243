//! What Python is told; see the stub of the module for the meaning of each field.

use std::time::Duration;

use tandem_media::quality::MediaReport;
use tandem_sip::endpoint::{Binding, Tried, TrunkState};

/// Something that happened, and when (CLOCK_MONOTONIC).
#[derive(Debug)]
pub struct Event {
    /// Nanoseconds.
    pub at_ns: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug)]
#[allow(missing_docs, reason = "the stub of the Python module documents every field")]
pub enum What {
    IncomingCall(Box<tandem_sip::endpoint::Incoming>),
    LegRinging {
        leg: u64,
    },
    LegHeardEarly {
        leg: u64,
        listener: u64,
    },
    LegAnswered {
        leg: u64,
    },
    TransferAsked {
        leg: u64,
        to: String,
        instead_of: Option<u64>,
    },
    LegEnded(Box<LegEnded>),
    KeyPressed {
        leg: u64,
        key: char,
    },
    PlaybackEnded {
        leg: u64,
        prompt: String,
        played_ms: u64,
    },
    RecordingEnded {
        leg: u64,
        path: String,
        recorded_ms: u64,
        error: Option<String>,
    },
    RegistrationChanged {
        company: String,
        device: String,
        bindings: Vec<Binding>,
        why: &'static str,
    },
    RegistrationsRefreshed {
        bindings: Vec<(u64, Duration)>,
    },
    WrongPasswords {
        source: String,
        count: u64,
        account: String,
    },
    MalformedMessages {
        source: String,
        count: u64,
        last: String,
    },
    SourceBanned {
        source: String,
        why: &'static str,
        lasts_s: f64,
        times: u32,
        account: String,
    },
    BanLifted {
        source: String,
    },
    CertificateRead {
        ends_at_s: u64,
        fault: Option<String>,
    },
    ServerTried {
        leg: u64,
        tried: Box<Tried>,
    },
    TrunkStateChanged(Box<TrunkState>),
}

/// The end of a leg.
#[derive(Debug)]
#[allow(missing_docs, reason = "the stub of the Python module documents every field")]
pub struct LegEnded {
    pub leg: u64,
    pub status: u16,
    pub by: &'static str,
    pub reason: String,
    pub moved_to: String,
    pub answered_at_ns: Option<u64>,
    pub media: Option<MediaReport>,
}

impl Event {
    /// Whether the world goes on the same without it.
    pub(crate) fn may_be_dropped(&self) -> bool {
        matches!(
            self.what,
            What::KeyPressed { .. }
                | What::WrongPasswords { .. }
                | What::MalformedMessages { .. }
                | What::RegistrationsRefreshed { .. }
        )
    }
}
