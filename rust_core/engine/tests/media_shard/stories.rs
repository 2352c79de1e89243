//! What a shard does, told by its phones.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tandem_engine::media::{
    MediaEvent, MediaEventKind, MediaLeg, MediaOptions, MediaShards, PortPool, Source,
};
use tandem_media::params::{CodecParams, MediaParams};
use tandem_media::quality::MediaReport;
use tandem_media::rtp::{RtpPacket, RtpTime, SeqNo};

use super::{DRIVER, FIRST_PORT};

const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct World {
    shards: MediaShards,
    events: Receiver<MediaEvent>,
    pool: PortPool,
    legs: std::cell::Cell<u64>,
}

/// A leg and the phone at its far end.
struct Line {
    leg: MediaLeg,
    /// Where the phone sends to.
    port: SocketAddr,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    params: MediaParams,
}

impl World {
    fn new(port_offset: u16, media_timeout: Duration) -> Self {
        let first_port = FIRST_PORT + port_offset;
        let (sender, events) = channel();
        let sink = Arc::new(move |event| drop(sender.send(event)));
        let options = MediaOptions { shards: 1, media_timeout, seed: 7, driver: DRIVER };
        Self {
            shards: MediaShards::start(options, sink).unwrap(),
            events,
            pool: PortPool::new(LOCALHOST, (first_port, first_port + 99), 7),
            legs: std::cell::Cell::new(1),
        }
    }

    /// A leg whose phone calls its codec PCMA `payload_type`, and its keys one more.
    fn line(&self, payload_type: u8) -> Line {
        let line = self.silent_line(payload_type);
        self.shards.agreed(line.leg, line.params.clone());
        line
    }

    /// The same before anything was agreed.
    fn silent_line(&self, payload_type: u8) -> Line {
        let lease = self.pool.lease().unwrap();
        let port = lease.local();
        let leg = self.shards.open(self.legs.replace(self.legs.get() + 1), 0, lease);
        let (rtp, rtcp) = (phone(), phone());
        let codec = |name: &str, number| CodecParams {
            name: name.into(),
            clock_rate: 8000,
            channels: 1,
            send_type: number,
            receive_type: number,
            variant: String::new(),
        };
        let params = MediaParams {
            rtp: rtp.local_addr().unwrap(),
            rtcp: rtcp.local_addr().unwrap(),
            behind_nat: None,
            codecs: vec![codec("PCMA", payload_type)],
            events: vec![codec("telephone-event", payload_type + 1)],
            sending: true,
            receiving: true,
        };
        Line { leg, port, rtp, rtcp, params }
    }

    fn join(&self, one: &Line, other: &Line) {
        self.shards.hears(one.leg, Source::Leg(other.leg)).unwrap();
        self.shards.hears(other.leg, Source::Leg(one.leg)).unwrap();
        self.settle();
    }

    /// Returns when everything commanded before is done: packets sent before that could come first.
    fn settle(&self) {
        let leg = self.shards.open(u64::MAX, 0, self.pool.lease().unwrap());
        self.shards.close(leg);
        assert_eq!(self.next_event().leg, u64::MAX);
    }

    fn close(&self, line: &Line) -> MediaReport {
        self.shards.close(line.leg);
        loop {
            let event = self.next_event();
            if let (MediaEventKind::Closed { report }, true) =
                (event.kind, event.leg == line.leg.leg)
            {
                return report;
            }
        }
    }

    fn next_event(&self) -> MediaEvent {
        self.events.recv_timeout(Duration::from_secs(5)).expect("an event")
    }
}

impl Line {
    fn say(&self, payload_type: u8, sequence: u16) {
        self.rtp.send_to(&packet(payload_type, sequence), self.port).unwrap();
    }
}

