//! Both far ends of many calls: each sends 20 ms of G.711 each 20 ms, and times what arrives from the other.
//!
//! ```text
//! generate CALLS            → ports …
//! run SECONDS LOSS REORDER PORT…  → {"sent": …, "received": …, "p50_us": …}
//! ```
//! LOSS and REORDER are probabilities; what is lost is not sent and not counted as sent.
//!
//! The kernel stamps what arrives, and the sockets are looked at in turn: nothing here is woken up by a packet, because
//! waking it would cost the relay that sends, as no network does.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tandem_loadgen::{local, open, print_ports, read_line, stamped};

fn main() -> io::Result<()> {
    let calls: usize = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1);
    let mut streams = Vec::new();
    for number in 0..2 * calls {
        streams.push(Stream::open(number as u32)?);
    }
    let ports: io::Result<Vec<u16>> =
        streams.iter().map(|stream| Ok(stream.socket.local_addr()?.port())).collect();
    print_ports(ports?.into_iter())?;
    for number in 1.. {
        let Some(words) = read_line("run")? else { break };
        let (figures, ports) = words.split_at(words.len().min(3));
        let figures: Vec<f64> = figures.iter().filter_map(|word| word.parse().ok()).collect();
        let ports: Vec<u16> = ports.iter().filter_map(|word| word.parse().ok()).collect();
        let (&[seconds, loss, reorder], true) = (&figures[..], ports.len() == streams.len()) else {
            return Err(io::Error::other("run SECONDS LOSS REORDER PORT…, a port for each stream"));
        };
        for (stream, port) in streams.iter().zip(ports) {
            stream.socket.connect(local(port))?;
        }
        let mut round = Round::new(number, streams.len());
        round.run(&mut streams, Duration::from_secs_f64(seconds), loss, reorder)?;
        println!("{}", round.result());
    }
    Ok(())
}

/// One far end.
struct Stream {
    socket: UdpSocket,
    packet: [u8; PACKET_LEN],
    sequence: u16,
    timestamp: u32,
    /// A packet that the next one overtakes.
    held_back: Option<[u8; PACKET_LEN]>,
}

/// One measurement.
struct Round {
    /// Stands in its packets, so that late ones of the round before do not count.
    number: u32,
    started_at: Duration,
    /// The socket to look at next.
    next: usize,
    sent: u64,
    received: u64,
    overtaken: u64,
    newest: Vec<Option<u16>>,
    foreign: u64,
    latencies_us: Vec<u32>,
    random: u64,
}

impl Stream {
    fn open(number: u32) -> io::Result<Self> {
        let mut packet = [0xff; PACKET_LEN];
        packet[0..2].copy_from_slice(&[0x80, 0]);
        packet[8..12].copy_from_slice(&(0x5eed_0000 + number).to_be_bytes());
        let socket = open()?;
        stamped::enable(&socket)?;
        Ok(Self { socket, packet, sequence: 1, timestamp: 160, held_back: None })
    }

    /// The next packet, stamped with the time it is sent.
    fn next(&mut self, round: u32, now: Duration) -> [u8; PACKET_LEN] {
        self.packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        self.packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.packet[12..20].copy_from_slice(&(now.as_nanos() as u64).to_be_bytes());
        self.packet[20..24].copy_from_slice(&round.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.packet
    }
}

impl Round {
    fn new(number: u32, streams: usize) -> Self {
        Self {
            number,
            started_at: now(),
            next: 0,
            sent: 0,
            received: 0,
            overtaken: 0,
            newest: vec![None; streams],
            foreign: 0,
            latencies_us: Vec::new(),
            random: 20_261_124,
        }
    }

