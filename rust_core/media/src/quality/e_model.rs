//! The E-model (ITU-T G.107) as far as a packet network can be seen: delay, codec and loss.
//!
//! ```text
//! R = 93.2 - Id - Ie_eff
//! ```

use super::Totals;

/// What a codec costs and how it bears loss (ITU-T G.113 Appendix I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairments {
    /// Equipment impairment without loss.
    ie: f64,
    /// Robustness against loss.
    bpl: f64,
}

impl Impairments {
    /// Of an encoding by its SDP name. What is not in the table is judged as G.711 with concealment: loss and delay
    /// count, the codec does not.
    pub fn of(codec: &str) -> Self {
        let (ie, bpl) = match codec.to_ascii_uppercase().as_str() {
            "G729" => (11.0, 19.0),
            "G723" => (15.0, 16.1),
            "GSM" => (20.0, 10.0),
            _ => (0.0, 25.1),
        };
        Self { ie, bpl }
    }

    /// The transmission rating R, 0.0..=93.2, of a stream with this loss and one-way delay from mouth to ear.
    pub fn rating(&self, totals: &Totals, delay_ms: f64) -> f64 {
        let loss_percent = loss_percent(totals);
        let beyond_ms = (delay_ms - 177.3).max(0.0);
        let delay_impairment = 0.024 * delay_ms + 0.11 * beyond_ms;
        let loss_impairment =
            (95.0 - self.ie) * loss_percent / (loss_percent / burst_ratio(totals) + self.bpl);
        (93.2 - delay_impairment - self.ie - loss_impairment).clamp(0.0, 93.2)
    }
}

/// Mean opinion score 1.0..=4.5 of a rating (ITU-T G.107 Annex B).
pub fn mos_of_r(rating: f64) -> f64 {
    let r = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

/// Lost of expected, 0.0..=100.0.
pub(super) fn loss_percent(totals: &Totals) -> f64 {
    let lost = totals.expected.saturating_sub(totals.received);
    100.0 * f64::from(lost) / f64::from(totals.expected.max(1))
}

/// Mean length of a run of losses over that of random loss (ITU-T G.107 §3.5), at least 1.
fn burst_ratio(totals: &Totals) -> f64 {
    let lost = totals.expected.saturating_sub(totals.received);
    if lost == 0 || totals.gaps == 0 {
        return 1.0;
    }
    let mean_run = f64::from(lost) / f64::from(totals.gaps);
    (mean_run * (1.0 - loss_percent(totals) / 100.0)).max(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Random loss: as many runs as losses, thinned as chance does.
    fn random_loss(percent: f64) -> Totals {
        let lost = (percent * 100.0) as u32;
        let gaps = (f64::from(lost) * (1.0 - percent / 100.0)) as u32;
        Totals { expected: 10_000, received: 10_000 - lost, gaps }
    }

    #[test]
    fn the_table_of_the_e_model_stands() {
        // (codec, loss %, delay ms, R): worked by hand from the formula and G.113 Table I.4.
        let table = [
            ("PCMA", 0.0, 0.0, 93.2),
            ("PCMU", 0.0, 100.0, 90.8),
            ("PCMU", 0.0, 277.3, 93.2 - 6.6552 - 11.0),
            ("PCMA", 1.0, 0.0, 93.2 - 95.0 / 26.1),
            ("PCMA", 5.0, 0.0, 93.2 - 475.0 / 30.1),
            ("G729", 0.0, 0.0, 82.2),
            ("g729", 2.0, 0.0, 82.2 - 168.0 / 21.0),
        ];
        for (codec, loss, delay, expected) in table {
            let rating = Impairments::of(codec).rating(&random_loss(loss), delay);
            assert!((rating - expected).abs() < 0.05, "{codec} {loss} {delay}: {rating}");
        }
        // G.107 Annex B.
        for (rating, mos) in [(93.2, 4.41), (80.0, 4.02), (70.0, 3.60), (50.0, 2.58), (0.0, 1.0)] {
            assert!((mos_of_r(rating) - mos).abs() < 0.01, "{rating}");
        }
    }

    #[test]
    fn a_burst_is_worse_than_as_much_loss_by_chance() {
        let burst = Totals { gaps: 20, ..random_loss(5.0) };
        let g711 = Impairments::of("PCMA");
        assert!(g711.rating(&burst, 0.0) + 1.0 < g711.rating(&random_loss(5.0), 0.0));
    }

    proptest! {
        #[test]
        fn more_loss_or_delay_never_sounds_better(loss in 0u32..99, delay in 0f64..1000.0) {
            let g711 = Impairments::of("PCMU");
            let totals = |lost| Totals { expected: 100, received: 100 - lost, gaps: lost };
            let here = g711.rating(&totals(loss), delay);
            prop_assert!(g711.rating(&totals(loss + 1), delay) <= here);
            prop_assert!(g711.rating(&totals(loss), delay + 10.0) <= here);
            prop_assert!((1.0..=4.5).contains(&mos_of_r(here)));
        }
    }
}
