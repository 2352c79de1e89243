# Every target with a `##` text is shown by `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH):$(HOME)/.cargo/bin

.PHONY: help run test lint fmt load fuzz ci setup setup-test rust-tests python-tests peer-tests clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile

run: setup ## Set up, then start the exchange with the demo company and its phones; Ctrl-C ends it
	@exec tandem demo

test: setup-test lint rust-tests python-tests ## Install what the tests need; run every check and every test, real phones included

lint: ## Formatting, lints, types, layers; changes nothing
	cargo fmt --all --check
	ruff check .
	lint-imports --no-logo
	mypy
	$(PY) -m mypy.stubtest orchestrator._rust_core
	cargo clippy --quiet --all-targets -- -D warnings
	PYO3_PYTHON=$(CURDIR)/$(PY) cargo clippy --quiet -p tandem-bindings -- -D warnings

fmt: ## Format both languages in place
	cargo fmt --all
	ruff check --fix .
	ruff format .

rust-tests: ## Tests of the Rust crates
	cargo test --quiet

python-tests: ## All Python tests: unit, scenarios, contracts, peers
	$(PY) -m pytest

peer-tests: setup-test ## Only the tests with real phones: SIPp, baresip, pjsua2, JsSIP in Chromium
	$(PY) -m pytest -m peers

load: setup-test ## Load tests, short: prints tables and one JSON line each
	loadtests/run relay --quick
	loadtests/run calls --quick
	loadtests/run register --quick

fuzz: ## Break every parser with mutated input, a minute each, and search races; the tests do it for a moment
	cargo run --profile fuzz -p tandem-fuzz -- 60
	TANDEM_RACES=10000 cargo test --profile fuzz -p tandem-sip --lib races

ci: ## What CI runs
	CI=true $(MAKE) test

setup:
	@scripts/setup

setup-test:
	@scripts/setup test

clean: ## Remove everything that was built; the data of the exchange stays
	rm -rf .venv target tests/peers/browser/built tests/peers/browser/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
	rm -f orchestrator/_rust_core*.so
