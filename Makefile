# Everything a fresh machine needs: make, and Python 3.11 or later. Every target makes what it uses.

PYTHON ?= python3
VENV   ?= .venv

KIND    ?= process
MINUTES ?= 30
SECONDS ?= 60

BIN   := $(VENV)/bin
BENCH := .bench/venv
PEERS := $(BENCH)/.ready .bench/interpreters/.ready .bench/node/.ready
PIP   := -m pip --quiet --disable-pip-version-check

# Little of what is installed for the tests is ever imported. That is compiled then, which halves the time of installing.
TEST_INSTALL := $(PIP) install --no-compile

SOURCE := $(shell find src -name '*.py')

# Set by some shells and containers: every child process would then compile its imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo docs test test-compiled test-install chaos soak fuzz lint format bench bench-quick bench-core bench-futures bench-imports bench-kinds bench-maps bench-payloads bench-ray bench-simulation bench-starts clean

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z-]+:.*##/ { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.ready  ## the main example: measures Python's standard library on all CPUs
	$(BIN)/python examples/analyse_source.py

docs: $(VENV)/.ready-docs  ## the documentation as a site, in site/index.html; a link that leads nowhere is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

test: $(VENV)/.ready  ## every test; another Python: make test PYTHON=python3.13 VENV=.venv-3.13
	$(BIN)/python -m pytest $(ARGS)

test-compiled: $(VENV)-compiled/.ready  ## every test, on the compiled build (needs a C compiler)
	$(<D)/bin/python -m poolifier
	$(<D)/bin/python -c 'import poolifier; assert poolifier.compiled'
	$(<D)/bin/python -m pytest $(ARGS)

test-install: $(VENV)/.ready  ## wheels on fresh machines, pure and compiled (under a minute)
	$(BIN)/python -m pytest -m '' tests/install $(ARGS)

chaos: $(VENV)/.ready  ## a million tasks while workers are harmed, and other long tests of faults (many minutes, 12 GB)
	$(BIN)/python -m pytest -o faulthandler_timeout=3600 -m long tests/faults $(ARGS)

soak: $(VENV)/.ready  ## half an hour of mixed work: does memory stay flat, do counts stay right? Otherwise: make soak MINUTES=10 KIND=thread
	SOAK_KIND=$(KIND) SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest -o faulthandler_timeout=$$(($(MINUTES) * 60 + 900)) -m soak tests/faults $(ARGS)

fuzz: $(VENV)/.ready-fuzz  ## a fuzzer looks for bytes that no decoder reads or refuses; for longer: make fuzz SECONDS=600
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

lint: $(VENV)/.ready-lint  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	PATH="$(BIN):$$PATH" $(BIN)/pyright --pythonpath $(BIN)/python --verifytypes poolifier --ignoreexternal

format: $(VENV)/.ready-lint  ## put the source in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(PEERS)  ## beside its peers, in one run on this machine: goals, .bench/results.json, the docs' plots (15 minutes)
	$(BENCH)/bin/python -m benchmarks.versus --write $(ARGS)

bench-quick: $(PEERS)  ## the same in about a minute, and the docs stay as they are
	$(BENCH)/bin/python -m benchmarks.versus --quick $(ARGS)

bench-core: $(VENV)/.ready  ## nanoseconds that the scheduler takes per task, and whether they grow
	$(BIN)/python -m benchmarks.core $(ARGS)

bench-futures: $(VENV)/.ready  ## our executors beside those of concurrent.futures, in one run; a minute or two
	$(BIN)/python -m benchmarks.futures $(ARGS)

bench-imports: $(VENV)/.ready  ## milliseconds that importing takes beyond import asyncio; half a minute
	$(BIN)/python -m benchmarks.imports $(ARGS)

bench-kinds: $(VENV)/.ready  ## what each kind of worker costs: start, memory, latency, throughput, payload
	$(BIN)/python -m benchmarks.kinds $(ARGS)

bench-maps: $(VENV)/.ready  ## ten million items: speed, memory, and the longest turn of the event loop
	$(BIN)/python -m benchmarks.maps $(ARGS)

bench-payloads: .bench/payloads/.ready  ## large values beside peers, in one run; results in .bench/payloads.json
	.bench/payloads/bin/python -m benchmarks.payloads $(ARGS)

