//! What the media side is asked to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tandem_media::dtmf::Digit;
use tandem_media::params::MediaParams;
use tandem_media::play::Prompt;

use super::pool::Lease;

/// A leg in its shard. Made by `MediaShards::open`; commands to a leg that is closed are ignored.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MediaLeg {
    /// Number of the leg, unique in the exchange.
    pub leg: u64,
    /// The shard that it lives in, `0..shards`. Legs that may hear each other share one.
    pub shard: usize,
}

/// What the far end of a leg hears. A new source replaces the one before.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Nothing is sent.
    Nothing,
    /// What another leg of the same shard says, relayed.
    Leg(MediaLeg),
    /// A prompt by its name, from the beginning. An unknown one ends at once, with nothing played.
    Prompt {
        /// As given to `set_prompt`.
        name: String,
        /// Begin again at the end, forever.
        is_looped: bool,
    },
    /// A sine wave.
    Tone {
        /// Frequency in Hz, 50..=3400.
        hz: f64,
        /// Relative to full scale in dB, -60..=0.
        level_db: f64,
    },
    /// Digital silence, sent as packets.
    Silence,
}

/// One entry of a shard's inbox.
#[derive(Debug)]
pub(super) enum Command {
    Open { leg: u64, lease: Box<Lease> },
    Agreed { leg: u64, params: Box<MediaParams> },
    Hears { leg: u64, source: Source },
    SendKeys { leg: u64, digits: Vec<Digit>, press: Duration },
    PassKey { leg: u64, digit: Digit },
    Record { leg: u64, path: PathBuf, max: Duration },
    StopRecording { leg: u64 },
    Close { leg: u64 },
    SetPrompt { prompt: Arc<Prompt> },
    ForgetPrompt { name: String },
    Stop,
}

impl Command {
    /// Such a command is never dropped; there are no more of them than legs.
    pub(super) fn ends_something(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::Close { .. } | Self::Stop)
    }
}
