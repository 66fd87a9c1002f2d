# Everything is done in a virtual environment of this checkout; nothing outside of it is changed, except that
# `make test` installs the programs the tests need when it runs as root on Debian or Ubuntu.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# The first Python of at least 3.11; `make PYTHON=/path/to/python …` overrides it.
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3 $$HOME/.pyenv/versions/3.1[1-9]*/bin/python3; do \
	command -v "$$each" >/dev/null 2>&1 && "$$each" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	>/dev/null 2>&1 && { command -v "$$each"; break; }; done)
# Tests run in as many processes as there are cores, at most four: live tests start servers of their own.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ "$$n" -gt 4 ] && echo 4 || echo "$$n")
PYTEST = $(BIN)/pytest -n $(JOBS)
ARGS ?=

.PHONY: help run test check format bench autobahn tools clean

help: ## Show what there is to make.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(STAMP) ## Run the proxy: make run ARGS="-p 9090".
	@$(BIN)/midstream dump $(ARGS)

test: $(STAMP) tools ## Run all tests; ARGS go to pytest.
	@$(PYTEST) $(ARGS)

check: $(STAMP) ## Check format, lint, types, layers and spelling.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

format: $(STAMP) ## Format the code and mend what can be mended by itself.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## Measure against others; ARGS go to bench/run.py.
	@$(BIN)/python bench/run.py $(ARGS)

autobahn: $(STAMP) ## Compare Autobahn's verdicts with and without us; ARGS="1.* 7.*" runs some.
	@$(BIN)/python tests/conformance/autobahn.py $(ARGS)

tools: ## Install the programs that the tests use, or say which are missing.
	@sh tests/tools.sh

clean: ## Remove the virtual environment and caches.
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The stamp is younger than what it depends on, so a second `make` does nothing here.
$(STAMP): pyproject.toml
	@if [ -z "$(PYTHON)" ] && [ ! -x $(BIN)/python ]; then \
		echo "No Python >= 3.11 with venv found. Install one, or say: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@[ -x $(BIN)/python ] || "$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@touch $(STAMP)
