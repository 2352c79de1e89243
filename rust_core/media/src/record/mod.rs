//! Packets into sound that can be kept.

mod timeline;
mod wav;

pub use timeline::Timeline;
pub use wav::{WAV_HEADER_LEN, wav_header};

/// Samples a second of everything recorded.
pub const SAMPLE_RATE_HZ: u32 = 8000;
