"""Load tests: one module a test, each with `run(quick) -> result`. `loadtests/run NAME` runs one."""
