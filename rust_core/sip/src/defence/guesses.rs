//! Who guesses passwords: counted by source, and told from time to time.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::source::source_of;

/// What one source has tried since it was last told of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Guess {
    pub(crate) count: u64,
    /// Whose password it tried last: user@realm.
    pub(crate) account: String,
}

/// Guesses that nobody has been told of yet, each source with its rank: its guesses, and the rank of whom it replaced.
#[derive(Debug, Default)]
pub(crate) struct Guesses(BTreeMap<IpAddr, (u64, Guess)>);

/// What a guess has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Noted {
    /// It is the first of all.
    pub(crate) is_first: bool,
    /// Guesses of another source that will not be told of, because there are too many sources.
    pub(crate) left_out: u64,
}

impl Guesses {
    /// Counts a wrong password of `ip`. Among more sources than are told of, the one of the lowest rank gives way, so that
    /// whoever makes more than its share of all guesses stays (Metwally and others, "Space-Saving", 2005).
    pub(crate) fn note(&mut self, ip: IpAddr, account: String) -> Noted {
        let is_first = self.0.is_empty();
        let source = source_of(ip);
        let is_too_many = self.0.len() >= MAX_SOURCES && !self.0.contains_key(&source);
        let lowest = self.0.iter().filter(|_| is_too_many).min_by_key(|(_, (rank, _))| *rank);
        let lowest = lowest.map(|(source, _)| *source);
        let gone = lowest.and_then(|source| self.0.remove(&source));
        let (rank, left_out) = gone.map_or((0, 0), |(rank, gone)| (rank, gone.count));
        let new = || (rank, Guess { count: 0, account: String::new() });
        let (rank, guess) = self.0.entry(source).or_insert_with(new);
        *rank += 1;
        guess.count += 1;
        guess.account = account;
        Noted { is_first, left_out }
    }

    /// All of them, by source; then they are forgotten.
    pub(crate) fn take(&mut self) -> BTreeMap<IpAddr, Guess> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.map(|(source, (_, guess))| (source, guess)).collect()
    }
}

/// Lines of the log that guessing may cost each time.
const MAX_SOURCES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_most_is_told_of_however_many_guess_and_the_rest_is_counted() {
        let mut guesses = Guesses::default();
        let source = |i: u32| IpAddr::from((0x0a00_0000 + i).to_be_bytes());
        let mut left_out = 0;
        for i in 0..MAX_SOURCES as u32 {
            let noted = guesses.note(source(i), String::new());
            assert_eq!(noted, Noted { is_first: i == 0, left_out: 0 });
            guesses.note(source(i), String::new());
        }
        for i in 0..300 {
            left_out += guesses.note(source(1_000), "late@demo".into()).left_out;
            left_out += guesses.note(source(2_000 + i), String::new()).left_out;
        }
        let told = guesses.take();
        assert_eq!(told.len(), MAX_SOURCES);
        let late = &told[&source(1_000)];
        assert!(late.count > 290 && late.account == "late@demo", "{late:?}");
        let all: u64 = told.values().map(|guess| guess.count).sum();
        assert_eq!(all + left_out, 2 * MAX_SOURCES as u64 + 600);
    }
}
