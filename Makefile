# Everything a fresh machine needs: make, and Python 3.11 or later. Every target makes what it uses.

PYTHON ?= python3
VENV   ?= .venv

BIN   := $(VENV)/bin
BENCH := .bench/venv
PIP   := -m pip --quiet --disable-pip-version-check

# Set by some shells and containers: every child process would then compile its imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint format bench bench-quick bench-core bench-maps bench-payloads bench-simulation clean

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z-]+:.*##/ { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.ready  ## the main example: measures Python's standard library on all CPUs
	$(BIN)/python examples/analyse_source.py

test: $(VENV)/.ready  ## every test; another Python: make test PYTHON=python3.13 VENV=.venv-3.13
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.ready-lint  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.ready-lint  ## put the source in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(BENCH)/.ready  ## beside its peers, in one run on this machine; results in .bench/results.json
	$(BENCH)/bin/python -m benchmarks.versus $(ARGS)

bench-quick: $(BENCH)/.ready  ## the same in about a minute
	$(BENCH)/bin/python -m benchmarks.versus --quick $(ARGS)

bench-core: $(VENV)/.ready  ## nanoseconds that the scheduler takes per task, and whether they grow
	$(BIN)/python -m benchmarks.core $(ARGS)

bench-maps: $(VENV)/.ready  ## ten million items: speed, memory, and the longest turn of the event loop
	$(BIN)/python -m benchmarks.maps $(ARGS)

bench-payloads: .bench/payloads/.ready  ## large values beside peers, in one run; results in .bench/payloads.json
	.bench/payloads/bin/python -m benchmarks.payloads $(ARGS)

bench-simulation: $(VENV)/.ready  ## every strategy with 10,000 virtual workers; a minute each: ARGS=--quick for seconds
	$(BIN)/python -m benchmarks.simulation $(ARGS)

clean:  ## remove what make made
	rm -rf $(VENV) .bench .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Built anew, not brought up to date: a dependency that pyproject.toml no longer names must be missing here too.
define new_venv
	@command -v "$(PYTHON)" >/dev/null || { echo "make: no $(PYTHON) here; name a Python 3.11 or later: make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: poolifier needs Python 3.11 or later, $(PYTHON) is %d.%d; name another: make PYTHON=..." % sys.version_info[:2])'
	"$(PYTHON)" -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) install 'pip>=25.1'
endef

$(VENV)/.ready: pyproject.toml
	$(new_venv)
	$(BIN)/python $(PIP) install --editable '.[progress,uvloop]' --group test
	@touch $@

$(VENV)/.ready-lint: $(VENV)/.ready
	$(BIN)/python $(PIP) install --group lint
	@touch $@

# Apart from the main venv, so that no peer's dependency can stand in for one of ours.
$(BENCH)/.ready: pyproject.toml benchmarks/versus/peers.txt
	$(new_venv)
	$(BENCH)/bin/python $(PIP) install --editable . --requirement benchmarks/versus/peers.txt
	@touch $@

.bench/payloads/.ready: pyproject.toml benchmarks/payloads/peers.txt
	$(new_venv)
	$(@D)/bin/python $(PIP) install --editable . --requirement benchmarks/payloads/peers.txt
	@touch $@
