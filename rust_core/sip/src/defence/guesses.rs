//! How many wrong passwords a source has left, in all and for each account.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::time::Instant;

use super::bucket::Rate;
use super::buckets::Buckets;

/// What each source, and each source with each account, may still try.
#[derive(Debug)]
pub(crate) struct Guesses {
    of_source: Buckets<IpAddr>,
    /// The account is a hash: nobody's words are kept.
    of_account: Buckets<(IpAddr, u64)>,
    hasher: RandomState,
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            of_source: Buckets::new(OF_SOURCE),
            of_account: Buckets::new(OF_ACCOUNT),
            hasher: RandomState::new(),
        }
    }
}

impl Guesses {
    /// Whether the source may try any account.
    pub(crate) fn source_may(&self, now: Instant, source: IpAddr) -> bool {
        self.of_source.has_one(now, &source)
    }

    /// Whether it may try this one.
    pub(crate) fn account_may(
        &self,
        now: Instant,
        source: IpAddr,
        user: &str,
        realm: &str,
    ) -> bool {
        self.of_account.has_one(now, &(source, self.account(user, realm)))
    }

    /// A password of that account was wrong, or not looked at. Whether the source had a try left.
    pub(crate) fn note(&mut self, now: Instant, source: IpAddr, user: &str, realm: &str) -> bool {
        let account = self.account(user, realm);
        self.of_account.take(now, (source, account));
        self.of_source.take(now, source)
    }

    /// The source begins anew.
    pub(crate) fn forget(&mut self, source: IpAddr) {
        self.of_source.forget(|of| *of == source);
        self.of_account.forget(|(of, _)| *of == source);
    }

    /// Forgets those who have all their tries again.
    pub(crate) fn prune(&mut self, now: Instant) {
        self.of_source.prune(now);
        self.of_account.prune(now);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.of_source.is_empty() && self.of_account.is_empty()
    }

    fn account(&self, user: &str, realm: &str) -> u64 {
        self.hasher.hash_one((user, realm))
    }
}

/// A phone with a wrong password tries each 20 s or less often; one that knows none at all stops by itself.
const OF_SOURCE: Rate = Rate { burst: 20.0, per_s: 0.05 };
/// Less, so that one account that others are registered beside is slowed before they all are.
const OF_ACCOUNT: Rate = Rate { burst: 10.0, per_s: 0.05 };
