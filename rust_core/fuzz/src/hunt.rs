//! Runs mutated inputs until something breaks or the budget is spent.

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::mutate::Mutator;
use crate::targets::Target;

/// How long to hunt.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// So many inputs.
    Runs(u64),
    /// So long.
    Time(Duration),
}

/// An input that breaks a target.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The panic's message, or that it took too long.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\n  input: b\"{}\"", self.what, self.input.escape_ascii())
    }
}

/// No input may take longer: a parser that does can be stopped by whoever sends such input.
pub const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Hunts in one target. Same seed and number of runs, same inputs. Returns how many there were.
pub fn hunt(target: &Target, seed: u64, budget: Budget) -> Result<u64, Finding> {
    let mut mutator = Mutator::new(seed);
    let mut kept: Vec<Vec<u8>> = (target.seeds)();
    let mut understood = HashSet::new();
    for input in &kept {
        understood.insert(run(target, input)?);
    }
    let start = clock();
    let mut runs = 0;
    while match budget {
        Budget::Runs(most) => runs < most,
        Budget::Time(longest) => runs % 64 != 0 || start.elapsed() < longest,
    } {
        runs += 1;
        let input = mutator.mutate(&kept);
        if understood.insert(run(target, &input)?) {
            if kept.len() < MAX_KEPT {
                kept.push(input);
            } else {
                let seeds = (target.seeds)().len();
                let at = seeds + mutator.below(MAX_KEPT - seeds);
                kept[at] = input;
            }
        }
    }
    Ok(runs)
}

/// How the target understood the input.
fn run(target: &Target, input: &[u8]) -> Result<u64, Finding> {
    let mut fastest = Duration::MAX;
    // A busy machine makes one run slow, not three.
    for _ in 0..3 {
        let start = clock();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        fastest = fastest.min(start.elapsed());
        match outcome {
            Err(panic) => return Err(Finding { what: words_of(&*panic), input: input.to_vec() }),
            Ok(understood) if fastest < TIME_LIMIT => return Ok(understood),
            Ok(_) => {}
        }
    }
    Err(Finding { what: format!("takes {fastest:?}"), input: input.to_vec() })
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a hunt ends by the clock, and measures its prey")]
fn clock() -> Instant {
    Instant::now()
}

const MAX_KEPT: usize = 1024;
