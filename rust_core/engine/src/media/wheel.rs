//! When playing legs tick: a wheel of 20 rows, one a millisecond. Each leg ticks in one row, so the load spreads.

/// Milliseconds of a turn: the packet time of what we play.
const ROWS: usize = 20;

/// How far behind the wheel may be before it leaves ticks out.
const MAX_LATE_MS: u64 = 20;

/// Slots of legs by the millisecond that they tick in.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    rows: [Vec<u32>; ROWS],
    /// The last millisecond that was served.
    served_ms: u64,
    len: usize,
}

impl Wheel {
    /// Puts a slot into the emptiest row and returns the row.
    pub(super) fn insert(&mut self, slot: u32) -> usize {
        let row = (0..ROWS).min_by_key(|&row| self.rows[row].len()).unwrap_or(0);
        self.rows[row].push(slot);
        self.len += 1;
        row
    }

    pub(super) fn remove(&mut self, slot: u32, row: usize) {
        if let Some(at) = self.rows[row].iter().position(|&other| other == slot) {
            self.rows[row].swap_remove(at);
            self.len -= 1;
        }
    }

    /// The next millisecond to serve up to `now_ms`, with the ticks that were left out before it.
    pub(super) fn poll(&mut self, now_ms: u64) -> Option<(u64, usize)> {
        if self.len == 0 {
            self.served_ms = now_ms;
        }
        if self.served_ms >= now_ms {
            return None;
        }
        let mut left_out = 0;
        let first_ms = now_ms.saturating_sub(MAX_LATE_MS);
        while self.served_ms + 1 < first_ms {
            self.served_ms += 1;
            left_out += self.row(self.served_ms).len();
        }
        self.served_ms += 1;
        Some((self.served_ms, left_out))
    }

    /// The slot at `index` of the row of a millisecond.
    pub(super) fn slot(&self, ms: u64, index: usize) -> Option<u32> {
        self.row(ms).get(index).copied()
    }

    /// The next millisecond in which a leg ticks.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let turn = self.served_ms + 1..=self.served_ms + ROWS as u64;
        turn.into_iter().find(|&ms| !self.row(ms).is_empty())
    }

    fn row(&self, ms: u64) -> &[u32] {
        &self.rows[(ms % ROWS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_spread_over_the_rows_and_tick_once_a_turn() {
        let mut wheel = Wheel::default();
        assert_eq!(wheel.poll(1000), None);
        let rows: Vec<usize> = (0..40).map(|slot| wheel.insert(slot)).collect();
        assert!((0..ROWS).all(|row| rows.iter().filter(|&&r| r == row).count() == 2));
        let mut ticks = [0; 40];
        for now_ms in 1001..=1100 {
            while let Some((ms, left_out)) = wheel.poll(now_ms) {
                assert_eq!((ms, left_out), (now_ms, 0));
                (0..).map_while(|i| wheel.slot(ms, i)).for_each(|slot| ticks[slot as usize] += 1);
            }
        }
        assert_eq!(ticks, [5; 40]);
        wheel.remove(7, rows[7]);
        assert_eq!((0..ROWS).map(|row| wheel.rows[row].len()).sum::<usize>(), 39);
    }

    #[test]
    fn a_late_thread_leaves_ticks_out_and_counts_them() {
        let mut wheel = Wheel::default();
        wheel.poll(0);
        wheel.insert(1);
        let (first_ms, left_out) = wheel.poll(100).unwrap();
        assert_eq!((first_ms, left_out), (80, 3));
        let rest = std::iter::from_fn(|| wheel.poll(100)).count();
        assert_eq!(rest, 20);
        assert_eq!(wheel.next_ms(), Some(120));
    }
}
