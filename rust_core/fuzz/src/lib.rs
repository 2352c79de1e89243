//! Broken input for every parser: mutated seeds, run against targets that say what must hold.
//!
//! `cargo test -p tandem-fuzz` is a short hunt with fixed seeds. `cargo run --profile fuzz -p tandem-fuzz -- 60` hunts
//! for a minute per target with another seed each time; a target's name after the seconds hunts there alone.
//!
//! A target tells how it understood an input; inputs that are understood in a new way are kept and mutated further.
//! That takes the place of coverage, and works with a stable compiler. A finding is a panic (overflow checks are on)
//! or an input that takes longer than [`TIME_LIMIT`].

mod hunt;
mod mutate;
pub mod targets;

pub use hunt::{Budget, Finding, TIME_LIMIT, hunt};
