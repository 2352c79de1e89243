//! A short hunt in each target, the same one every time.

use tandem_fuzz::targets::ALL;
use tandem_fuzz::{Budget, hunt};

/// Some seconds each on a slow machine.
const RUNS: u64 = 4_000;

#[test]
fn nothing_is_found_in_any_target() {
    std::thread::scope(|scope| {
        for target in &ALL {
            scope.spawn(move || {
                if let Err(finding) = hunt(target, 1, Budget::Runs(RUNS)) {
                    panic!("{}: {finding}", target.name);
                }
            });
        }
    });
}
