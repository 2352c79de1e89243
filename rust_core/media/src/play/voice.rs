//! Where the sound of a packet comes from.

use std::f64::consts::TAU;
use std::sync::Arc;

use crate::codec::Law;

/// Samples of one packet: 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// A prompt, encoded once for all who hear it.
#[derive(Debug)]
pub struct Prompt {
    name: String,
    a_law: Vec<u8>,
    mu_law: Vec<u8>,
}

/// One source of sound for one listener.
#[derive(Clone, Debug)]
pub enum Voice {
    /// A prompt from sample `at` on.
    Prompt {
        /// What is played.
        prompt: Arc<Prompt>,
        /// Samples played of this round.
        at: usize,
        /// Begin again at the end.
        is_looped: bool,
    },
    /// A sine wave.
    Tone {
        /// Full scale is 1.0.
        amplitude: f64,
        /// Radians a sample.
        step: f64,
        /// Radians, kept below 2π.
        phase: f64,
    },
    /// Digital silence.
    Silence,
}

impl Prompt {
    /// From mono samples at 8 kHz. Costs two bytes a sample.
    pub fn new(name: &str, samples: &[i16]) -> Self {
        let encode = |law: Law| samples.iter().map(|&sample| law.encode(sample)).collect();
        Self { name: name.to_owned(), a_law: encode(Law::A), mu_law: encode(Law::Mu) }
    }

    /// What `set_prompt` called it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn codes(&self, law: Law) -> &[u8] {
        match law {
            Law::A => &self.a_law,
            Law::Mu => &self.mu_law,
        }
    }
}

impl Voice {
    /// A prompt from its beginning.
    pub fn prompt(prompt: Arc<Prompt>, is_looped: bool) -> Self {
        // An empty loop would end never and say nothing.
        let is_looped = is_looped && !prompt.a_law.is_empty();
        Self::Prompt { prompt, at: 0, is_looped }
    }

    /// A sine wave of `hz` at `level_db` relative to full scale; both are brought into 50..=3400 and -60..=0.
    pub fn tone(hz: f64, level_db: f64) -> Self {
        let amplitude = 10f64.powf(level_db.clamp(-60.0, 0.0) / 20.0);
        Self::Tone { amplitude, step: TAU * hz.clamp(50.0, 3400.0) / 8000.0, phase: 0.0 }
    }

    /// Fills one frame. `false` when nothing was left to say, and nothing was written.
    pub fn fill(&mut self, law: Law, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        match self {
            Self::Silence => frame.fill(law.silence()),
            Self::Tone { amplitude, step, phase } => {
                for code in frame {
                    *code = law.encode((phase.sin() * *amplitude * f64::from(i16::MAX)) as i16);
                    *phase = (*phase + *step) % TAU;
                }
            }
            Self::Prompt { prompt, at, is_looped } => {
                let codes = prompt.codes(law);
                if *at >= codes.len() {
                    return false;
                }
                let mut filled = 0;
                while filled < FRAME_SAMPLES && *at < codes.len() {
                    let count = (FRAME_SAMPLES - filled).min(codes.len() - *at);
                    frame[filled..filled + count].copy_from_slice(&codes[*at..*at + count]);
                    (filled, *at) = (filled + count, *at + count);
                    if *is_looped && *at == codes.len() {
                        *at = 0;
                    }
                }
                frame[filled..].fill(law.silence());
            }
        }
        true
    }

    /// The prompt with how much of it was played, in ms; `None` for what has no end.
    pub fn progress(&self) -> Option<(&Arc<Prompt>, u64)> {
        match self {
            Self::Prompt { prompt, at, is_looped: false } => Some((prompt, *at as u64 / 8)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [u8; FRAME_SAMPLES] = [0; FRAME_SAMPLES];

    #[test]
    fn a_prompt_is_played_to_its_end_and_padded_with_silence() {
        let samples: Vec<i16> = (0..200).map(|n| n * 100).collect();
        let mut voice = Voice::prompt(Arc::new(Prompt::new("p", &samples)), false);
        let (mut first, mut second) = (FRAME, FRAME);
        assert!(voice.fill(Law::A, &mut first) && voice.fill(Law::A, &mut second));
        let decoded: Vec<i16> = first.iter().chain(&second).map(|&c| Law::A.decode(c)).collect();
        assert!(decoded.iter().zip(&samples).all(|(a, b)| a.abs_diff(*b) <= 512));
        assert!(decoded[200..].iter().all(|&sample| sample == 8));
        assert!(!voice.fill(Law::A, &mut first));
        assert_eq!(voice.progress().unwrap().1, 25);
    }

    #[test]
    fn a_loop_has_no_seam() {
        let samples: Vec<i16> = (0..70).map(|n| n * 400).collect();
        let mut voice = Voice::prompt(Arc::new(Prompt::new("p", &samples)), true);
        let mut frame = FRAME;
        for round in 0..10 {
            assert!(voice.fill(Law::Mu, &mut frame));
            for (n, &code) in frame.iter().enumerate() {
                let expected = samples[(round * FRAME_SAMPLES + n) % 70];
                assert_eq!(code, Law::Mu.encode(expected));
            }
        }
        assert!(voice.progress().is_none());
    }

    #[test]
    fn a_tone_has_its_frequency_and_level_over_frames() {
        let mut voice = Voice::tone(440.0, -12.0);
        let mut samples = Vec::new();
        for _ in 0..50 {
            let mut frame = FRAME;
            assert!(voice.fill(Law::Mu, &mut frame));
            samples.extend(frame.map(|code| f64::from(Law::Mu.decode(code))));
        }
        let rising = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!((439..=440).contains(&rising), "{rising}");
        let power = samples.iter().map(|s| s * s).sum::<f64>() / samples.len() as f64;
        let level_db = 10.0 * (2.0 * power / f64::from(i16::MAX).powi(2)).log10();
        assert!((level_db + 12.0).abs() < 0.2, "{level_db}");
    }

    #[test]
    fn an_empty_prompt_ends_at_once_even_when_looped() {
        let mut voice = Voice::prompt(Arc::new(Prompt::new("p", &[])), true);
        assert!(!voice.fill(Law::A, &mut FRAME.clone()));
        assert_eq!(voice.progress().unwrap().1, 0);
    }
}
