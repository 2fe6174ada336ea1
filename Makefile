PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OTHER_CA := .cache/acme2certifier/.installed

.PHONY: demo up test lint bench lock servers clean

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "Dogovor needs Python 3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "python3-venv is missing: installing it"; apt-get update -q && apt-get install -yq python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $(STAMP)

## The main job on the embedded default; ends by itself with a table of what it did.
demo: $(STAMP)
	$(BIN)/dogovor demo

## Everything, kept up until Ctrl-C.
up: $(STAMP)
	$(BIN)/dogovor up

## The real servers that the tests start: Debian packages, and a CA with its libraries in an environment of its own.
servers: $(OTHER_CA)
	tests/servers/install.sh

$(OTHER_CA): tests/servers/acme2certifier.lock $(STAMP)
	$(BIN)/python -m venv .cache/acme2certifier
	.cache/acme2certifier/bin/python -m pip install --quiet --no-deps --require-hashes --requirement $<
	touch $@

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

## All tests, real servers included; in CI a missing server is a failure.
test: $(STAMP) servers lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

bench: $(STAMP)
	$(BIN)/dogovor bench
	$(BIN)/dogovor bench-tickets
	$(BIN)/dogovor bench-availability
	$(BIN)/dogovor bench-revenue
	$(BIN)/dogovor bench-comms
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m tests.servers.seaweedfs dogovor bench-retention
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m tests.servers.pebble dogovor bench-certificates

## Renew the lock file, on purpose.
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --generate-hashes --python-version 3.11 --upgrade \
	  --output-file requirements.lock --custom-compile-command "make lock"
	echo acme2certifier | $(BIN)/uv pip compile --quiet - --generate-hashes --python-version 3.11 --upgrade --no-annotate \
	  --output-file tests/servers/acme2certifier.lock --custom-compile-command "make lock"

clean:
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
