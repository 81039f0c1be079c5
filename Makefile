# Set-up, the demo, the tests and the checks. Every target does the set-up it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests wait for servers much of the time: one more than there are cores keeps those busy.
PYTEST_WORKERS ?= 3
# uv brings certificates of its own. Behind a company's proxy those count that pip was told of, else the system's.
export UV_SYSTEM_CERTS ?= 1
CERTIFICATES = $${SSL_CERT_FILE:-$${PIP_CERT:-$$($(BIN)/python -m pip config get global.cert 2>/dev/null)}}
UV = certificates="$(CERTIFICATES)"; $${certificates:+env SSL_CERT_FILE="$$certificates"} $(BIN)/uv

.PHONY: help setup demo test check bench containment chaos format lock system-deps clean

help:
	@echo "make demo       set up, then run the main job once (AUTO=1 decides by itself, JSON=1 prints one object)"
	@echo "make test       set up, then run the tests (PYTEST_ARGS=… for pytest)"
	@echo "make setup      the locked environment in $(VENV)"
	@echo "make check      format, lint, types, import contracts"
	@echo "make containment  attack sandboxes in every way that is known; BACKEND=container, ONLY=\"network\""
	@echo "make chaos      kill parts of an installation under load; KILLS=30 SEED=7 TASKS=6 GAP=3 ONLY=\"host lost\""
	@echo "make bench      measure; BENCH=\"overhead egress\" some of it"
	@echo "make lock       write the locks anew"
	@echo "make system-deps  Debian packages that some tests and the container image use"

setup: $(STAMP)

# uv comes from the package index like everything else; the lock carries hashes and no index address.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Journeyman needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python has no venv module: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' infra/requirements/bootstrap.txt)"

$(STAMP): infra/requirements/lock.txt pyproject.toml | $(BIN)/uv
	@echo "installing into $(VENV) from the lock: a minute or two, the first time"
	@$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes infra/requirements/lock.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	@$(BIN)/journeyman demo $(if $(AUTO),--auto) $(if $(JSON),--json)

test: $(STAMP)
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadgroup $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Prints a table and, last, one line of JSON. BENCH="overhead egress" measures some only.
bench: $(STAMP)
	@$(BIN)/python -m tests.benchmarks $(BENCH)

# Attacks the sandboxes of this machine; fails if anything gets out, or was not shown to be an attack. BACKEND=container
# attacks one of them (containers need Podman), ONLY="network" makes one group or one attempt. Last is one line of JSON.
containment: $(STAMP)
	@$(BIN)/python -m tests.containment $(BACKEND) $(if $(ONLY),--only "$(ONLY)")

# Kills and stops parts of an installation at random moments, then counts what came of its tasks. The same SEED draws the
# same faults in the same order. Fails if a task was lost or doubled, or anything was left over. Last is one line of JSON.
# Interrupted once, it lets everything settle and reports; twice, it reports what has settled.
KILLS ?= 30
SEED ?= 7
TASKS ?= 6
GAP ?= 3
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED) --tasks $(TASKS) --gap $(GAP) --only "$(ONLY)"

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate
lock: | $(BIN)/uv
	$(COMPILE) --extra dev --output-file infra/requirements/lock.txt pyproject.toml infra/requirements/bootstrap.txt
	$(COMPILE) --constraint infra/requirements/lock.txt --output-file infra/requirements/runtime.txt pyproject.toml
	$(COMPILE) --constraint infra/requirements/lock.txt --output-file infra/requirements/build.txt \
		infra/requirements/build.in

system-deps:
	infra/system-deps

clean:
	rm -rf $(VENV)
