//! How fast keys of one leg are told.

use std::time::{Duration, Instant};

/// Lets through `AT_ONCE` presses, then one each `PRESS`.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When it will be as if none had ever come.
    full_at: Option<Instant>,
}

impl Pace {
    /// Whether a press of `now` is told.
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + PRESS;
        let is_taken = full_at.saturating_duration_since(now) <= PRESS * AT_ONCE;
        if is_taken {
            self.full_at = Some(full_at);
        }
        is_taken
    }
}

/// The fastest that a receiver has to understand: 40 ms of tone and as much of pause (ITU-T Q.24 §3), 12.5 a second.
const PRESS: Duration = Duration::from_millis(80);
/// A number that a phone has stored and sends at once.
const AT_ONCE: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_number_passes_at_once_and_then_as_many_as_hands_can_press() {
        let now = crate::clock::now();
        let mut pace = Pace::default();
        let counts = [0, 80, 1_080, 60_000].map(|ms| {
            let at = now + Duration::from_millis(ms);
            (0..100).filter(|_| pace.takes(at)).count()
        });
        assert_eq!(counts, [32, 1, 12, 32]);
    }

    #[test]
    fn who_keeps_the_pace_is_never_cut() {
        let now = crate::clock::now();
        let mut pace = Pace::default();
        assert!((0..1_000).all(|i| pace.takes(now + PRESS * i)));
    }
}
