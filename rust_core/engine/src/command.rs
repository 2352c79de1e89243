//! What Python wants; see the stub of the module.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tandem_sip::endpoint::{
    Accounts, CallerId, LegId, RestoredBan, RestoredBinding, Target, Trunk,
};

/// Something to do. Those that name a leg which is gone do nothing.
#[derive(Debug)]
#[allow(missing_docs, reason = "the stub of the Python module documents every field")]
pub enum Command {
    Ring(LegId),
    Answer { leg: LegId, like: Option<LegId> },
    Reject { leg: LegId, status: u16, reason: String, retry_after_s: Option<u32> },
    Dial { leg: LegId, target: Target, caller: CallerId, offer_of: Option<LegId> },
    HangUp { leg: LegId, status: u16, reason: String },
    TellTransfer { leg: LegId, status: u16 },
    Hears { leg: LegId, source: Source },
    SendKeys { leg: LegId, keys: String, press: Duration },
    Record { leg: LegId, path: String, max: Duration },
    StopRecording(LegId),
    SetPrompt { name: String, samples: Arc<[i16]> },
    SetAccounts(Arc<Accounts>),
    SetTrunks(Vec<Trunk>),
    RestoreBindings(Vec<RestoredBinding>),
    RestoreBans(Vec<RestoredBan>),
    LiftBan(IpAddr),
}

impl Command {
    /// The leg that it decides about, if it waits for a decision.
    pub(crate) fn decides(&self) -> Option<LegId> {
        match self {
            Self::Ring(leg)
            | Self::Answer { leg, .. }
            | Self::Reject { leg, .. }
            | Self::HangUp { leg, .. } => Some(*leg),
            _ => None,
        }
    }
}

/// What the far end of a leg hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Nothing: no packets.
    Nothing,
    /// Another leg.
    Leg(LegId),
    /// A named prompt, once or over and over.
    Prompt {
        /// Its name.
        name: String,
        /// Over and over.
        repeated: bool,
    },
    /// A sine wave.
    Tone {
        /// Its frequency.
        hz: f64,
        /// Relative to full scale.
        level_db: f64,
    },
    /// Packets of silence.
    Silence,
}
