# Everything that a developer runs. The first call makes the environment; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOOK := $(VENV)/.look
READY := $(VENV)/.ready

.PHONY: help preview test check coverage audit bulk-large crash compile docs docs-metrics pictures bench bench-docs bench-rivals bench-smoke mutants clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# What an admin needs: a fraction of what a developer does, so that a first look takes no patience.
$(LOOK): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rc-stats needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Making an environment in $(VENV), once; this takes a minute or so." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable '.[cli,audit,store,http,web]'
	@touch $(LOOK)

$(READY): $(LOOK)
	@echo "Installing what development needs, once; this takes some minutes." >&2
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(READY)

preview: $(LOOK) ## Show what would leave an example workspace, with a yes
	@$(BIN)/rc-stats preview examples/statistics.json --workspace registered --opt-in

test: $(READY) ## Run the whole suite, on all cores
	$(BIN)/python -m pytest --numprocesses auto

check: $(READY) ## Lint, types, floors, and whatever is generated
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m rc_stats.authoring --check
	$(BIN)/rc-stats metrics --format markdown | diff -u docs/metrics.md - || { echo "docs/metrics.md is stale: run make docs-metrics"; exit 1; }
	$(BIN)/python benchmarks/bench.py --smoke

coverage: $(READY) ## Run the whole suite and measure which branches it takes
	$(BIN)/python -m pytest --numprocesses auto --quiet --cov --cov-report=term:skip-covered

audit: $(READY) ## Attack the payloads of many random workspaces
	$(BIN)/python tests/long_audit.py

crash: $(READY) ## Kill, stop and race the reporter at every instant (a sample of them is part of the suite)
	RCSTATS_TEST_CRASHES=1 $(BIN)/python -m pytest --numprocesses auto tests/test_crashes.py tests/test_machine.py

bulk-large: $(READY) ## Decide two million lines in a small memory; fewer: RCSTATS_TEST_LINES=100000
	cd tests && ../$(BIN)/python -m pytest long_bulk.py --quiet --capture=no

compile: $(READY) ## Compile the reviewed TOML of catalogue and policy
	$(BIN)/python -m rc_stats.authoring

docs: $(READY) ## Build the documentation into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

docs-metrics: $(READY) compile ## Write docs/metrics.md from the catalogue
	$(BIN)/rc-stats metrics --format markdown > docs/metrics.md

pictures: $(READY) ## Make the pictures of README and documentation; needs chromium
	$(BIN)/python docs/pictures/make_pictures.py

bench-smoke: $(READY) ## Run each benchmark once, so that they can't rot
	$(BIN)/python benchmarks/bench.py --smoke

bench: $(READY) ## Measure speed and memory, as ratios to a floor of the same run
	$(BIN)/python benchmarks/bench.py --json benchmarks/bench.json

bench-rivals: $(READY) ## The same with all rivals, which are installed first; jq comes with the system
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python benchmarks/bench.py --json benchmarks/bench.json

bench-docs: $(READY) ## The same, and write tables and chart into docs/performance.md
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python benchmarks/bench.py --json benchmarks/bench.json --write-docs

mutants: $(READY) ## Mutation testing of gate and operators
	HYPOTHESIS_PROFILE=mutation $(BIN)/mutmut run
	$(BIN)/mutmut results

clean: ## Remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants dist build
