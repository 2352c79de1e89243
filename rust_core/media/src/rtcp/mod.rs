//! RTCP: the reports that go beside RTP (RFC 3550 §6). Pure: bytes in, values out.

mod compound;
mod reporter;
mod sender_report;

pub use compound::{Compound, ReportBlock};
pub use reporter::Reporter;
pub use sender_report::SenderReport;

const VERSION: u8 = 2;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;

/// Bytes of a report block.
const BLOCK_LEN: usize = 24;
