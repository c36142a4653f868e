# Plain `make` lists the commands. Everything needs Python 3.11 or newer with its venv module, and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
# One process for each core and one more, four at most: the one that kills processes mostly waits. WORKERS=0 runs in one.
WORKERS ?= $(shell expr 1 + $$(nproc))
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4
POSTGRES ?= /usr/lib/postgresql/15/bin
# Tests start some thousand processes, and each would compile all its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo up down status test test-postgres test-fast check format proto bench bench-audit bench-ledger bench-network compatibility clean \
	mixed-raft mixed-bft mixed-endorsement mixed-go-peer demo-fabric settlement-faults

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: $(RUNTIME) ## Set up, run the main job end to end, prove the result
	@$(BIN)/dwaybank demo

up: $(RUNTIME) ## Start a consortium and leave it running
	@$(BIN)/dwaybank up

down: $(RUNTIME) ## Stop it; its data stays
	@$(BIN)/dwaybank down

status: $(RUNTIME) ## Show processes, heights and anchoring
	@$(BIN)/dwaybank status

test: $(DEVELOPMENT) ## Set up, run all tests this machine allows
	@$(PYTEST)
	@if test -x $(POSTGRES)/postgres; then $(MAKE) --no-print-directory test-postgres TESTS='-m "not faults and not store"'; fi

test-postgres: $(DEVELOPMENT) ## Run those that use a database on another one, POSTGRES=its bin folder
	@DWAYBANK_TEST_POSTGRES=$(POSTGRES) $(PYTEST) $(TESTS)

test-fast: $(DEVELOPMENT) ## Run the tests that need no consortium
	@$(PYTEST) tests/unit tests/property

check: $(DEVELOPMENT) ## Format, lint, types, bindings: before each commit
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@PATH="$(abspath $(BIN)):$$PATH" proto/check

format: $(DEVELOPMENT) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proto: $(DEVELOPMENT) ## Regenerate network/pb from proto/
	@PATH="$(abspath $(BIN)):$$PATH" proto/generate

mixed-raft: $(DEVELOPMENT) ## Our peer beside Go peers on Fabric's Raft orderers, two of them killed
	@$(BIN)/python -m tests.mixed raft $(MIXED_OPTIONS)

mixed-bft: $(DEVELOPMENT) ## The same on SmartBFT orderers
	@$(BIN)/python -m tests.mixed bft $(MIXED_OPTIONS)

mixed-endorsement: $(DEVELOPMENT) ## Go peers and ours endorse together
	@$(BIN)/python -m tests.mixed endorsement $(MIXED_OPTIONS)

mixed-go-peer: $(DEVELOPMENT) ## A Go peer joins a network of ours and follows its orderer
	@$(BIN)/python -m tests.mixed go-peer $(MIXED_OPTIONS)

demo-fabric: $(DEVELOPMENT) ## The main job with the shared ledger on an orderer and peers of Fabric's
	@$(BIN)/python -m tests.mixed main-job $(MIXED_OPTIONS)

compatibility: $(DEVELOPMENT) ## Run the tests that docs/compatibility.md names and write there what became of them
	@mkdir -p build
	@$(PYTEST) --junitxml build/tests.xml $$($(BIN)/python -m tests.compatibility)
	@$(BIN)/python -m tests.compatibility build/tests.xml

settlement-faults: $(DEVELOPMENT) ## Lose a bank, a database, the line or the orderer at every step of a payment, SEEDS=672 times
	@$(BIN)/python -m tests.settlement_faults --seeds $(or $(SEEDS),672)

bench: $(DEVELOPMENT) ## Measure; JSON in build/bench/, a table on the screen
	@$(BIN)/python -m benchmarks

bench-ledger: $(DEVELOPMENT) ## Measure the books only, all of their speed table
	@$(BIN)/python -m benchmarks ledger $(BENCH_OPTIONS)

bench-audit: $(DEVELOPMENT) ## Measure the audit trail: search at ten million entries, proofs, ten minutes of settlements
	@$(BIN)/python -m benchmarks audit proofs settlement

bench-network: $(DEVELOPMENT) ## Measure the shared ledger, beside real Fabric where FABRIC_BIN names it
	@$(BIN)/python -m benchmarks network fabric catch_up

clean: ## Remove the virtual environment and caches; never a data directory
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(RUNTIME): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "venv is missing: install your system's python3-venv"; exit 1; }
	@echo "Installing (wheels only, versions and hashes from requirements.lock) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-dev.lock
	@touch $@
