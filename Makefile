# Everything is done in a virtual environment of this checkout; nothing outside of it is changed, except that
# `make test` installs the programs the tests need when it runs as root on Debian or Ubuntu.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# The package as wheels have it, with its hot path compiled to C. PYTHONPATH puts it before the source.
COMPILED := build/compiled
# `make run COMPILE=no` runs the source as it stands.
COMPILE ?= yes
# The first Python of at least 3.11; `make PYTHON=/path/to/python …` overrides it.
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3 $$HOME/.pyenv/versions/3.1[1-9]*/bin/python3; do \
	command -v "$$each" >/dev/null 2>&1 && "$$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && { command -v "$$each"; break; }; done)
# Tests run in as many processes as there are cores, at most four: live tests start servers of their own.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ "$$n" -gt 4 ] && echo 4 || echo "$$n")
PYTEST = $(BIN)/pytest -n $(JOBS)
WITH_COMPILED = PYTHONPATH="$(CURDIR)/$(COMPILED)"
CAN_COMPILE = $(BIN)/python -c 'import os, shutil, sysconfig as about; \
	compiler = shutil.which(about.get_config_var("CC").split()[0]); \
	raise SystemExit(not (compiler and os.path.exists(about.get_path("include") + "/Python.h")))'
ARGS ?=

.PHONY: help run test test-compiled check format bench autobahn tools clean

help: ## Show what there is to make.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(if $(filter yes,$(COMPILE)),$(COMPILED)/.ready,$(STAMP)) ## Run the proxy: make run ARGS="-p 9090".
	@$(if $(filter yes,$(COMPILE)),$(WITH_COMPILED)) $(BIN)/midstream dump $(ARGS)

test: $(STAMP) tools ## Run all tests, on the source and on the compiled build; with ARGS, pytest on the source alone.
	@$(PYTEST) $(or $(ARGS),--ignore=tests/live)
	@$(if $(ARGS),,$(MAKE) --no-print-directory test-compiled)

test-compiled: $(COMPILED)/.ready ## Run scenarios, properties and live tests on the compiled build; ARGS go to pytest.
	@$(WITH_COMPILED) $(BIN)/midstream --version | grep -q compiled || { \
		echo "There is no compiled build to test: see above." >&2; exit 1; }
	@$(WITH_COMPILED) $(PYTEST) $(or $(ARGS),tests/scripts tests/property tests/live)

check: $(STAMP) ## Check format, lint, types, layers and spelling.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

format: $(STAMP) ## Format the code and mend what can be mended by itself.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(COMPILED)/.ready ## Measure against others; ARGS go to bench/run.py.
	@$(WITH_COMPILED) $(BIN)/python bench/run.py $(ARGS)

autobahn: $(COMPILED)/.ready ## Compare Autobahn's verdicts with and without us; ARGS="1.* 7.*" runs some.
	@$(WITH_COMPILED) $(BIN)/python tests/conformance/autobahn.py $(ARGS)

tools: ## Install the programs that the tests use, or say which are missing.
	@sh tests/tools.sh

clean: ## Remove the virtual environment, the compiled build and caches.
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The stamp is younger than what it depends on, so a second `make` does nothing here.
$(STAMP): pyproject.toml
	@if [ -z "$(PYTHON)" ] && [ ! -x $(BIN)/python ]; then \
		echo "No Python >= 3.11 with venv found. Install one, or say: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $(STAMP)

# Made anew when the source has changed. Without a C compiler it stays empty, so that the source itself is run.
$(COMPILED)/.ready: $(STAMP) hatch_build.py $(shell find src -name '*.py')
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@if $(CAN_COMPILE); then \
		echo "Compiling the hot path, which takes about a minute (make run COMPILE=no does without)."; \
		HATCH_BUILD_HOOKS_ENABLE=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check \
			--no-deps --no-build-isolation --target $(COMPILED) .; \
	else echo "There is no C compiler, or no Python.h: this is plain Python, at about half the speed." >&2; fi
	@touch $@
