# The same words that CI uses. From a fresh clone: `make run` starts Pomona, `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 8000
DATA_DIR ?= $(CURDIR)/var
export HOST PORT DATA_DIR

# What the tests in a browser need beside Python's packages; only CI cannot do without.
AXE := tests/browser/node_modules/.package-lock.json
IMAGES ?= docs/images

.PHONY: setup setup-dev messages run test images lint format migrations bench lock clean

setup: $(VENV)/installed  ## virtual environment with everything that the product needs

setup-dev: $(VENV)/installed-dev $(AXE)  ## and what tests and checks need

$(VENV)/installed: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(VENV)/installed-dev: requirements-dev.lock $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

$(AXE): tests/browser/package-lock.json
	@{ command -v npm >/dev/null && npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --silent && touch $@; } || \
	{ echo "axe-core could not be installed with npm: pages will not be checked for accessibility" >&2; [ -z "$$CI" ]; }

run: setup  ## http://$(HOST):$(PORT), Ctrl-C stops everything
	@exec $(BIN)/python manage.py run_pomona

test: setup-dev  ## all tests, on DATABASE_URL and REDIS_URL if they are set
	$(BIN)/python -m pytest $(PYTEST_ARGS)

images: setup-dev  ## the screenshots of README and docs, anew; needs chromium
	POMONA_SCREENSHOTS="$(abspath $(IMAGES))" $(BIN)/python -m pytest tests/flows/test_admin_day.py -q

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

messages: setup  ## collect the texts to be translated into locale: make messages LOCALE=de; needs gettext
	mkdir -p locale
	$(BIN)/python manage.py makemessages --locale $(LOCALE) --extension html,txt,py --ignore tests --ignore .venv
	$(BIN)/python manage.py compilemessages --locale $(LOCALE)

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
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis tests/browser/node_modules
