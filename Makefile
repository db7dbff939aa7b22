# Golem Hive. `make help` lists the targets; `make demo` is the one to start with.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --no-input --progress-bar off -qq
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade --generate-hashes \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --allow-unsafe

# `make check` looks at a production installation; no server reads these values.
PRODUCTION := HIVE_DEBUG=0 HIVE_SECRET_KEY=check-only-0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ \
	HIVE_HOSTS=hive.example HIVE_HTTPS=1 \
	DATABASE_URL=postgresql://hive@localhost/hive REDIS_URL=redis://localhost:6379/0

.PHONY: help setup setup-dev demo test test-pure check bench lock clean
.DELETE_ON_ERROR:

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' Makefile | expand -t 12

setup: .venv/.portal .venv/.assets  ## Install what the Hive runs on into .venv (the second time: nothing to do)

setup-dev: setup .venv/.dev

demo: setup  ## From a Compose file to a settled payment, then serve; options in ARGS="--exit --json FILE"
	@$(BIN)/hive demo $(ARGS)

test: setup-dev  ## Run the tests; options in ARGS="-k name"
	@$(BIN)/python -m pytest $(ARGS)

test-pure: setup-dev  ## Only the tests that start no server and no process: seconds
	@$(BIN)/python -m pytest -m "not real" $(ARGS)

check: setup-dev  ## Format, lint, types, import floors, deployment settings, missing migrations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(PRODUCTION) $(BIN)/mypy
	@$(BIN)/lint-imports
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	@$(PRODUCTION) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@$(PRODUCTION) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

bench: setup-dev  ## Run the benchmarks, all or ONLY=name
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

lock: setup-dev  ## Renew requirements/*.txt and package-lock.json (takes minutes)
	@$(COMPILE) --extra server --extra agent -o requirements/portal.txt pyproject.toml
	@$(COMPILE) --extra server --extra agent --extra dev -c requirements/portal.txt \
		-o requirements/dev.txt pyproject.toml
	@rm -f package-lock.json
	@$(BIN)/python scripts/assets.py --lock

clean:  ## Remove what `make setup` and the tools made; .hive, the installation's data, stays
	@rm -rf .venv node_modules static/vendor contracts/build staticfiles apps/billing/invoicing/fonts/made *.egg-info \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Stamp files: each is renewed when what it was made from changes.

.venv/.made:
	@[ -w . ] || { echo "$$(pwd) can't be written to: clone the project into a folder of yours" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || \
		{ echo "$(PYTHON) is missing: install Python 3.11 or later (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) -V): run make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@[ -x $(BIN)/python ] || { echo "setup 1/3: virtual environment in .venv"; $(PYTHON) -m venv .venv; }
	@touch $@

.venv/.portal: .venv/.made requirements/portal.txt pyproject.toml
	@echo "setup 2/3: Python packages (a minute or two the first time)"
	@$(PIP) --require-hashes -r requirements/portal.txt
	@# setuptools is among the locked packages, so the build fetches nothing.
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.portal requirements/dev.txt
	@echo "setup: tools for tests and checks"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.assets: .venv/.portal package.json package-lock.json scripts/assets.py contracts/compile.js $(wildcard contracts/*.sol)
	@echo "setup 3/3: front-end assets and development token"
	@$(BIN)/python scripts/assets.py
	@touch $@
