//! What the media side tells.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tandem_media::quality::MediaReport;

/// Where events go; called by the media threads.
pub type EventSink = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// Something that happened to a leg. Those of one leg are totally ordered.
#[derive(Clone, Debug)]
pub struct MediaEvent {
    /// The leg.
    pub leg: u64,
    /// When it happened.
    pub at: Instant,
    /// What happened.
    pub kind: MediaEventKind,
}

/// What happened to a leg.
#[derive(Clone, Debug)]
pub enum MediaEventKind {
    /// A key was pressed and let go (RFC 4733), or came by signalling.
    KeyPressed {
        /// One of "0123456789*#ABCD".
        key: char,
    },
    /// A key that came by signalling is for this leg, whose far end takes no telephone events.
    KeyUntaken {
        /// One of "0123456789*#ABCD".
        key: char,
    },
    /// A prompt that is not looped was played to its end.
    PlaybackEnded {
        /// Its name.
        prompt: String,
        /// How much of it was played.
        played_ms: u64,
    },
    /// The file of a recording is closed.
    RecordingEnded {
        /// Where it is.
        path: PathBuf,
        /// How much sound it holds.
        recorded_ms: u64,
        /// Why it is not whole.
        error: Option<String>,
    },
    /// The far end should send, and nothing came for the media time-out. Once until something comes again.
    Silent,
    /// The last event of a leg.
    Closed {
        /// How its media went.
        report: MediaReport,
    },
}
