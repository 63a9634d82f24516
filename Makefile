# Penumbra's commands; `make` alone lists them. Python 3.11+ and make are all that has to be there.
PYTHON ?= python3
# Not `?=`: some shells export HOST. `make serve PORT=8080` sets them; HOST=0.0.0.0 needs PENUMBRA_KEYS too.
HOST = 127.0.0.1
PORT = 8000
DEMO = artifacts/demo
# More for pytest: `make test ARGS="-k gaussian"`.
ARGS =

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help serve install demo test docs figures bench faults load fuzz screenshots clean

help: ## Lists these commands.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: demo ## Serves the Scenes demo on http://127.0.0.1:8000; HOST and PORT change that.
	@exec env PENUMBRA_HOST=$(HOST) PENUMBRA_PORT=$(PORT) $(BIN)/penumbra serve $(DEMO)/gallery

install: $(VENV)/.package ## Makes the environment alone, with .venv/bin/penumbra in it.

demo: $(VENV)/.package ## Makes the demo gallery, unless it is there and fits.
	@$(BIN)/penumbra demo --out $(DEMO)

test: $(VENV)/.package $(VENV)/.development ## Runs all checks and the whole test suite.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# A thread for each process: the pools of several would wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 $(ARGS)

docs: $(VENV)/.package $(VENV)/.development ## Writes docs/reference from the program and builds the site into build/site; warnings are errors.
	@$(BIN)/python -m documentation reference
	$(BIN)/zensical build --strict --clean

figures: $(VENV)/.package ## Draws the figures of the documentation anew.
	@$(BIN)/python -m documentation figures

bench: $(VENV)/.package ## Measures the rerank and a query; `make bench ARGS=scale` and `ARGS=cosine` more.
	@$(BIN)/python -m benchmarks $(ARGS)

faults: $(VENV)/.package ## Kills processes and fails writes; `make faults ARGS="add --kills 9"` fewer.
	@$(BIN)/python -m faults $(ARGS)

load: $(VENV)/.package ## Asks a server for ten times what it can do, and for very much; ARGS="soak --requests 200000".
	@$(BIN)/python -m load $(ARGS)

fuzz: $(VENV)/.package $(VENV)/.development ## Sends a server all sorts of bad input; ARGS="--cases 5000".
	@$(BIN)/python -m fuzz $(ARGS)

screenshots: $(VENV)/.development ## Draws the pictures of the page in docs/; the demo has to be served (make serve).
	@$(BIN)/python docs/screenshots.py http://$(HOST):$(PORT)

clean: ## Removes what these commands made: environment, demo gallery, caches.
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each step leaves a stamp in the environment, so that the next `make` repeats only what has changed since.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit("Penumbra needs Python 3.11 or newer, and $(PYTHON) is " \
	  + sys.version.split()[0] + "; name another one: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: requirements.lock $(VENV)/.made
	$(PIP) install --requirement requirements.lock
	@touch $@

$(VENV)/.development: requirements-dev.lock $(VENV)/.runtime
	$(PIP) install --requirement requirements-dev.lock
	@touch $@

$(VENV)/.package: pyproject.toml $(VENV)/.runtime
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