    fn run(
        &mut self,
        streams: &mut [Stream],
        length: Duration,
        loss: f64,
        reorder: f64,
    ) -> io::Result<()> {
        let step = PACKET_TIME / streams.len() as u32;
        let total = (length.as_nanos() / step.as_nanos()) as u32;
        let mut number = 0;
        while number < total {
            let elapsed = now().saturating_sub(self.started_at);
            let due = ((elapsed.as_nanos() / step.as_nanos()) as u32).min(total);
            let batch = due.min(number + 32);
            while number < batch {
                self.send(&mut streams[number as usize % streams.len()], loss, reorder);
                number += 1;
            }
            self.receive(streams, streams.len() / SHARES + 1);
            if number == due {
                std::thread::sleep(PAUSE);
            }
        }
        for stream in streams.iter_mut() {
            if let Some(packet) = stream.held_back.take() {
                self.put(stream, &packet);
            }
        }
        let end = now() + DRAIN;
        while self.received < self.sent && now() < end {
            self.receive(streams, streams.len());
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn send(&mut self, stream: &mut Stream, loss: f64, reorder: f64) {
        let packet = stream.next(self.number, now());
        if self.happens(loss) {
            return;
        }
        if stream.held_back.is_none() && self.happens(reorder) {
            stream.held_back = Some(packet);
            return;
        }
        self.put(stream, &packet);
        if let Some(overtaken) = stream.held_back.take() {
            self.put(stream, &overtaken);
        }
    }

    fn put(&mut self, stream: &Stream, packet: &[u8]) {
        self.sent += u64::from(stream.socket.send(packet).is_ok());
    }

    /// Looks at the next `count` sockets.
    fn receive(&mut self, streams: &[Stream], count: usize) {
        for _ in 0..count {
            self.next = (self.next + 1) % streams.len();
            let mut buffer = [0; 256];
            while let Ok((len, at)) = stamped::receive(&streams[self.next].socket, &mut buffer) {
                self.take(streams, &buffer[..len], at);
            }
        }
    }

    fn take(&mut self, streams: &[Stream], packet: &[u8], at: Duration) {
        let from = &streams[self.next ^ 1].packet;
        let is_ours = packet.len() == PACKET_LEN
            && packet[8..12] == from[8..12]
            && packet[20..24] == self.number.to_be_bytes();
        if !is_ours {
            self.foreign += 1;
            return;
        }
        self.received += 1;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let newest = self.newest[self.next].get_or_insert(sequence);
        if (sequence.wrapping_sub(*newest) as i16) < 0 {
            self.overtaken += 1;
        } else {
            *newest = sequence;
        }
        let mut stamp = [0; 8];
        stamp.copy_from_slice(&packet[12..20]);
        let latency = at.saturating_sub(Duration::from_nanos(u64::from_be_bytes(stamp)));
        self.latencies_us.push(latency.as_micros() as u32);
    }

    fn result(&mut self) -> String {
        self.latencies_us.sort_unstable();
        let percentile = |share: f64| {
            let last = self.latencies_us.len().saturating_sub(1);
            self.latencies_us.get((last as f64 * share) as usize).copied().unwrap_or(0)
        };
        format!(
            "{{\"sent\": {}, \"received\": {}, \"overtaken\": {}, \"foreign\": {}, \"p50_us\": {}, \"p99_us\": {}, \
             \"p999_us\": {}, \"max_us\": {}}}",
            self.sent,
            self.received,
            self.overtaken,
            self.foreign,
            percentile(0.5),
            percentile(0.99),
            percentile(0.999),
            percentile(1.0),
        )
    }

    /// SplitMix64.
    fn happens(&mut self, probability: f64) -> bool {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64) < probability * (1u64 << 53) as f64
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock by which the kernel stamps packets")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A header and 20 ms of G.711.
const PACKET_LEN: usize = 172;

const PACKET_TIME: Duration = Duration::from_millis(20);

/// Between two shares of sockets.
const PAUSE: Duration = Duration::from_micros(100);

/// In so many shares all sockets are looked at, several times in a packet time.
const SHARES: usize = 32;

/// How long packets may still arrive after the last one was sent.
const DRAIN: Duration = Duration::from_millis(1000);
