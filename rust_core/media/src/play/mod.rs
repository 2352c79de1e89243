//! What we say ourselves to a far end: prompts, tones, silence and keys, a packet each 20 ms.

mod out_stream;
mod speaker;
mod voice;

pub use out_stream::OutStream;
pub use speaker::{Formats, Speaker, Spoken};
pub use voice::{FRAME_SAMPLES, Prompt, Voice};

use std::time::Duration;

/// Packet time of everything that we say.
pub const TICK: Duration = Duration::from_millis(20);
