# Every command first brings .venv up to date and builds only what changed. Needed beforehand: Python >= 3.11, Rust >= 1.88.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup release-engine native wheels demo clients up serve test test-fast explore soak soak-redemption soak-streams soak-away soak-serving faults audit lint fmt bench bench-compare bench-baseline bench-page guesses lock clean

UV := $(or $(shell command -v uv),.uv/bin/uv)
BIN := .venv/bin
# Read from a list, because what is named as an argument is built again each time.
INSTALL_OUR_OWN := $(UV) pip install --python .venv --no-deps --no-build-isolation --requirements -
PEERS := benchmarks/peers
CLIENTS := examples/clients
# The engine as it is released, apart from the local build in .venv.
BENCH := PYTHONPATH=target/release-engine $(BIN)/python -m benchmarks
# The tests mostly wait for databases and processes, hence more of them at once than most machines have cores.
PARALLEL := --numprocesses 4 --dist worksteal
CARGO_TEST := cargo test --workspace --exclude dealwright-python
# A workspace of its own, whose dependencies aren't the product's.
NATIVE := --manifest-path benchmarks/native/Cargo.toml --target-dir target/bench
# Clippy compiles the binding too, which asks for an interpreter.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
# Tests and benchmarks start many programs; without bytecode, each spends seconds on compiling what it imports.
unexport PYTHONDONTWRITEBYTECODE

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

setup: .venv/locked ## Bring .venv up to date; every other command does it first
	@printf '%s\n' '--editable .' ./engine_rs ./client | $(INSTALL_OUR_OWN)

demo: setup ## Start everything with a demo company and price its carts
	@$(BIN)/dealwright demo

up: setup ## Start Postgres and the service in one place
	@$(BIN)/dealwright up

serve: setup ## Start the service alone, on the Postgres of DEALWRIGHT_DATABASE_URL
	@$(BIN)/dealwright serve

test: setup ## Run every test, or one part of them: make test T=tests/engine
	$(if $(T),,$(CARGO_TEST))
	$(BIN)/pytest $(PARALLEL) $(T)

test-fast: setup ## Run the tests that need no database and no process of their own
	$(CARGO_TEST) --quiet
	DEALWRIGHT_DIFFERENTIAL_EXAMPLES=300 $(BIN)/pytest $(PARALLEL) -m "not database and not process" $(T)

explore: setup ## Give the property tests new examples instead of the same ones in every run
	$(BIN)/pytest $(PARALLEL) --hypothesis-profile=explore $(or $(T),$$(grep --recursive --files-with-matches hypothesis --include 'test_*.py' tests))

soak: setup ## Compare the engine with the reference evaluator on random carts: make soak SEED=1 CASES=100000
	$(BIN)/python -m tests.differential.soak $(if $(SEED),--seed $(SEED)) $(if $(CASES),--cases $(CASES))

guesses: setup ## Simulate guessing voucher codes: make guesses N=10000000
	$(BIN)/python -m tests.vouchers.guesses $(if $(N),--guesses $(N))

soak-redemption: setup ## Kill servers and Postgres under crowds of orders again and again: make soak-redemption ROUNDS=20 CROWD=300
	for round in $$(seq $(or $(ROUNDS),20)); do \
	  DEALWRIGHT_CROWD=$(or $(CROWD),300) $(BIN)/pytest tests/redemption/test_crashes.py tests/redemption/test_crowds.py || exit; \
	done

soak-streams: setup ## Drive tills and servers through random trouble: make soak-streams SEEDS=1000000 FIRST=0
	$(BIN)/python -m tests.distribution.simulation.run --seeds $(or $(SEEDS),100000) --first $(or $(FIRST),0)

soak-away: setup ## Take the database away from tills for minutes: make soak-away SECONDS=300
	DEALWRIGHT_AWAY_SECONDS=$(or $(SECONDS),300) $(BIN)/pytest -q -s tests/distribution/test_away.py

soak-serving: setup ## Put a shop's day on a server and see whether memory or descriptors grow: make soak-serving SECONDS=180
	$(BIN)/python -m benchmarks.soak $(if $(SECONDS),--seconds $(SECONDS))

faults: setup ## Cause every fault that the operating guide names, and print what was seen
	$(BIN)/python -m pytest -q -p no:xdist -p tests.faults -m fault tests

audit: setup ## Write the bill of materials (SBOM), check licences and ask for advisories
	$(BIN)/python -m tests.dependencies.audit

