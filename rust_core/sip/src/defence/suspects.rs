//! Who does what nobody should: counted by source, and told from time to time.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::source::source_of;

/// What one source has done since it was last told of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Suspect {
    pub(crate) count: u64,
    /// The last of it, in words.
    pub(crate) last: String,
}

/// Those that nobody has been told of yet, each source with its rank: its count, and the rank of whom it replaced.
#[derive(Debug, Default)]
pub(crate) struct Suspects(BTreeMap<IpAddr, (u64, Suspect)>);

impl Suspects {
    /// Counts one for `ip`. Among more sources than are told of, the one of the lowest rank gives way, so that whoever has
    /// more than its share of all stays (Metwally and others, "Space-Saving", 2005); what that one did is given back.
    pub(crate) fn note(&mut self, ip: IpAddr, last: String) -> u64 {
        let source = source_of(ip);
        let is_too_many = self.0.len() >= MAX_SOURCES && !self.0.contains_key(&source);
        let lowest = self.0.iter().filter(|_| is_too_many).min_by_key(|(_, (rank, _))| *rank);
        let lowest = lowest.map(|(source, _)| *source);
        let gone = lowest.and_then(|source| self.0.remove(&source));
        let (rank, left_out) = gone.map_or((0, 0), |(rank, gone)| (rank, gone.count));
        let new = || (rank, Suspect { count: 0, last: String::new() });
        let (rank, suspect) = self.0.entry(source).or_insert_with(new);
        *rank += 1;
        suspect.count += 1;
        suspect.last = last;
        left_out
    }

    /// All of them, by source; then they are forgotten.
    pub(crate) fn take(&mut self) -> BTreeMap<IpAddr, Suspect> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.map(|(source, (_, suspect))| (source, suspect)).collect()
    }
}

/// Lines of the log that they may cost each time.
const MAX_SOURCES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_most_is_told_of_however_many_there_are_and_the_rest_is_counted() {
        let mut suspects = Suspects::default();
        let source = |i: u32| IpAddr::from((0x0a00_0000 + i).to_be_bytes());
        let mut left_out = 0;
        for i in 0..MAX_SOURCES as u32 {
            assert_eq!(suspects.note(source(i), String::new()), 0);
            suspects.note(source(i), String::new());
        }
        for i in 0..300 {
            left_out += suspects.note(source(1_000), "late@demo".into());
            left_out += suspects.note(source(2_000 + i), String::new());
        }
        let told = suspects.take();
        assert_eq!(told.len(), MAX_SOURCES);
        let late = &told[&source(1_000)];
        assert!(late.count > 290 && late.last == "late@demo", "{late:?}");
        let all: u64 = told.values().map(|suspect| suspect.count).sum();
        assert_eq!(all + left_out, 2 * MAX_SOURCES as u64 + 600);
    }
}