bench-ray: $(VENV)/.ready  ## a map over two Ray actors, beside Ray's own ActorPool; a few minutes
	$(BIN)/python -m benchmarks.ray_actors $(ARGS)

bench-simulation: $(VENV)/.ready  ## every strategy with 10,000 virtual workers; a minute each: ARGS=--quick for seconds
	$(BIN)/python -m benchmarks.simulation $(ARGS)

bench-starts: $(VENV)/.ready  ## starting with 200 MB of data, preloaded and not: time, and memory of each worker
	$(BIN)/python -m benchmarks.starts $(ARGS)

clean:  ## remove what make made
	rm -rf $(VENV) $(VENV)-compiled site .bench .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Built anew, not brought up to date: a dependency that pyproject.toml no longer names must be missing here too.
define new_venv
	@command -v "$(PYTHON)" >/dev/null || { echo "make: no $(PYTHON) here; name a Python 3.11 or later: make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: poolifier needs Python 3.11 or later, $(PYTHON) is %d.%d; name another: make PYTHON=..." % sys.version_info[:2])'
	"$(PYTHON)" -m venv --clear $(@D)
	$(@D)/bin/python $(PIP) install --no-compile 'pip>=25.1'
endef

$(VENV)/.ready: pyproject.toml
	$(new_venv)
	POOLIFIER_BUILD=pure $(BIN)/python $(TEST_INSTALL) --editable '.[progress,uvloop]' --group test
	@touch $@

# Of its own it has nothing but a wheel as this machine builds it, which comes first; all else, what compiles included, is
# the main venv's.
$(VENV)-compiled/.ready: $(VENV)/.ready hatch_build.py $(SOURCE)
	$(BIN)/python -m venv --clear --without-pip $(@D)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		>"$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/main_venv.pth"
	env -u POOLIFIER_BUILD $(@D)/bin/python $(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(@D)/wheel .
	$(@D)/bin/python $(TEST_INSTALL) --no-deps --ignore-installed $(@D)/wheel/*.whl
	@touch $@

$(VENV)/.ready-lint: $(VENV)/.ready
	$(BIN)/python $(TEST_INSTALL) --group lint
	@touch $@

$(VENV)/.ready-fuzz: $(VENV)/.ready
	$(BIN)/python $(PIP) install --group fuzz
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	$(BIN)/python $(TEST_INSTALL) --group docs
	@touch $@

# Apart from the main venv, so that no peer's dependency can stand in for one of ours.
$(BENCH)/.ready: pyproject.toml hatch_build.py $(SOURCE) benchmarks/versus/peers.txt
	$(new_venv)
	$(@D)/bin/python $(PIP) install '.[progress,uvloop]' --requirement benchmarks/versus/peers.txt
	@touch $@

# The pools of Node.js, and a Node.js to run them. Without npm they are reported as missing, and the rest runs.
.bench/node/.ready: $(wildcard benchmarks/versus/node/*)
	@mkdir -p $(@D)
	cp $^ $(@D)
	npm install --prefix $(@D) --no-audit --no-fund --loglevel=error || echo "make: no npm here, or it failed: the benchmarks do without Node.js" >&2
	@touch $@

# Pools of interpreters need Python 3.13, whichever Python the rest runs on. Without one they are reported as missing.
.bench/interpreters/.ready: pyproject.toml hatch_build.py $(SOURCE) benchmarks/versus/interpreters.txt
	python=$$(sh benchmarks/versus/find_python.sh "$(PYTHON)"); if [ -n "$$python" ]; then \
		"$$python" -m venv --clear $(@D) && \
		$(@D)/bin/python $(PIP) install . --requirement benchmarks/versus/interpreters.txt; \
	else mkdir -p $(@D) && echo "make: no Python 3.13 or later here: the benchmarks do without interpreters" >&2; fi
	@touch $@

.bench/payloads/.ready: pyproject.toml benchmarks/payloads/peers.txt
	$(new_venv)
	POOLIFIER_BUILD=pure $(@D)/bin/python $(PIP) install --editable . --requirement benchmarks/payloads/peers.txt
	@touch $@
