# The same words that CI uses. From a fresh clone: `make run` starts Pomona, `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
DATA_DIR ?= $(CURDIR)/var
export HOST PORT DATA_DIR

.PHONY: setup setup-dev run test lint format migrations bench lock clean

setup: $(VENV)/installed  ## virtual environment with everything that the product needs

setup-dev: $(VENV)/installed-dev  ## and what tests and checks need

$(VENV)/installed: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

run: setup  ## http://$(HOST):$(PORT), Ctrl-C stops everything
	@exec $(BIN)/python manage.py run_pomona

test: setup-dev  ## all tests, on DATABASE_URL and REDIS_URL if they are set
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

migrations: setup
	$(BIN)/python manage.py makemigrations

bench: setup-dev  ## needs DATABASE_URL and REDIS_URL; figures go to docs/performance.md by hand
	$(BIN)/python -m tests.benchmarks

lock: setup-dev  ## pin anew what pyproject.toml asks for
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --output-file=requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --extra=dev --constraint=requirements.lock \
		--output-file=requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
