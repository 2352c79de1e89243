//! Which servers of trunks are there. What is known of one is known to all trunks that have it: they ask it once.
//!
//! A server is *down* after [`FAILURES`] requests in a row without an answer, 503 to an OPTIONS among them, and *up* again
//! with the first answer to a call or register, or after [`SUCCESSES`] answers to OPTIONS. One that nobody asks by OPTIONS
//! is avoided for [`AVOIDED`] and then tried in its turn; one more failure is enough then.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::endpoint::{Transport, Trunk};
use crate::trunk::TrunkKey;

/// A server by how it is reached.
pub(crate) type ServerKey = (Transport, SocketAddr);

/// What is known of all servers.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Those that something is known of, or that are asked.
    servers: HashMap<ServerKey, Record>,
}

/// What is known of one.
#[derive(Debug, Default)]
struct Record {
    failures: u8,
    successes: u8,
    is_down: Option<Instant>,
    /// Whether it has ever answered.
    has_answered: bool,
    /// The newest failure, while it is down.
    why: (u16, String),
    asked: Option<Asked>,
}

/// How a server is asked.
#[derive(Debug)]
struct Asked {
    interval: Duration,
    /// For whose sake: the first of the trunks that want it asked most often.
    trunk: TrunkKey,
    /// The timer or question that counts.
    awaited: u64,
}

/// How a server stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Nothing is known: it is not asked by OPTIONS, or has not been yet.
    Unknown,
    /// It answers when it is asked.
    Up,
    /// It does not.
    Down,
}

impl Standing {
    /// As Python names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl Health {
    /// Which servers are asked from now on, and which are none's any more; gives back those that are to be asked anew,
    /// with the pause between questions.
    pub(crate) fn set<'a>(
        &mut self,
        trunks: impl Iterator<Item = &'a Trunk>,
    ) -> Vec<(ServerKey, Duration)> {
        let mut wanted: BTreeMap<ServerKey, Option<(Duration, TrunkKey)>> = BTreeMap::new();
        for trunk in trunks {
            let own = trunk
                .hosts
                .health
                .map(|interval| (interval, (trunk.company.clone(), trunk.id.clone())));
            for address in trunk.hosts.addresses() {
                let asked = wanted.entry((trunk.transport, address)).or_default();
                *asked = asked.take().into_iter().chain(own.clone()).min();
            }
        }
        self.servers.retain(|key, _| wanted.contains_key(key));
        let mut begun = Vec::new();
        for (key, asked) in wanted {
            let Some((interval, trunk)) = asked else {
                if let Some(record) = self.servers.get_mut(&key) {
                    record.asked = None;
                }
                continue;
            };
            let record = self.servers.entry(key).or_default();
            match &mut record.asked {
                Some(asked) if asked.interval == interval => asked.trunk = trunk,
                _ => {
                    record.asked = Some(Asked { interval, trunk, awaited: 0 });
                    begun.push((key, interval));
                }
            }
        }
        begun
    }

    /// From now on only this timer or question counts.
    pub(crate) fn await_only(&mut self, server: ServerKey, awaited: u64) {
        if let Some(asked) = self.servers.get_mut(&server).and_then(|r| r.asked.as_mut()) {
            asked.awaited = awaited;
        }
    }

    /// Whose sake a server is asked for, and how often, if this timer or question still counts.
    pub(crate) fn asks(&self, server: ServerKey, awaited: u64) -> Option<(TrunkKey, Duration)> {
        let asked = self.servers.get(&server)?.asked.as_ref()?;
        (asked.awaited == awaited).then(|| (asked.trunk.clone(), asked.interval))
    }

    /// A server gave no answer, or one that says that it cannot serve. True if it is down by that, or for another reason
    /// than before.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        server: ServerKey,
        status: u16,
        why: &str,
    ) -> bool {
        let record = self.servers.entry(server).or_default();
        record.successes = 0;
        record.failures = record.failures.saturating_add(1);
        if record.failures < FAILURES {
            return false;
        }
        let was = record.is_down.replace(now);
        let is_news = was.is_none() || record.why.0 != status;
        record.why = (status, why.to_owned());
        is_news
    }

    /// A server answered an OPTIONS, or else. True if it is up by that.
    pub(crate) fn answered(&mut self, server: ServerKey, is_probe: bool) -> bool {
        let Some(record) = self.servers.get_mut(&server) else { return false };
        record.successes = record.successes.saturating_add(1);
        if record.is_down.is_some() && is_probe && record.successes < SUCCESSES {
            return false;
        }
        record.failures = 0;
        record.why = (0, String::new());
        let was_down = record.is_down.take().is_some();
        let is_first = !std::mem::replace(&mut record.has_answered, true);
        was_down || is_first && record.asked.is_some()
    }

    /// Whether other servers are tried before this one.
    pub(crate) fn is_avoided(&self, now: Instant, server: ServerKey) -> bool {
        self.servers.get(&server).is_some_and(|record| {
            record.is_down.is_some_and(|since| {
                record.asked.is_some() || now.saturating_duration_since(since) < AVOIDED
            })
        })
    }

    /// How it stands, and why it is down: status and words.
    pub(crate) fn standing(&self, server: ServerKey) -> (Standing, u16, &str) {
        match self.servers.get(&server) {
            Some(record) if record.is_down.is_some() => {
                (Standing::Down, record.why.0, &record.why.1)
            }
            Some(record) if record.has_answered && record.asked.is_some() => (Standing::Up, 0, ""),
            _ => (Standing::Unknown, 0, ""),
        }
    }

    /// How many are down.
    pub(crate) fn down(&self) -> usize {
        self.servers.values().filter(|record| record.is_down.is_some()).count()
    }
}

const FAILURES: u8 = 2;
const SUCCESSES: u8 = 2;
/// So long a call is not made to wait for a server that gave no answer, if nothing else tells whether it is back.
const AVOIDED: Duration = Duration::from_secs(60);
