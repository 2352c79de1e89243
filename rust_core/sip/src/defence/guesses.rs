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

/// Guesses that nobody has been told of yet.
#[derive(Debug, Default)]
pub(crate) struct Guesses(BTreeMap<IpAddr, Guess>);

impl Guesses {
    /// Counts a wrong password of `ip`; of more sources than are told of, none. True if it is the first of all.
    pub(crate) fn note(&mut self, ip: IpAddr, account: String) -> bool {
        let is_first = self.0.is_empty();
        let source = source_of(ip);
        if self.0.len() < MAX_SOURCES || self.0.contains_key(&source) {
            let guess = self.0.entry(source).or_insert(Guess { count: 0, account: String::new() });
            guess.count += 1;
            guess.account = account;
        }
        is_first
    }

    /// All of them, by source; then they are forgotten.
    pub(crate) fn take(&mut self) -> BTreeMap<IpAddr, Guess> {
        std::mem::take(&mut self.0)
    }
}

/// Lines of the log that guessing may cost each time.
pub(crate) const MAX_SOURCES: usize = 256;