clients: setup ## Build the checkouts of examples/clients for which there are tools, and run them all against a server
	@cd $(CLIENTS)/go; if command -v go >/dev/null; then set -x; go generate && go build -o gen/ .; else echo "Without go, its checkout is left out."; fi
	@cd $(CLIENTS)/node; if command -v npm >/dev/null; then set -x; npm ci --ignore-scripts --no-audit --no-fund; \
	else echo "Without npm, the checkout of Node is left out."; fi
	@cd $(CLIENTS)/java; if command -v mvn >/dev/null; then set -x; mvn --quiet --batch-mode package; \
	else echo "Without mvn, the checkout of Java is left out."; fi
	$(BIN)/pytest -p no:xdist -rs tests/examples/test_clients.py

lint: setup ## Check formatting, types, contracts, the schema and the extension's stub
	cargo fmt --all --check
	cargo fmt --manifest-path benchmarks/native/Cargo.toml --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy $(NATIVE) -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/stubtest dealwright_engine
	$(BIN)/buf lint proto
	$(BIN)/buf format proto --diff --exit-code
	@release=$$(git describe --tags --abbrev=0 2>/dev/null) || exit 0; set -x; \
	$(BIN)/buf breaking proto --against ".git#tag=$$release,subdir=proto"

fmt: setup ## Format Rust, Python and the schema
	cargo fmt --all
	cargo fmt --manifest-path benchmarks/native/Cargo.toml
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/buf format proto --write

bench: setup release-engine $(if $(filter-out peers search,$(B)),,target/peers/locked) $(if $(filter-out load transports,$(B)),,native) ## Run the benchmarks, or one of them: make bench B=engine
	@$(BENCH) show $(B)

bench-compare: setup release-engine native target/peers/locked ## Compare the benchmarks' ratios with the baseline; fails on a regression
	@$(BENCH) compare

bench-baseline: setup release-engine native target/peers/locked ## Write the baseline anew from what is measured now
	@$(BENCH) baseline

bench-page: setup release-engine native target/peers/locked ## Put what the benchmarks, or B, print now into docs/performance.md
	@$(BENCH) page $(B)

lock: | $(UV) ## Renew the lock files of Python; UPGRADE=1 takes the newest versions
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate $(if $(UPGRADE),--upgrade) \
	  --group build --group dev --no-emit-package dealwright --no-emit-package dealwright-engine \
	  pyproject.toml --output-file requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate $(if $(UPGRADE),--upgrade) \
	  $(PEERS)/requirements.in --output-file $(PEERS)/requirements.lock

clean: ## Remove everything that can be built again; the data in .dealwright stays
	rm -rf $(addprefix $(CLIENTS)/,go/gen node/node_modules java/target) .venv target dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The packages of the lock. The engine is built here with its progress on the screen; uv would show none, and finds it done.
.venv/locked: requirements.lock | $(UV)
	@command -v cargo >/dev/null || { echo "Rust >= 1.88 is needed: https://rustup.rs"; exit 1; }
	@echo "Preparing .venv; the first time takes about two minutes."
	@$(UV) venv --quiet --allow-existing .venv
	$(UV) pip sync --python .venv --require-hashes requirements.lock
	cd engine_rs && ../$(BIN)/maturin build --interpreter $(PYO3_PYTHON) --compatibility off --out ../target/wheels
	@touch $@

release-engine: setup ## Build the engine as releases are built, for the benchmarks
	@cd engine_rs && ../$(BIN)/maturin build --quiet --release --interpreter $(PYO3_PYTHON) --compatibility off --out ../target/wheels/release
	@$(UV) pip install --quiet --python .venv --no-deps --reinstall --target target/release-engine target/wheels/release/*.whl

native: ## Build the callers of the load benchmarks, and the server in Rust that they compare with
	@cargo build --quiet --release $(NATIVE)

wheels: .venv/locked ## Build the three distributions as they are released, into dist
	cd engine_rs && ../$(BIN)/maturin build --release --interpreter $(PYO3_PYTHON) --out ../dist
	$(UV) build --wheel --no-build-isolation --python .venv --out-dir dist client
	$(UV) build --wheel --no-build-isolation --python .venv --out-dir dist .

# What the benchmarks compare with, apart from .venv: OR-Tools needs another protobuf. Node is no must.
target/peers/locked: $(addprefix $(PEERS)/,requirements.lock package.json package-lock.json) .venv/locked | $(UV)
	@mkdir -p target/peers/node
	$(UV) venv --quiet --allow-existing --python $(BIN)/python target/peers/python
	$(UV) pip sync --python target/peers/python --require-hashes $(PEERS)/requirements.lock
	@cp $(PEERS)/package.json $(PEERS)/package-lock.json target/peers/node
	@if ! command -v npm >/dev/null; then echo "Without npm, json-rules-engine is left out."; \
	elif ! (cd target/peers/node && npm ci --ignore-scripts --no-audit --no-fund); then \
	  rm -rf target/peers/node/node_modules; echo "npm failed; json-rules-engine is left out."; fi
	@touch $@

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv==0.13.8
