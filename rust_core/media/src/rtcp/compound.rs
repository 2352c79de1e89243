//! Reads a compound packet: checks it as RFC 3550 A.2 does, and finds its reports.

use super::{BLOCK_LEN, RECEIVER_REPORT, SENDER_REPORT, VERSION};
use crate::error::PeerError;

/// The report that a compound RTCP packet begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Compound<'a> {
    /// Who reports.
    pub sender: u32,
    /// Middle 32 bits of the NTP time of a sender report.
    pub sent_ntp: Option<u32>,
    blocks: &'a [u8],
}

/// How one stream arrives at whoever reports (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost in all, 24 bits with sign.
    pub lost: i32,
    /// Extended highest sequence number.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks.
    pub jitter_ticks: u32,
    /// `sent_ntp` of the last sender report that arrived, 0 if none did.
    pub last_report: u32,
    /// Since it arrived, in 1/65,536 s.
    pub delay: u32,
}

impl<'a> Compound<'a> {
    /// Reads one datagram. The packets in it must fill it exactly; those behind the first report are not looked into.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PeerError> {
        let truncated = |expected| PeerError::Truncated { expected, actual: datagram.len() };
        let &[first, packet_type, _, _, s0, s1, s2, s3] =
            datagram.first_chunk().ok_or(truncated(8))?;
        if !matches!(packet_type, SENDER_REPORT | RECEIVER_REPORT) {
            return Err(PeerError::NotRtcp(packet_type));
        }
        if first & PADDING_BIT != 0 {
            return Err(PeerError::BadPadding(0)); // Only the last packet of a compound may be padded.
        }
        check_lengths(datagram)?;
        let info_len = if packet_type == SENDER_REPORT { SENDER_INFO_LEN } else { 0 };
        let blocks_at = 8 + info_len;
        let end = blocks_at + BLOCK_LEN * usize::from(first & 0x1f);
        let packet_len = 4 + 4 * usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        let blocks =
            datagram.get(blocks_at..end).filter(|_| end <= packet_len).ok_or(truncated(end))?;
        Ok(Self {
            sender: u32::from_be_bytes([s0, s1, s2, s3]),
            // The 64 bits of NTP time stand at 8; their middle at 10.
            sent_ntp: (info_len > 0).then(|| word(datagram, 10)),
            blocks,
        })
    }

    /// What it says about streams.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.chunks_exact(BLOCK_LEN).map(|block| ReportBlock {
            ssrc: word(block, 0),
            fraction_lost: block[4],
            lost: (word(block, 4) << 8) as i32 >> 8,
            highest_sequence: word(block, 8),
            jitter_ticks: word(block, 12),
            last_report: word(block, 16),
            delay: word(block, 20),
        })
    }
}

fn check_lengths(datagram: &[u8]) -> Result<(), PeerError> {
    let mut rest = datagram;
    while !rest.is_empty() {
        let &[first, _, hi, lo] =
            rest.first_chunk().ok_or(PeerError::Truncated { expected: 4, actual: rest.len() })?;
        if first >> 6 != VERSION {
            return Err(PeerError::UnsupportedVersion(first >> 6));
        }
        let len = 4 + 4 * usize::from(u16::from_be_bytes([hi, lo]));
        rest = rest.get(len..).ok_or(PeerError::Truncated { expected: len, actual: rest.len() })?;
    }
    Ok(())
}

/// The word at `at`; the caller has checked the length.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

const PADDING_BIT: u8 = 0x20;

/// NTP time, RTP time, packets and octets of a sender report.
const SENDER_INFO_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn receiver_report(blocks: u8) -> Vec<u8> {
        let mut bytes = vec![0x80 | blocks, RECEIVER_REPORT, 0, 1 + 6 * blocks, 0, 0, 0, 5];
        for block in 0..blocks {
            bytes.extend([0, 0, 0, block, 25, 0xff, 0xff, 0xfe, 0, 1, 0, 2, 0, 0, 0, 80]);
            bytes.extend([1, 2, 3, 4, 0, 1, 0, 0]);
        }
        bytes
    }

    #[test]
    fn the_blocks_of_a_receiver_report_are_read() {
        let bytes = receiver_report(2);
        let report = Compound::parse(&bytes).unwrap();
        assert_eq!((report.sender, report.sent_ntp), (5, None));
        let blocks: Vec<ReportBlock> = report.blocks().collect();
        assert_eq!(
            blocks[1],
            ReportBlock {
                ssrc: 1,
                fraction_lost: 25,
                lost: -2,
                highest_sequence: 0x1_0002,
                jitter_ticks: 80,
                last_report: 0x0102_0304,
                delay: 65_536,
            }
        );
        assert_eq!(blocks.len(), 2);
    }

    #[test]
    fn every_prefix_of_a_report_is_an_error() {
        let bytes = receiver_report(1);
        for len in 0..bytes.len() {
            assert!(Compound::parse(&bytes[..len]).is_err(), "accepted {len} bytes");
        }
    }

    #[test]
    fn a_block_count_beyond_the_packet_is_an_error_even_if_another_packet_follows() {
        let mut bytes = receiver_report(1);
        bytes[0] = 0x82;
        bytes.extend([0x80, 203, 0, 6]);
        bytes.extend([0; 24]);
        assert!(matches!(Compound::parse(&bytes), Err(PeerError::Truncated { .. })));
    }

    #[test]
    fn what_does_not_begin_with_a_report_is_refused() {
        assert_eq!(Compound::parse(&[0x80, 203, 0, 1, 0, 0, 0, 1]), Err(PeerError::NotRtcp(203)));
        assert!(Compound::parse(&[0xa0, 201, 0, 1, 0, 0, 0, 1]).is_err());
        assert_eq!(
            Compound::parse(&[0x40, 201, 0, 1, 0, 0, 0, 1]),
            Err(PeerError::UnsupportedVersion(1))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(first: u8, kind in 198u8..206, rest: Vec<u8>) {
            let bytes: Vec<u8> = [first, kind].into_iter().chain(rest).collect();
            if let Ok(report) = Compound::parse(&bytes) {
                prop_assert!(report.blocks().count() <= 31);
            }
        }
    }
}
