//! How well a stream arrives, and what that means to an ear.

mod report;

pub use report::MediaReport;
