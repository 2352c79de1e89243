//! The readers of RTP, RTCP and telephone events.

use std::time::Duration;

use tandem_media::dtmf::KeyReceiver;
use tandem_media::rtcp::Compound;
use tandem_media::rtp::{RtpPacket, is_rtcp, relabel};

use super::sip::epoch;
use super::{shape, size};

/// A packet that was read can be written, and is read as the same.
pub(super) fn rtp(input: &[u8]) -> u64 {
    is_rtcp(input);
    let packet = match RtpPacket::parse(input) {
        Ok(packet) => packet,
        Err(error) => return shape(format!("{error:?}").len()),
    };
    let mut out = vec![0; input.len()];
    let len = packet.write_to(&mut out).expect("no longer than it came");
    assert_eq!(RtpPacket::parse(&out[..len]), Ok(packet));
    let mut changed = input.to_vec();
    relabel(&mut changed, 101, packet.marker);
    let changed = RtpPacket::parse(&changed).expect("only its type is another");
    assert_eq!((changed.payload_type, changed.payload), (101, packet.payload));
    shape((input[0], packet.marker, size(packet.payload.len())))
}

pub(super) fn rtp_seeds() -> Vec<Vec<u8>> {
    let plain = [&[0x80, 8, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4][..], &[0xd5; 160]].concat();
    let full = vec![
        0xb1, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 1, 1, 1, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 7, 2,
    ];
    vec![plain, full]
}

/// Blocks come from inside the packet.
pub(super) fn rtcp(input: &[u8]) -> u64 {
    let report = match Compound::parse(input) {
        Ok(report) => report,
        Err(error) => return shape(format!("{error:?}").len()),
    };
    let blocks = report.blocks().count();
    assert!(8 + 24 * blocks <= input.len());
    assert!(report.blocks().all(|block| (-0x80_0000..0x80_0000).contains(&block.lost)));
    shape((report.sent_ntp.is_some(), blocks))
}

pub(super) fn rtcp_seeds() -> Vec<Vec<u8>> {
    let mut sender = vec![0x81, 200, 0, 12];
    sender.extend([0x11; 48]);
    let mut receiver = vec![0x80, 201, 0, 1, 0, 0, 0, 5, 0x81, 202, 0, 3, 0, 0, 0, 5];
    receiver.extend([1, 4, b'a', b'@', b'b', b'c', 0, 0]);
    vec![sender, receiver]
}

/// Packets of 16 bytes, 20 ms apart: no key is told more often than packets came.
pub(super) fn keys(input: &[u8]) -> u64 {
    let (mut receiver, mut now) = (KeyReceiver::default(), epoch());
    let mut pressed = Vec::new();
    let mut packets = 0;
    for datagram in input.chunks(16).take(256) {
        now += Duration::from_millis(20);
        receiver.handle_timeout(now);
        if let Ok(packet) = RtpPacket::parse(datagram) {
            packets += 1;
            let _ = receiver.handle_packet(&packet, now);
        }
        pressed.extend(std::iter::from_fn(|| receiver.poll_press()));
    }
    receiver.handle_timeout(now + Duration::from_secs(60));
    pressed.extend(std::iter::from_fn(|| receiver.poll_press()));
    assert!(pressed.len() <= packets);
    assert!(receiver.poll_timeout().is_none(), "a key stays down for ever");
    shape((pressed.len(), pressed.last().map(|press| size(press.duration_ticks as usize))))
}

pub(super) fn keys_seeds() -> Vec<Vec<u8>> {
    let packet = |sequence: u8, marker: u8, flags: u8, ticks: u8| {
        [0x80, 101 | marker, 0, sequence, 0, 0, 1, 0, 7, 7, 7, 7, 5, flags, 0, ticks]
    };
    vec![[packet(1, 0x80, 10, 160), packet(2, 0, 10, 240), packet(3, 0, 0x8a, 250)].concat()]
}
