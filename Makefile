# Two commands: `make demo` opens the demo, `make test` runs the tests. Both set everything up first.
PYTHON ?= python3
VENV ?= $(if $(GPTOSS_TUI_VENV),$(GPTOSS_TUI_VENV),.venv)
BIN := $(VENV)/bin
ARGS ?=
PYTEST_ARGS ?=
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test check check-static lint types contracts format bench screenshots lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.app ## set everything up and open the demo on a simulated box
	@$(BIN)/gptoss-tui demo $(ARGS)

test: $(VENV)/.dev ## set everything up and run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

check: check-static test ## lint, types, import contracts and tests

check-static: lint types contracts ## everything of `check` but the tests

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

contracts: $(VENV)/.dev
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## rewrite the sources in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

bench: $(VENV)/.dev ## print the benchmark: medians and ratios
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: soak faults
soak: $(VENV)/.dev ## break a real connection every few seconds, for 30 minutes, and count what stays (root)
	@$(BIN)/python -m tests.real.soak $(ARGS)

faults: $(VENV)/.dev ## 200 random faults over 10 real boxes (root)
	@$(BIN)/python -m tests.real.fault_run $(ARGS)

screenshots: $(VENV)/.dev ## draw screenshots/*.svg anew from the simulated box
	@$(BIN)/python -m tests.screenshots $(ARGS)

lock: ## resolve the lock files anew (needs uv)
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml --extra dev -o requirements-dev.lock
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate --upgrade requirements-build.in -o requirements-build.lock

clean: ## remove what the targets made
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"gptoss-tui needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python has no venv here. Install it first: apt install python3-venv (Debian, Ubuntu), or your system's package of that name." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# pip reads the lock files with their hashes; what it does not find there it refuses to install.
$(VENV)/.app: $(VENV)/bin/python requirements.lock requirements-build.lock pyproject.toml
	@echo "Setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-build.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
