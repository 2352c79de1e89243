//! Hunts in all targets, or in one: `tandem-fuzz SECONDS [TARGET]`.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use tandem_fuzz::{Budget, hunt, targets};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let seconds = words.next().unwrap_or_else(|| "60".to_owned());
    let Ok(seconds) = seconds.parse() else {
        eprintln!("tandem-fuzz: {seconds} is no number of seconds");
        return ExitCode::FAILURE;
    };
    let name = words.next();
    let chosen: Vec<_> =
        targets::ALL.iter().filter(|t| name.as_deref().is_none_or(|name| name == t.name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
        eprintln!("tandem-fuzz: the targets are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let seed = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
    // A finding is told with its input; the panic's own words would be told twice.
    std::panic::set_hook(Box::new(|_| {}));
    let mut code = ExitCode::SUCCESS;
    for target in chosen {
        match hunt(target, seed, Budget::Time(Duration::from_secs(seconds))) {
            Ok(runs) => println!("{:<10} {runs} inputs, nothing found", target.name),
            Err(finding) => {
                println!("{:<10} {finding}", target.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
