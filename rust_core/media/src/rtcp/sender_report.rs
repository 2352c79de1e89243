//! Writes our own report about a stream that we play.

use super::{BLOCK_LEN, ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION, VERSION};
use crate::rtp::RtpTime;

/// A sender report with at most one block, and the canonical name that must go with it (RFC 3550 §6.1).
#[derive(Clone, Copy, Debug)]
pub struct SenderReport {
    /// The stream that we send.
    pub ssrc: u32,
    /// Seconds and their 2⁻³² parts since any origin (RFC 3550 §4: no wall clock is needed).
    pub ntp: u64,
    /// The same moment in the stream.
    pub timestamp: RtpTime,
    /// Packets sent.
    pub packets: u32,
    /// Bytes of payload sent.
    pub octets: u32,
    /// How the far end's stream arrives.
    pub block: Option<ReportBlock>,
}

impl SenderReport {
    /// Middle 32 bits of the NTP time, which the far end gives back in its blocks.
    pub fn sent_ntp(&self) -> u32 {
        (self.ntp >> 16) as u32
    }

    /// The compound packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let blocks = usize::from(self.block.is_some());
        let words = (28 + blocks * BLOCK_LEN) / 4 - 1;
        let mut out = vec![VERSION << 6 | blocks as u8, SENDER_REPORT, 0, words as u8];
        out.extend(self.ssrc.to_be_bytes());
        out.extend(self.ntp.to_be_bytes());
        for word in [self.timestamp.0, self.packets, self.octets] {
            out.extend(word.to_be_bytes());
        }
        if let Some(block) = &self.block {
            let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
            let fraction_and_lost = u32::from(block.fraction_lost) << 24 | lost;
            for word in [block.ssrc, fraction_and_lost, block.highest_sequence] {
                out.extend(word.to_be_bytes());
            }
            for word in [block.jitter_ticks, block.last_report, block.delay] {
                out.extend(word.to_be_bytes());
            }
        }
        self.write_name(&mut out);
        out
    }

    /// One chunk with one CNAME, which changes with the stream and tells nothing (RFC 7022 §4.2).
    fn write_name(&self, out: &mut Vec<u8>) {
        out.extend([VERSION << 6 | 1, SOURCE_DESCRIPTION, 0, 4]);
        out.extend(self.ssrc.to_be_bytes());
        out.extend([CNAME, 8]);
        out.extend(format!("{:08x}", self.ssrc).bytes());
        out.extend([0, 0]); // End of the list, padded to a word.
    }
}

const CNAME: u8 = 1;

#[cfg(test)]
mod tests {
    use super::super::Compound;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 12,
            lost: -3,
            highest_sequence: 70_000,
            jitter_ticks: 5,
            last_report: 0xdead_beef,
            delay: 77,
        };
        for block in [None, Some(block)] {
            let report = SenderReport {
                ssrc: 0x0102_0304,
                ntp: 0x1111_2222_3333_4444,
                timestamp: RtpTime(160),
                packets: 1,
                octets: 160,
                block,
            };
            let bytes = report.to_bytes();
            let read = Compound::parse(&bytes).unwrap();
            assert_eq!((read.sender, read.sent_ntp), (report.ssrc, Some(0x2222_3333)));
            assert_eq!(report.sent_ntp(), 0x2222_3333);
            assert_eq!(read.blocks().next(), block);
            assert_eq!(bytes.len() % 4, 0);
        }
    }
}
