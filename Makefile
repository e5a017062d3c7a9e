# What a developer runs. Everything is made below .venv and ./demo; nothing of the user is touched.

VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
KILLS ?= 300
ROUNDS ?= 20
RACES ?= 100
STATES ?= 10000
# What says within minutes whether a change holds: laws, units, and the contracts that start few programs.
CHECKED := tests/unit tests/property $(addprefix tests/contract/test_,$(addsuffix .py,\
	layers rooms cli_cold completion docs reference schemas exit_codes uses security_page plan_and_apply_agree))
SOURCES := $(shell find runner schemas -type f -not -name '*.pyc' 2>/dev/null)

# The first interpreter that is new enough; make PYTHON=... names another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; \
	done)

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help demo check test test-all fuzz states kills races shards reference schemas backends bench lint clean
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do \
		printf '  make %-9s %s\n' "$$name" "$$what"; done

demo: $(VENV)/.installed ## Keep a folder of notes in sync with another, in ./demo
	@sh .ci/demo "$(CURDIR)/$(BIN)/bm-sync" "$(CURDIR)/$(DEMO)"

test: $(VENV)/.developing lint ## Check the code and run all tests
	$(BIN)/python -m pytest -q -n auto

check: $(VENV)/.developing lint ## Check the code and run the quick tests, in three minutes on two cores
	BM_SYNC_FORGERIES=10 $(BIN)/python -m pytest -q -n auto $(CHECKED)

lint: $(VENV)/.developing ## Check the code without running it
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test-all: ## Run all tests on every Python 3.11+ that is found
	@sh .ci/every-python "$(CURDIR)/$(VENV)/all"

fuzz: $(VENV)/.developing ## Give every reader odd values for ten minutes; FUZZ_SECONDS=60 for one
	FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(BIN)/python -m pytest -q -s tests/fuzz

states: $(VENV)/.developing ## Use damaged states with every command; STATES=10000 says how many
	BM_SYNC_STATES=$(STATES) nice -n 10 $(BIN)/python -m pytest -q -s tests/fuzz -k thousands

kills: $(VENV)/.developing ## Kill runs at random moments; KILLS=300 says how often
	BM_SYNC_KILLS=$(KILLS) nice -n 10 $(BIN)/python -m pytest -q -s tests/crash tests/remotes_pair -k "hundreds or many_kills"

races: $(VENV)/.developing ## Have another user swap folders while runs go on; RACES=100 says how often
	BM_SYNC_RACES=$(RACES) nice -n 10 $(BIN)/python -m pytest -q -s tests/places -k hundreds

shards: $(VENV)/.developing ## Kill shards at one store; ROUNDS=20 says how many rounds
	BM_SYNC_SHARD_ROUNDS=$(ROUNDS) nice -n 10 $(BIN)/python -m pytest -q -s tests/shard -k many_rounds

reference: $(VENV)/.developing ## Write docs/reference.md from the parser and the schema
	$(BIN)/python docs/generate.py

schemas: $(VENV)/.developing ## Write the schemas of plans, runs, events and fleet notes from their types
	$(BIN)/python docs/schemas.py

backends: $(VENV)/.developing ## Write the table of rclone's options from the installed rclone
	$(BIN)/python docs/backends.py

bench: $(VENV)/.developing ## Measure against the targets; CASES="..." picks some
	$(BIN)/python benchmarks/bench.py $(CASES)

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(DEMO) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
		echo "bm-sync needs Python 3.11 or newer, and none was found on the PATH." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "bm-sync needs Python 3.11 or newer; $(PYTHON) is not." >&2; \
		echo "Name another: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments (no venv module)." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# An editable installation (make test) is always up to date and serves the demo too.
$(VENV)/.installed: pyproject.toml $(SOURCES) | $(BIN)/python
	@test -e $(VENV)/.developing || { echo "Installing bm-sync into $(VENV) ..."; $(PIP) install .; }
	@touch $@

$(VENV)/.developing: pyproject.toml | $(BIN)/python
	@echo "Installing bm-sync and its tools into $(VENV) ..."
	@$(PIP) install -e '.[test,lint]'
	@touch $@