fn phone() -> UdpSocket {
    let socket = UdpSocket::bind((LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket
}

fn packet(payload_type: u8, sequence: u16) -> Vec<u8> {
    let mut out = vec![0; 172];
    RtpPacket {
        marker: false,
        payload_type,
        sequence: SeqNo(sequence),
        timestamp: RtpTime(u32::from(sequence) * 160),
        ssrc: 0xabcd,
        payload: &[0xd5; 160],
    }
    .write_to(&mut out)
    .unwrap();
    out
}

fn hear(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let len = socket.recv(&mut buffer).expect("a packet");
    buffer[..len].to_vec()
}

/// Nothing comes for 100 ms, which is hundreds of times longer than a packet takes.
fn assert_hears_nothing(socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let got = socket.recv(&mut [0; 2048]);
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    assert!(got.is_err(), "{got:?} bytes");
}

#[test]
fn two_phones_hear_each_other_under_their_own_numbers() {
    let world = World::new(0, Duration::from_secs(60));
    let (caller, callee) = (world.line(8), world.line(96));
    world.join(&caller, &callee);
    for sequence in 0..50 {
        caller.say(8, sequence);
        let mut heard = hear(&callee.rtp);
        assert_eq!(heard[1] & 0x7f, 96);
        heard[1] = 8;
        assert_eq!(heard, packet(8, sequence));
        callee.say(96, sequence);
        assert_eq!(hear(&caller.rtp)[1] & 0x7f, 8);
    }
    caller.say(0, 50); // Not agreed.
    caller.say(8, 50);
    assert_eq!(hear(&callee.rtp)[3], 50);
    let report = world.close(&caller);
    assert_eq!(
        (report.packets_received, report.packets_sent, report.packets_discarded),
        (51, 50, 1)
    );
    assert_eq!((report.codec.as_str(), report.packets_lost), ("PCMA", 0));
    assert!(report.mos.unwrap() > 4.3);
    callee.say(96, 50);
    assert_hears_nothing(&caller.rtp);
}

#[test]
fn a_sprayer_gets_nothing_and_is_not_heard() {
    let world = World::new(100, Duration::from_secs(60));
    let (caller, callee) = (world.silent_line(8), world.silent_line(8));
    let sprayer = phone();
    let spray = || {
        for sequence in 0..50 {
            for port in [caller.port, callee.port] {
                sprayer.send_to(&packet(8, sequence), port).unwrap();
                let rtcp = SocketAddr::new(port.ip(), port.port() + 1);
                sprayer.send_to(&[0x80, 201, 0, 1, 0, 0, 0, 1], rtcp).unwrap();
            }
        }
    };
    spray(); // It waits in the sockets before anybody reads them.
    world.shards.agreed(caller.leg, caller.params.clone());
    world.shards.agreed(callee.leg, callee.params.clone());
    world.join(&caller, &callee);
    spray();
    for sequence in 100..120 {
        caller.say(8, sequence);
        assert_eq!(hear(&callee.rtp)[2..], packet(8, sequence)[2..]);
        spray();
    }
    assert_hears_nothing(&sprayer);
    assert_hears_nothing(&caller.rtp);
    assert_hears_nothing(&caller.rtcp);
    assert_eq!(world.close(&caller).packets_received, 20);
}

#[test]
fn a_phone_behind_nat_is_learned_and_a_sprayer_beside_it_is_not() {
    let world = World::new(200, Duration::from_secs(60));
    let (mut inside, outside) = (world.silent_line(8), world.line(8));
    // It wrote its private address; its packets come from where its signalling does.
    inside.params.rtp = "127.0.0.9:4000".parse().unwrap();
    inside.params.rtcp = "127.0.0.9:4001".parse().unwrap();
    inside.params.behind_nat = Some(LOCALHOST);
    world.shards.agreed(inside.leg, inside.params.clone());
    world.join(&inside, &outside);
    let sprayer = UdpSocket::bind("127.0.0.8:0").unwrap();
    for sequence in 0..20 {
        sprayer.send_to(&packet(8, sequence), inside.port).unwrap();
    }
    for sequence in 100..105 {
        inside.say(8, sequence);
    }
    // The first two proved who it is.
    let heard: Vec<u8> = (0..3).map(|_| hear(&outside.rtp)[3]).collect();
    assert_eq!(heard, [102, 103, 104]);
    outside.say(8, 1);
    assert_eq!(hear(&inside.rtp)[2..], packet(8, 1)[2..]);
    assert_hears_nothing(&sprayer);
}

#[test]
fn a_port_that_is_used_again_does_not_know_the_peer_before() {
    let world = World::new(300, Duration::from_secs(60));
    let pool = PortPool::new(LOCALHOST, (46_390, 46_391), 1);
    let (first, other) = (world.silent_line(8), world.line(8));
    let lease = pool.lease().unwrap();
    let port = lease.local();
    let leg = world.shards.open(1000, 0, lease);
    world.shards.agreed(leg, first.params.clone());
    world.shards.hears(other.leg, Source::Leg(leg)).unwrap();
    world.settle();
    first.rtp.send_to(&packet(8, 1), port).unwrap();
    hear(&other.rtp);
    world.shards.close(leg);
    assert!(matches!(world.next_event().kind, MediaEventKind::Closed { .. }));

    let lease = pool.lease().unwrap();
    assert_eq!(lease.local(), port);
    let again = world.shards.open(1001, 0, lease);
    world.shards.hears(again, Source::Silence).unwrap();
    world.shards.hears(other.leg, Source::Leg(again)).unwrap();
    first.rtp.send_to(&packet(8, 2), port).unwrap();
    let next = world.silent_line(8);
    world.shards.agreed(again, next.params.clone());
    world.settle();
    first.rtp.send_to(&packet(8, 3), port).unwrap();
    assert_eq!(hear(&next.rtp).len(), 172);
    assert_hears_nothing(&first.rtp);
    assert_hears_nothing(&other.rtp);
}

#[test]
fn reports_pass_and_tell_the_way_to_the_far_end() {
    let world = World::new(400, Duration::from_secs(60));
    let (caller, callee) = (world.line(8), world.line(8));
    world.join(&caller, &callee);
    let rtcp_of = |line: &Line| SocketAddr::new(line.port.ip(), line.port.port() + 1);
    let mut sender_report = vec![0x80, 200, 0, 6, 0, 0, 0, 9, 0, 0, 0, 1, 0x80, 0, 0, 0];
    sender_report.extend([0; 12]);
    caller.rtcp.send_to(&sender_report, rtcp_of(&caller)).unwrap();
    assert_eq!(hear(&callee.rtcp), sender_report);
    // The callee answers 50 ms later, and says that it took 20.
    std::thread::sleep(Duration::from_millis(50));
    let mut receiver_report = vec![0x81, 201, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9];
    receiver_report.extend([0; 12]);
    receiver_report.extend([0, 1, 0x80, 0]);
    receiver_report.extend((65_536u32 / 50).to_be_bytes());
    // On the RTP port: a phone that multiplexes is understood.
    callee.rtp.send_to(&receiver_report, callee.port).unwrap();
    assert_eq!(hear(&caller.rtcp), receiver_report);
    let round_trip_ms = world.close(&callee).round_trip_ms.unwrap();
    assert!((25.0..60.0).contains(&round_trip_ms), "{round_trip_ms}");
}

#[test]
fn a_prompt_is_played_in_time_and_its_end_is_told() {
    let world = World::new(500, Duration::from_secs(60));
    world.shards.set_prompt("hello", &[1000; 8 * 240]);
    let line = world.silent_line(8);
    let prompt = Source::Prompt { name: "hello".into(), is_looped: false };
    world.shards.hears(line.leg, prompt).unwrap(); // It waits for the agreement.
    world.shards.agreed(line.leg, line.params.clone());
    let packets: Vec<Vec<u8>> = (0..12).map(|_| hear(&line.rtp)).collect();
    let timestamps: Vec<RtpTime> =
        packets.iter().map(|p| RtpPacket::parse(p).unwrap().timestamp).collect();
    assert!(timestamps.windows(2).all(|pair| pair[1].ticks_since(pair[0]) % 160 == 0));
    assert!(timestamps[11].ticks_since(timestamps[0]) >= 11 * 160);
    assert!(RtpPacket::parse(&packets[0]).unwrap().marker);
    let report = hear(&line.rtcp);
    assert_eq!((report[1], &report[4..8]), (200, &packets[0][8..12]));
    match world.next_event().kind {
        MediaEventKind::PlaybackEnded { prompt, played_ms } => {
            assert_eq!((prompt.as_str(), played_ms), ("hello", 240));
        }
        other => panic!("{other:?}"),
    }
    let unknown = Source::Prompt { name: "nothing".into(), is_looped: true };
    world.shards.hears(line.leg, unknown).unwrap();
    let event = world.next_event();
    assert!(matches!(event.kind, MediaEventKind::PlaybackEnded { played_ms: 0, .. }), "{event:?}");
}

#[test]
fn keys_and_sound_of_one_leg_arrive_at_another_and_in_its_recording() {
    let world = World::new(600, Duration::from_secs(60));
    let (mut one, mut other) = (world.silent_line(8), world.silent_line(8));
    // Each is the other's far end.
    (one.params.rtp, other.params.rtp) = (other.port, one.port);
    let name = format!("tandem-media-{}-{FIRST_PORT}.wav", std::process::id());
    let path = std::env::temp_dir().join(name);
    world.shards.agreed(one.leg, one.params.clone());
    world.shards.agreed(other.leg, other.params.clone());
    world.shards.record(other.leg, path.clone(), Duration::from_secs(60));
    world.shards.hears(one.leg, Source::Tone { hz: 500.0, level_db: -6.0 }).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    world.shards.send_keys(one.leg, "4#", Duration::from_millis(60));
    let keys: Vec<char> = (0..2)
        .map(|_| match world.next_event() {
            MediaEvent { leg, kind: MediaEventKind::KeyPressed { key }, .. }
                if leg == other.leg.leg =>
            {
                key
            }
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(keys, ['4', '#']);
    world.shards.close(other.leg);
    let MediaEventKind::RecordingEnded { recorded_ms, error, .. } = world.next_event().kind else {
        panic!("the recording ends first");
    };
    assert!(matches!(world.next_event().kind, MediaEventKind::Closed { .. }));
    assert_eq!(error, None);
    let wav = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((wav.len() as u64 - 44) / 16, recorded_ms);
    let samples: Vec<i16> =
        wav[44..].chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    // 500 Hz within a stretch of the tone, between silence before the first packet and the keys.
    let tone = &samples[1600..2400];
    let rising = tone.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    assert!((49..=51).contains(&rising), "{rising}");
    assert!(tone.iter().any(|sample| *sample > 14_000));
}

#[test]
fn who_presses_more_than_hands_can_is_told_of_no_further() {
    let world = World::new(1500, Duration::from_secs(60));
    let line = world.line(8);
    "0123456789*#".chars().cycle().take(100).for_each(|key| world.shards.pass_key(line.leg, key));
    world.shards.close(line.leg);
    let mut pressed = 0;
    while let MediaEventKind::KeyPressed { .. } = world.next_event().kind {
        pressed += 1;
    }
    assert!((32..36).contains(&pressed), "{pressed}");
}

#[test]
fn a_key_that_came_by_signalling_goes_on_to_who_listens() {
    let world = World::new(1300, Duration::from_secs(60));
    let (one, other) = (world.line(8), world.line(8));
    world.join(&one, &other);
    world.shards.pass_key(one.leg, '7');
    let told = world.next_event();
    assert_eq!(told.leg, one.leg.leg);
    assert!(matches!(told.kind, MediaEventKind::KeyPressed { key: '7' }), "{told:?}");
    let heard = hear(&other.rtp);
    let key = RtpPacket::parse(&heard).unwrap();
    assert_eq!((key.payload_type, key.payload[0]), (9, 7));
    let mut deaf = world.silent_line(8);
    deaf.params.events.clear();
    world.shards.agreed(deaf.leg, deaf.params.clone());
    world.join(&one, &deaf);
    world.shards.pass_key(one.leg, '#');
    let told = [world.next_event(), world.next_event()];
    assert!(matches!(told[0].kind, MediaEventKind::KeyPressed { key: '#' }), "{told:?}");
    let told = &told[1];
    assert_eq!(told.leg, deaf.leg.leg);
    assert!(matches!(told.kind, MediaEventKind::KeyUntaken { key: '#' }), "{told:?}");
    world.shards.pass_key(one.leg, 'x');
    world.settle();
}

#[test]
fn a_key_that_comes_by_signalling_and_by_packets_is_one_press() {
    let world = World::new(1400, Duration::from_secs(60));
    let (one, other) = (world.line(8), world.line(8));
    world.join(&one, &other);
    world.shards.pass_key(one.leg, '7');
    assert!(matches!(world.next_event().kind, MediaEventKind::KeyPressed { key: '7' }));
    // Held for longer than we press it ourselves: what comes after that would be heard as another press.
    for (sequence, end) in [(1, 0), (2, 0), (3, 0x80)] {
        std::thread::sleep(Duration::from_millis(200));
        let mut out = vec![0; 16];
        RtpPacket {
            marker: sequence == 1,
            payload_type: 9,
            sequence: SeqNo(sequence),
            timestamp: RtpTime(160),
            ssrc: 0xabcd,
            payload: &[7, end, 6, 0x40],
        }
        .write_to(&mut out)
        .unwrap();
        one.rtp.send_to(&out, one.port).unwrap();
    }
    one.say(8, 4);
    let heard =
        std::iter::repeat_with(|| hear(&other.rtp)).take_while(|bytes| bytes[1] & 0x7f == 9);
    let presses: HashSet<u32> =
        heard.map(|bytes| RtpPacket::parse(&bytes).unwrap().timestamp.0).collect();
    assert_eq!(presses.len(), 1, "{presses:?}");
    world.settle();
}

#[test]
fn a_recording_that_cannot_be_written_says_why() {
    let world = World::new(700, Duration::from_secs(60));
    let line = world.line(8);
    world.shards.record(line.leg, "/nonexistent/file.wav".into(), Duration::from_secs(1));
    let MediaEventKind::RecordingEnded { error: Some(error), .. } = world.next_event().kind else {
        panic!("no error");
    };
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn silence_is_told_once_and_not_on_hold() {
    let world = World::new(800, Duration::from_secs(1));
    let (silent, held, holds) = (world.line(8), world.silent_line(8), world.silent_line(8));
    let params = |line: &Line| line.params.clone();
    world.shards.agreed(held.leg, MediaParams { receiving: false, ..params(&held) });
    world.shards.agreed(holds.leg, MediaParams { sending: false, ..params(&holds) });
    let event = world.next_event();
    assert_eq!(event.leg, silent.leg.leg);
    assert!(matches!(event.kind, MediaEventKind::Silent));
    assert!(world.events.recv_timeout(Duration::from_millis(1500)).is_err());
}

#[test]
fn a_far_end_that_moves_is_followed_and_the_old_one_forgotten() {
    let world = World::new(900, Duration::from_secs(60));
    let (caller, callee) = (world.line(8), world.line(8));
    world.join(&caller, &callee);
    caller.say(8, 1);
    hear(&callee.rtp);
    let moved = phone();
    let params = MediaParams { rtp: moved.local_addr().unwrap(), ..caller.params.clone() };
    world.shards.agreed(caller.leg, params.clone());
    world.settle();
    callee.say(8, 1);
    hear(&moved);
    caller.say(8, 2);
    assert_hears_nothing(&callee.rtp);
    moved.send_to(&packet(8, 2), caller.port).unwrap();
    hear(&callee.rtp);
    // Hold: nothing goes to it, and back.
    world.shards.agreed(caller.leg, MediaParams { sending: false, ..params.clone() });
    world.settle();
    callee.say(8, 2);
    assert_hears_nothing(&moved);
    world.shards.agreed(caller.leg, params);
    world.settle();
    callee.say(8, 3);
    assert_eq!(hear(&moved)[2..], packet(8, 3)[2..]);
}

#[test]
fn a_phone_that_is_not_there_yet_ends_nothing() {
    let world = World::new(1000, Duration::from_secs(60));
    let (caller, callee) = (world.silent_line(8), world.line(8));
    let gone = phone().local_addr().unwrap(); // Closed at once: packets to it bounce.
    let params = MediaParams { rtp: gone, ..caller.params.clone() };
    world.shards.agreed(caller.leg, params);
    world.join(&caller, &callee);
    for sequence in 0..10 {
        callee.say(8, sequence);
        std::thread::sleep(Duration::from_millis(2)); // The bounce of each comes before the next.
    }
    // The turn that ends between the two has taken the last of them.
    world.settle();
    world.settle();
    let late = UdpSocket::bind(gone).unwrap();
    late.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let sequences: HashSet<u8> = (10..15)
        .map(|sequence| {
            callee.say(8, sequence);
            hear(&late)[3]
        })
        .collect();
    assert_eq!(sequences, (10..15).collect());
}

#[test]
fn several_can_hear_one() {
    let world = World::new(1100, Duration::from_secs(60));
    let (speaker, first, second) = (world.line(8), world.line(96), world.line(97));
    for line in [&first, &second] {
        world.shards.hears(line.leg, Source::Leg(speaker.leg)).unwrap();
    }
    world.settle();
    speaker.say(8, 1);
    assert_eq!([hear(&first.rtp)[1] & 0x7f, hear(&second.rtp)[1] & 0x7f], [96, 97]);
    world.close(&first);
    speaker.say(8, 2);
    assert_eq!(hear(&second.rtp)[1] & 0x7f, 97);
    world.shards.hears(second.leg, Source::Nothing).unwrap();
    world.settle();
    speaker.say(8, 3);
    assert_hears_nothing(&second.rtp);
}
