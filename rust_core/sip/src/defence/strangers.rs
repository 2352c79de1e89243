//! What comes by streams on which nobody has shown who that is.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// What each source has sent so since the last review.
#[derive(Debug, Default)]
pub(crate) struct Strangers(BTreeMap<IpAddr, Sent>);

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    messages: u32,
    garbage: u32,
}

/// What is too much of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Offence {
    /// What cannot be read as SIP.
    Garbage,
    /// Requests without end.
    Flood,
}

impl Strangers {
    /// Counts a message. False if it is not counted, because there are too many sources.
    pub(crate) fn note(&mut self, source: IpAddr, is_garbage: bool) -> bool {
        if self.0.len() >= MAX_SOURCES && !self.0.contains_key(&source) {
            return false;
        }
        let sent = self.0.entry(source).or_default();
        sent.messages = sent.messages.saturating_add(1);
        sent.garbage = sent.garbage.saturating_add(u32::from(is_garbage));
        true
    }

    /// Those who have sent too much since the last review; all are forgotten.
    pub(crate) fn review(&mut self) -> Vec<(IpAddr, Offence)> {
        let offence = |(source, sent): (IpAddr, Sent)| match sent {
            Sent { garbage: MAX_GARBAGE.., .. } => Some((source, Offence::Garbage)),
            Sent { messages: MAX_MESSAGES.., .. } => Some((source, Offence::Flood)),
            _ => None,
        };
        std::mem::take(&mut self.0).into_iter().filter_map(offence).collect()
    }
}

/// More than there are connections at once.
const MAX_SOURCES: usize = 32_768;
/// A probe or two is what every open port hears.
const MAX_GARBAGE: u32 = 20;
/// Five a second for a whole minute: who asks whether we are alive asks once, and an office that comes back has shown
/// who it is long before.
const MAX_MESSAGES: u32 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_told_once_and_with_its_name() {
        let mut strangers = Strangers::default();
        let source = |i: u32| IpAddr::from((0x0a00_0000 + i).to_be_bytes());
        for i in 0..MAX_MESSAGES {
            strangers.note(source(1), false);
            strangers.note(source(2), i >= MAX_MESSAGES - MAX_GARBAGE);
        }
        for i in 1..MAX_MESSAGES {
            strangers.note(source(3), i < MAX_GARBAGE);
        }
        let expected = [(source(1), Offence::Flood), (source(2), Offence::Garbage)];
        assert_eq!(strangers.review(), expected);
        assert_eq!(strangers.review(), []);
    }

    #[test]
    fn there_are_never_too_many() {
        let mut strangers = Strangers::default();
        let notes = |strangers: &mut Strangers, i: usize| {
            strangers.note(IpAddr::from((0x0a00_0000 + i as u32).to_be_bytes()), true)
        };
        assert!((0..MAX_SOURCES).all(|i| notes(&mut strangers, i)));
        assert!(!notes(&mut strangers, MAX_SOURCES) && notes(&mut strangers, 0));
    }
}
