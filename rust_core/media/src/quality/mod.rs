//! How well a stream arrives, and what that means to an ear.

mod e_model;
mod reception;
mod report;
mod round_trip;

pub use e_model::{Impairments, mos_of_r};
pub use reception::{Arrival, Reception, Totals};
pub use report::MediaReport;
pub use round_trip::RoundTrip;
