//! A hundred thousand key presses over a bad line: none is lost, none is heard twice.

use std::time::{Duration, Instant};

use tandem_media::dtmf::{Digit, KeyPacket, KeyReceiver, KeySender};
use tandem_media::rtp::{RtpPacket, RtpTime, SeqNo};

const PRESSES: usize = 100_000;
const LOSS: f64 = 0.05;
const REORDER: f64 = 0.02;
const DUPLICATE: f64 = 0.01;

#[test]
fn no_press_is_lost_and_none_is_doubled() {
    let mut chance = Chance(20_261_124);
    let pressed: Vec<Digit> = (0..PRESSES)
        .map(|_| Digit::from_event_code((chance.next() % 16) as u8).expect("a key"))
        .collect();
    let heard = listen(&mut chance, &pressed);
    assert_eq!(heard.len(), pressed.len());
    assert!(heard == pressed);
}

fn listen(chance: &mut Chance, pressed: &[Digit]) -> Vec<Digit> {
    let (mut sender, mut receiver) = (KeySender::new(8000), KeyReceiver::default());
    let (epoch, mut heard) = (epoch(), Vec::new());
    let (mut waiting, mut tick) = (pressed.iter(), 0u64);
    let mut held_back: Option<KeyPacket> = None;
    loop {
        if !sender.is_busy() {
            let Some(&digit) = waiting.next() else { break };
            let press = Duration::from_millis(40 + chance.next() % 200);
            assert_eq!(sender.handle_keys(&[digit], press), 0);
        }
        let now = epoch + Duration::from_millis(20 * tick);
        // The clock of the stream wraps several times over the test.
        let sent = sender.handle_tick(RtpTime((tick * 160) as u32).plus(u32::MAX - 1000));
        let overtaken = held_back.take();
        let arriving = match sent.filter(|_| !chance.happens(LOSS)) {
            Some(packet) if overtaken.is_none() && chance.happens(REORDER) => {
                held_back = Some(packet);
                [None, None, None]
            }
            Some(packet) => [Some(packet), chance.happens(DUPLICATE).then_some(packet), overtaken],
            None => [overtaken, None, None],
        };
        for packet in arriving.into_iter().flatten() {
            deliver(&mut receiver, &packet, now);
        }
        receiver.handle_timeout(now);
        heard.extend(std::iter::from_fn(|| receiver.poll_press()).map(|press| press.digit));
        tick += 1;
    }
    receiver.handle_timeout(epoch + Duration::from_millis(20 * tick + 1000));
    heard.extend(std::iter::from_fn(|| receiver.poll_press()).map(|press| press.digit));
    heard
}

fn deliver(receiver: &mut KeyReceiver, packet: &KeyPacket, now: Instant) {
    let rtp = RtpPacket {
        marker: packet.marker,
        payload_type: 101,
        sequence: SeqNo(0),
        timestamp: packet.timestamp,
        ssrc: 7,
        payload: &packet.payload,
    };
    receiver.handle_packet(&rtp, now).expect("well-formed");
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn happens(&mut self, probability: f64) -> bool {
        ((self.next() >> 11) as f64) < probability * (1u64 << 53) as f64
    }
}

#[expect(clippy::disallowed_methods, reason = "any origin will do: the test only adds to it")]
fn epoch() -> Instant {
    Instant::now()
}
