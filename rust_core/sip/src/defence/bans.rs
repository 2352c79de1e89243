//! Who is not listened to for a time.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long bans last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BanTimes {
    /// The first of a source.
    pub first: Duration,
    /// The longest. After a ban has ended, it is remembered for so long.
    pub longest: Duration,
}

impl BanTimes {
    /// Each ban is four times as long as the one before.
    fn of(&self, times: u32) -> Duration {
        let growth = 4_u32.saturating_pow(times.saturating_sub(1));
        self.first.saturating_mul(growth).min(self.longest)
    }
}

/// A source that was banned, now or before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ban {
    pub(crate) until: Instant,
    /// The next one is as long as if this were the first from here on.
    pub(crate) forget_at: Instant,
    /// How many there were, this one included.
    pub(crate) times: u32,
}

/// Bans by source, bounded: the one that is to be forgotten first gives way.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    by_source: HashMap<IpAddr, Ban>,
    by_end: BTreeSet<(Instant, IpAddr)>,
}

impl Bans {
    /// Bans a source; how long, for the how manieth time, and whose ban ends early for want of room.
    pub(crate) fn impose(
        &mut self,
        now: Instant,
        source: IpAddr,
        times: BanTimes,
    ) -> (Duration, u32, Option<IpAddr>) {
        self.forget(now);
        let count = self.by_source.get(&source).map_or(0, |ban| ban.times).saturating_add(1);
        let lasts = times.of(count);
        let until = now + lasts;
        let ban = Ban { until, forget_at: until + times.longest, times: count };
        (lasts, count, self.put(now, source, ban))
    }

    /// Takes a ban over as it is; whose ban ends early for it.
    pub(crate) fn put(&mut self, now: Instant, source: IpAddr, ban: Ban) -> Option<IpAddr> {
        self.remove(source);
        let mut gone = None;
        while self.by_source.len() >= MAX_BANS {
            let Some(&(_, first)) = self.by_end.first() else { break };
            gone = self.remove(first).filter(|ban| now < ban.until).map(|_| first).or(gone);
        }
        self.by_source.insert(source, ban);
        self.by_end.insert((ban.forget_at, source));
        gone
    }

    /// Ends a ban and forgets the source; what it was, if it was any.
    pub(crate) fn remove(&mut self, source: IpAddr) -> Option<Ban> {
        let ban = self.by_source.remove(&source)?;
        self.by_end.remove(&(ban.forget_at, source));
        Some(ban)
    }

    /// Costs a comparison while nobody is banned, and one look-up otherwise.
    pub(crate) fn holds(&self, now: Instant, source: impl FnOnce() -> IpAddr) -> bool {
        !self.by_source.is_empty()
            && self.by_source.get(&source()).is_some_and(|ban| now < ban.until)
    }

    /// Those in force.
    pub(crate) fn count(&self, now: Instant) -> usize {
        self.by_source.values().filter(|ban| now < ban.until).count()
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(_, source)) = self.by_end.first().filter(|(at, _)| *at <= now) {
            self.remove(source);
        }
    }
}

/// More than any exchange was ever attacked from at once; about 2 MB.
const MAX_BANS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);
    const TIMES: BanTimes =
        BanTimes { first: Duration::from_secs(300), longest: Duration::from_secs(86_400) };

    fn source(i: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + i).to_be_bytes())
    }

    #[test]
    fn each_ban_is_longer_than_the_last_until_all_is_forgotten() {
        let (mut bans, mut now) = (Bans::default(), crate::timers::tests::epoch());
        let mut lengths = Vec::new();
        for _ in 0..6 {
            let (lasts, ..) = bans.impose(now, source(1), TIMES);
            assert!(bans.holds(now + lasts - S, || source(1)));
            assert!(!bans.holds(now + lasts, || source(1)) && !bans.holds(now, || source(2)));
            lengths.push(lasts.as_secs());
            now += lasts + TIMES.longest - S;
        }
        assert_eq!(lengths, [300, 1_200, 4_800, 19_200, 76_800, 86_400]);
        now += 2 * S;
        assert_eq!(bans.impose(now, source(1), TIMES), (300 * S, 1, None));
    }

    #[test]
    fn who_is_to_be_forgotten_first_gives_way_and_is_told_only_if_banned_still() {
        let (mut bans, now) = (Bans::default(), crate::timers::tests::epoch());
        let is_over = Ban { until: now, forget_at: now + S, times: 1 };
        assert_eq!(bans.put(now, source(0), is_over), None);
        for i in 1..MAX_BANS as u32 {
            assert_eq!(bans.impose(now, source(i), TIMES).2, None);
        }
        assert_eq!(bans.count(now), MAX_BANS - 1);
        assert_eq!(bans.impose(now, source(100_000), TIMES).2, None);
        assert_eq!(bans.impose(now, source(100_001), TIMES).2, Some(source(1)));
        assert_eq!((bans.by_source.len(), bans.by_end.len()), (MAX_BANS, MAX_BANS));
    }
}
