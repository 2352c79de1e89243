//! The one thread that writes recordings. A slow or full disk costs recordings, never calls.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tandem_media::codec::Law;
use tandem_media::record::{SAMPLE_RATE_HZ, Timeline, wav_header};
use tandem_media::rtp::RtpTime;

use super::event::{EventSink, MediaEvent, MediaEventKind};
use crate::clock::Clock;

/// The thread; dropping this ends all recordings and joins it.
#[derive(Debug)]
pub(super) struct Writer {
    inbox: WriterInbox,
    thread: Option<JoinHandle<()>>,
}

/// How shards reach the writer.
#[derive(Clone, Debug)]
pub(super) struct WriterInbox {
    sender: Sender<Order>,
    /// Chunks that wait; what begins or ends a recording is not counted and always goes through.
    waiting: Arc<AtomicUsize>,
}

/// One recording as its shard knows it.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    leg: u64,
    /// Set by the writer when it wants no more.
    is_over: Arc<AtomicBool>,
}

/// The payload of one packet.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) ssrc: u32,
    pub(super) timestamp: RtpTime,
    pub(super) at: Duration,
    pub(super) law: Law,
    pub(super) payload: Box<[u8]>,
}

#[derive(Debug)]
enum Order {
    Start {
        leg: u64,
        path: PathBuf,
        max: Duration,
        at: Duration,
        is_over: Arc<AtomicBool>,
    },
    Chunk {
        leg: u64,
        chunk: Chunk,
    },
    /// Ends the recording of a leg, then tells what had to wait for that.
    Stop {
        leg: u64,
        at: Duration,
        error: Option<String>,
        then: Option<MediaEvent>,
    },
    Quit,
}

impl Writer {
    pub(super) fn start(clock: Clock, sink: EventSink) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let inbox = WriterInbox { sender, waiting: Arc::clone(&waiting) };
        let desk = Desk { clock, sink, waiting, recordings: HashMap::new() };
        let thread = std::thread::Builder::new()
            .name("media-writer".into())
            .spawn(move || desk.run(&receiver))?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    pub(super) fn inbox(&self) -> WriterInbox {
        self.inbox.clone()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.inbox.send(Order::Quit);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl WriterInbox {
    /// Begins a recording; the one of the same leg that is under way ends.
    pub(super) fn start(&self, leg: u64, path: PathBuf, max: Duration, at: Duration) -> Tap {
        let tap = Tap { leg, is_over: Arc::default() };
        let is_over = Arc::clone(&tap.is_over);
        self.send(Order::Start { leg, path, max, at, is_over });
        tap
    }

    /// Hands over a packet. `false` when the writer is too far behind: the packet is missing in the recording.
    pub(super) fn record(&self, tap: &Tap, chunk: Chunk) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.send(Order::Chunk { leg: tap.leg, chunk });
        true
    }

    /// Ends the recording of a leg, if there is one, with the reason why it is not whole; then tells `then`.
    pub(super) fn stop(
        &self,
        leg: u64,
        at: Duration,
        error: Option<String>,
        then: Option<MediaEvent>,
    ) {
        self.send(Order::Stop { leg, at, error, then });
    }

    fn send(&self, order: Order) {
        // It fails only after the thread has quit, and that comes after all shards have.
        let _ = self.sender.send(order);
    }
}

impl Tap {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// What the thread owns.
struct Desk {
    clock: Clock,
    sink: EventSink,
    waiting: Arc<AtomicUsize>,
    recordings: HashMap<u64, Recording>,
}

struct Recording {
    path: PathBuf,
    file: Result<BufWriter<File>, String>,
    timeline: Timeline,
    started_at: Duration,
    max: Duration,
    is_over: Arc<AtomicBool>,
}

impl Desk {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut checked_at = Duration::ZERO;
        loop {
            match orders.recv_timeout(CHECK_INTERVAL) {
                Ok(Order::Quit) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(order) => self.handle(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.clock.elapsed();
            if now >= checked_at + CHECK_INTERVAL {
                checked_at = now;
                self.end_those_at_their_limit(now);
            }
        }
        let legs: Vec<u64> = self.recordings.keys().copied().collect();
        for leg in legs {
            self.end(leg, self.clock.elapsed(), None);
        }
    }

    fn handle(&mut self, order: Order) {
        match order {
            Order::Start { leg, path, max, at, is_over } => {
                self.end(leg, at, None);
                let file = open(&path).map_err(|error| error.to_string());
                let timeline = Timeline::new(at);
                let recording = Recording { path, file, timeline, started_at: at, max, is_over };
                let has_failed = recording.file.is_err();
                self.recordings.insert(leg, recording);
                if has_failed {
                    self.end(leg, at, None);
                }
            }
            Order::Chunk { leg, chunk } => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                let Some(recording) = self.recordings.get_mut(&leg) else { return };
                if chunk.at >= recording.ends_at() || !recording.write(&chunk) {
                    self.end(leg, chunk.at, None);
                }
            }
            Order::Stop { leg, at, error, then } => {
                self.end(leg, at, error);
                if let Some(event) = then {
                    (self.sink)(event);
                }
            }
            Order::Quit => {}
        }
    }

