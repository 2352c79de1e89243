//! The handle of the media side: starts its threads and passes commands to them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tandem_media::dtmf::Digit;
use tandem_media::params::MediaParams;
use tandem_media::play::Prompt;

use super::command::{Command, MediaLeg, Source};
use super::counts::Counts;
use super::event::EventSink;
use super::inbox::Inbox;
use super::pool::Lease;
use super::shard::Shard;
use super::writer::Writer;
use crate::clock::Clock;

/// How the media side is started.
#[derive(Clone, Copy, Debug)]
pub struct MediaOptions {
    /// Threads, at least 1: one a core.
    pub shards: usize,
    /// `Silent` is told when nothing came for so long from a far end that should send. At least 1 s.
    pub media_timeout: Duration,
    /// Decides the numbers of our own streams.
    pub seed: u64,
    /// How packets come and go.
    pub driver: Driver,
}

/// By which means of the kernel packets come and go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Driver {
    /// io_uring where the kernel allows it, otherwise epoll.
    Fastest,
    /// epoll(7) alone.
    Epoll,
}

/// The media threads. Commands return at once and are carried out in the order given; dropping it stops the threads.
#[derive(Debug)]
pub struct MediaShards {
    shards: Vec<ShardHandle>,
    writer: Option<Writer>,
}

/// What a shard shares with its handle.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) inbox: Inbox,
    pub(super) legs: AtomicUsize,
    pub(super) counts: Mutex<Counts>,
}

#[derive(Debug)]
struct ShardHandle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The two legs live in different shards, and packets do not change threads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OtherShard;

impl MediaShards {
    /// Starts the threads. `sink` takes events from all of them; it must neither block nor panic.
    pub fn start(options: MediaOptions, sink: EventSink) -> io::Result<Self> {
        let clock = Clock::start();
        let writer = Writer::start(clock, Arc::clone(&sink))?;
        let mut this = Self { shards: Vec::new(), writer: None };
        for number in 0..options.shards.max(1) {
            let shared = Arc::new(Shared {
                inbox: Inbox::new()?,
                legs: AtomicUsize::new(0),
                counts: Mutex::default(),
            });
            let seed = options.seed.wrapping_add(number as u64);
            let options = MediaOptions { seed, ..options };
            let shard =
                Shard::new(options, clock, Arc::clone(&shared), writer.inbox(), Arc::clone(&sink))?;
            let thread = std::thread::Builder::new()
                .name(format!("media-{number}"))
                .spawn(move || shard.run(options.driver))?;
            this.shards.push(ShardHandle { shared, thread: Some(thread) });
        }
        this.writer = Some(writer);
        Ok(this)
    }

    /// The shard with the fewest legs: where the first leg of a call goes, and the others after it.
    pub fn least_loaded(&self) -> usize {
        let legs = |number: &usize| self.shards[*number].shared.legs.load(Ordering::Relaxed);
        (0..self.shards.len()).min_by_key(legs).unwrap_or(0)
    }

    /// Takes over the sockets of a leg. It hears nothing, and nothing is read, until `agreed`.
    pub fn open(&self, leg: u64, shard: usize, lease: Lease) -> MediaLeg {
        let shard = shard % self.shards.len();
        self.shards[shard].shared.legs.fetch_add(1, Ordering::Relaxed);
        let opened = MediaLeg { leg, shard };
        self.post(opened, Command::Open { leg, lease: Box::new(lease) });
        opened
    }

    /// What signalling agreed on, again after each offer and answer.
    pub fn agreed(&self, leg: MediaLeg, params: MediaParams) {
        self.post(leg, Command::Agreed { leg: leg.leg, params: Box::new(params) });
    }

    /// From now on the far end of `leg` hears this.
    pub fn hears(&self, leg: MediaLeg, source: Source) -> Result<(), OtherShard> {
        if matches!(&source, Source::Leg(other) if other.shard != leg.shard) {
            return Err(OtherShard);
        }
        self.post(leg, Command::Hears { leg: leg.leg, source });
        Ok(())
    }

    /// Presses keys towards the far end, each for `press`; what is no key is left out.
    pub fn send_keys(&self, leg: MediaLeg, keys: &str, press: Duration) {
        let digits = keys.chars().filter_map(Digit::from_char).collect();
        self.post(leg, Command::SendKeys { leg: leg.leg, digits, press });
    }

    /// The far end has pressed a key that came by signalling: it goes to those who hear the leg. `KeyUntaken` tells of
    /// each who takes no telephone events.
    pub fn pass_key(&self, leg: MediaLeg, key: char) {
        if let Some(digit) = Digit::from_char(key) {
            self.post(leg, Command::PassKey { leg: leg.leg, digit });
        }
    }

    /// Writes what comes from the far end to a WAV file for at most `max`. A recording under way ends.
    pub fn record(&self, leg: MediaLeg, path: PathBuf, max: Duration) {
        self.post(leg, Command::Record { leg: leg.leg, path, max });
    }

    /// Ends the recording, if there is one.
    pub fn stop_recording(&self, leg: MediaLeg) {
        self.post(leg, Command::StopRecording { leg: leg.leg });
    }

    /// Closes the sockets. `Closed` is the last event of the leg.
    pub fn close(&self, leg: MediaLeg) {
        self.post(leg, Command::Close { leg: leg.leg });
    }

    /// Keeps a prompt: mono, 8 kHz. Encodes it on the calling thread; an empty one forgets the name.
    pub fn set_prompt(&self, name: &str, samples: &[i16]) {
        let prompt = (!samples.is_empty()).then(|| Arc::new(Prompt::new(name, samples)));
        for shard in &self.shards {
            shard.shared.inbox.post(match &prompt {
                Some(prompt) => Command::SetPrompt { prompt: Arc::clone(prompt) },
                None => Command::ForgetPrompt { name: name.to_owned() },
            });
        }
    }

    /// Totals and levels of all shards, at most a second old.
    pub fn counters(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        for shard in &self.shards {
            let counts = *shard.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, count) in counts.named() {
                *sums.entry(name).or_insert(0) += count;
            }
        }
        sums
    }

    /// Closes all legs, and after the last event stops the threads.
    pub fn stop(&mut self) {
        for shard in &self.shards {
            shard.shared.inbox.post(Command::Stop);
        }
        for thread in self.shards.iter_mut().filter_map(|shard| shard.thread.take()) {
            let _ = thread.join();
        }
        self.writer = None;
    }

    fn post(&self, leg: MediaLeg, command: Command) {
        if let Some(shard) = self.shards.get(leg.shard) {
            shard.shared.inbox.post(command);
        }
    }
}

impl Drop for MediaShards {
    fn drop(&mut self) {
        self.stop();
    }
}
