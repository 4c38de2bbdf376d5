# reelqueue: `make demo` shows a finished batch, `make test` proves the rest. `make help` lists all.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HOUSES := tasks batches worker webhooks console simulator

.DEFAULT_GOAL := help
.PHONY: help install demo test explore long faults bench check lint format types contracts locks lock clean python

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
	  || grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST)

python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "reelqueue needs Python 3.11 or newer, and there is no '$(PYTHON)' here. Install one, or name it: make PYTHON=python3.12 demo" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "reelqueue needs Python 3.11 or newer, and '$(PYTHON)' is not ($$($(PYTHON) -V 2>&1 | head -n 1)). Name a newer one: make PYTHON=python3.12 demo" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "'$(PYTHON)' comes without venv. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }

# A stamp per lock file: a changed lock installs again, an unchanged one costs nothing.
$(VENV)/run.stamp: requirements/run.lock pyproject.toml | python
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what runs ($$(grep -c '==' requirements/run.lock) packages, versions and hashes locked) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock $(VENV)/run.stamp
	@echo "Installing what tests ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@touch $@

install: $(VENV)/run.stamp ## Create .venv with the locked packages; the command is .venv/bin/reelqueue

demo: install ## Show a finished batch: four analyses through every process, provider simulated
	@$(BIN)/reelqueue demo $(ARGS)

# Tests wait for processes a third of their time and more, so four files at a time keep two cores busy. In
# their order: the long ones, whole processes from end to end, come first, so that none is left alone at the
# end.
test: $(VENV)/dev.stamp ## Run every test on real Redis, real HTTP and real processes
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

explore: $(VENV)/dev.stamp ## Property tests on thousands of new examples (the gate repeats its own)
	@HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest tests/unit tests/integration/test_store_property.py tests/integration/test_door_fuzz.py $(ARGS)

long: $(VENV)/dev.stamp ## Every switch of the simulator, and two of each process, held against the truth
	@$(BIN)/python -m pytest -m long $(ARGS)

faults: $(VENV)/dev.stamp ## Kill, stop, cut and fill everything: nothing lost, doubled or bought twice (ten minutes)
	@$(BIN)/python tests/faults/run_faults.py $(ARGS)

bench: $(VENV)/dev.stamp ## Measure what is claimed about speed: two hours on two quiet cores
	@$(BIN)/python -m benchmarks $(ARGS)

check: lint types contracts locks test ## What a reviewer runs: format, lint, types, import contracts, locks, tests

lint: $(VENV)/dev.stamp ## Formatter and linter, changing nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

format: $(VENV)/dev.stamp ## Format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(VENV)/dev.stamp ## mypy --strict over the houses
	@$(BIN)/mypy

contracts: $(VENV)/dev.stamp ## Who may import whom
	@$(BIN)/lint-imports

# An unchanged input keeps every pin, so a difference means the lock was not made from its .in file.
COMPILE = $(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

locks: $(VENV)/dev.stamp ## Are the lock files what requirements/*.in compile to?
	@for f in run dev; do \
	  cp requirements/$$f.lock $(VENV)/$$f.lock.check && \
	  $(COMPILE) requirements/$$f.in -o $(VENV)/$$f.lock.check >/dev/null && \
	  diff -u requirements/$$f.lock $(VENV)/$$f.lock.check || { echo "requirements/$$f.lock is not what $$f.in compiles to: run 'make lock'" >&2; exit 1; }; \
	done; echo "Lock files are true."

lock: $(VENV)/dev.stamp ## Compile requirements/*.in to lock files
	@for f in run dev; do $(COMPILE) requirements/$$f.in -o requirements/$$f.lock >/dev/null; done

clean: ## Remove the virtual environment and caches (never the data folder)
	@rm -rf $(VENV) *.egg-info build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(HOUSES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