    fn end_those_at_their_limit(&mut self, now: Duration) {
        let over = self.recordings.iter().filter(|(_, r)| r.ends_at() <= now);
        let over: Vec<u64> = over.map(|(leg, _)| *leg).collect();
        for leg in over {
            self.end(leg, now, None);
        }
    }

    fn end(&mut self, leg: u64, at: Duration, error: Option<String>) {
        let Some(mut recording) = self.recordings.remove(&leg) else { return };
        recording.is_over.store(true, Ordering::Relaxed);
        let samples = recording.finish(at.min(recording.ends_at()));
        let kind = MediaEventKind::RecordingEnded {
            path: recording.path,
            recorded_ms: samples * 1000 / u64::from(SAMPLE_RATE_HZ),
            error: recording.file.err().or(error),
        };
        (self.sink)(MediaEvent { leg, at: self.clock.instant(at), kind });
    }
}

impl Recording {
    fn ends_at(&self) -> Duration {
        self.started_at.saturating_add(self.max)
    }

    /// `false` when the file can take no more.
    fn write(&mut self, chunk: &Chunk) -> bool {
        let samples = chunk.payload.iter().map(|&code| chunk.law.decode(code));
        let (stream, file) = ((chunk.ssrc, chunk.timestamp), &mut self.file);
        self.timeline.handle_packet(stream, chunk.at, samples, |samples| append(file, samples));
        self.file.is_ok()
    }

    /// Writes what is missing, and the header. Returns the samples in the file.
    fn finish(&mut self, at: Duration) -> u64 {
        let file = &mut self.file;
        let samples = self.timeline.finish(at, |samples| append(file, samples));
        if let Ok(open) = file
            && let Err(error) = close(open, samples)
        {
            *file = Err(error.to_string());
        }
        samples
    }
}

fn open(path: &PathBuf) -> io::Result<BufWriter<File>> {
    let mut file = BufWriter::with_capacity(BUFFER_LEN, File::create(path)?);
    file.write_all(&wav_header(0))?;
    Ok(file)
}

fn append(file: &mut Result<BufWriter<File>, String>, samples: &[i16]) {
    let Ok(open) = file else { return };
    let written = samples.iter().try_for_each(|sample| open.write_all(&sample.to_le_bytes()));
    if let Err(error) = written {
        *file = Err(error.to_string());
    }
}

fn close(file: &mut BufWriter<File>, samples: u64) -> io::Result<()> {
    file.rewind()?;
    file.write_all(&wav_header(samples))?;
    file.flush()
}

/// How often limits are looked at when no packets come.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Packets that may wait for the disk: 160 recordings for a second.
const MAX_WAITING: usize = 8192;

/// Two seconds of sound.
const BUFFER_LEN: usize = 32 * 1024;
