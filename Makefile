# `make` alone prints what there is. Every target sets up what it needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
STAMP := $(VENV)/.installed
ENGINES := $(VENV)/.engines
WRITERS := .venv-bench
DBT := .venv-dbt
WORKERS ?= 2
# All but spark, which is large: `make engines` brings it; and dbt, which needs older versions: `make dbt`.
EXTRAS := $(addprefix --extra ,sandbox polars duckdb files postgres hive adls gcs s3fs glue statistics metrics openlineage trino serve celery kubernetes dg demo)
# What the container image has: all that a lake may use in operation, and nothing for trying and testing.
IMAGE := $(addprefix --extra ,duckdb files postgres glue statistics metrics openlineage serve celery)
# What another Python, or other versions of libraries, may break: no processes, no servers.
PORTABLE := influx_lake_tests/unit -m "not servers and not slow and not long" -n $(WORKERS)

# Where this is set, each of the hundreds of processes that tests start compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup engines dbt demo test test-servers test-long test-explore test-lowest test-python test-all hooks lint format types layers lock schema snapshot ui bench bench-before bench-files bench-sources bench-restore bench-write clean

help: ## Print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(STAMP) ## Create .venv with the locked versions

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@test -x "$(UV)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip sync --compile-bytecode --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --quiet --no-deps --editable .
	@touch $@

engines: $(ENGINES) ## Add Spark and ClickHouse to .venv, for their tests (1 GB; needs Java 17)

$(ENGINES): $(STAMP) requirements-engines.lock
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --quiet --require-hashes -r requirements-engines.lock
	@touch $@

dbt: $(DBT)/.installed ## Make .venv-dbt, for the tests of examples/dbt

$(DBT)/.installed: $(STAMP) requirements-dbt.lock
	@test -x $(DBT)/bin/python || $(PYTHON) -m venv $(DBT) || python3 -m venv $(DBT)
	VIRTUAL_ENV=$(abspath $(DBT)) $(UV) pip sync --quiet --require-hashes requirements-dbt.lock
	VIRTUAL_ENV=$(abspath $(DBT)) $(UV) pip install --quiet --no-deps --editable .
	@touch $@

demo: $(STAMP) ## Fill a sandbox with a week of metrics and load it into Iceberg tables (under ./.lake)
	$(BIN)/influx-lake demo

ui: $(STAMP) ## Open the Dagster UI on lake.yaml
	$(BIN)/influx-lake ui

test: $(STAMP) ## Run the tests that need nothing but this machine
	$(BIN)/python -m pytest -m "not servers and not slow and not long" -n $(WORKERS)

# By file: those of a file share a server, and some go on from what the one before left.
test-servers: $(STAMP) ## Run the tests that need real servers, and the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "(servers or slow) and not long and not wheel"

test-wheel: $(STAMP) ## Build the wheel and use it in a project that create-dagster makes
	$(BIN)/python -m pytest -m wheel

test-long: $(STAMP) ## Run the tests that take many minutes: a million points, hundreds of bad networks
	$(BIN)/python -m pytest -m long

test-explore: $(STAMP) ## Run the property tests on new examples (the others take the same ones each time)
	$(BIN)/python -m pytest -m "hypothesis and not servers and not slow and not long" -n $(WORKERS) --hypothesis-profile explore

test-lowest: $(STAMP) ## Run the unit tests with the oldest versions that pyproject.toml allows
	@test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest || python3 -m venv .venv-lowest
	$(UV) pip compile pyproject.toml --resolution lowest-direct $(EXTRAS) --group dev --python-version 3.11 \
	  --no-header --quiet --output-file .venv-lowest/requirements.txt
	VIRTUAL_ENV=$(abspath .venv-lowest) $(UV) pip sync --quiet .venv-lowest/requirements.txt
	VIRTUAL_ENV=$(abspath .venv-lowest) $(UV) pip install --quiet --no-deps --editable .
	.venv-lowest/bin/python -m pytest $(PORTABLE)

test-python: $(STAMP) ## Run the unit tests on another Python: make test-python PYTHON=python3.13
	@test -x .venv-$(notdir $(PYTHON))/bin/python || $(PYTHON) -m venv .venv-$(notdir $(PYTHON))
	VIRTUAL_ENV=$(abspath .venv-$(notdir $(PYTHON))) $(UV) pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=$(abspath .venv-$(notdir $(PYTHON))) $(UV) pip install --quiet --no-deps --editable .
	.venv-$(notdir $(PYTHON))/bin/python -m pytest $(PORTABLE)

test-all: test test-servers test-wheel test-long ## Run every test

hooks: $(STAMP) ## Check what is about to be committed, at each `git commit` (pre-commit)
	$(BIN)/pre-commit install

lint: $(STAMP) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## Check types
	$(BIN)/mypy

layers: $(STAMP) ## Check that each layer imports only what it may
	$(BIN)/lint-imports

lock: ## Resolve the lock files anew
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@test -x "$(UV)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip compile pyproject.toml --universal --generate-hashes $(EXTRAS) --group dev --python-version 3.11 \
	  --no-header --quiet --output-file requirements.lock
	$(UV) pip compile --group pyproject.toml:engines --constraint requirements.lock --universal --generate-hashes \
	  --python-version 3.11 --no-header --quiet --output-file requirements-engines.lock
	$(UV) pip compile pyproject.toml --constraint requirements.lock --generate-hashes $(IMAGE) --python-version 3.11 \
	  --no-header --quiet --output-file requirements-image.lock
	$(UV) pip compile --group pyproject.toml:build --generate-hashes --python-version 3.11 --no-header --quiet \
	  --output-file requirements-build.lock
	$(UV) pip compile pyproject.toml --extra dbt --group dbt --universal --generate-hashes --python-version 3.11 \
	  --no-header --quiet --output-file requirements-dbt.lock

schema: $(STAMP) ## Write lake.schema.json anew
	$(BIN)/influx-lake schema > lake.schema.json

snapshot: $(STAMP) ## Write anew what a lake.yaml becomes in Dagster, and the signatures of the public names
	INFLUX_LAKE_WRITE_SNAPSHOT=1 $(BIN)/python -m pytest -q \
	  influx_lake_tests/unit/orchestration/test_definitions_snapshot.py influx_lake_tests/unit/api/test_public_api.py

bench: $(STAMP) ## Measure Flight to committed window against a plain Parquet writer
	$(BIN)/python -m benchmarks.end_to_end

bench-files: $(STAMP) ## Measure files to committed windows beside DuckDB and gzip
	$(BIN)/python -m benchmarks.files

# The other build has an environment of its own, with the versions that it locks, and this tree's benchmarks.
bench-before: BUILD = .venv-before/$(shell git rev-parse --short $(REF))
bench-before: $(STAMP) ## Measure files and queries beside the build of another commit: make bench-before REF=<commit>
	@test -n "$(REF)" || { echo 'Name the commit: make bench-before REF=<commit>' >&2; exit 2; }
	rm -rf $(BUILD)/source && mkdir -p $(BUILD)/source
	git archive $(REF) | tar -x -C $(BUILD)/source
	rm -rf $(BUILD)/source/benchmarks $(BUILD)/source/testbed && cp -r benchmarks testbed $(BUILD)/source
	@test -x $(BUILD)/bin/python || $(PYTHON) -m venv $(BUILD) || python3 -m venv $(BUILD)
	VIRTUAL_ENV=$(abspath $(BUILD)) $(UV) pip sync --compile-bytecode --quiet --require-hashes $(BUILD)/source/requirements.lock
	VIRTUAL_ENV=$(abspath $(BUILD)) $(UV) pip install --quiet --no-deps --editable $(BUILD)/source
	$(BIN)/python -m benchmarks.files --before $(BUILD) $(FILES)
	$(BIN)/python -m benchmarks.sources --before $(BUILD) $(SOURCES)

bench-sources: $(STAMP) ## Measure rows per CPU second out of each InfluxDB beside the official clients
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --quiet --group bench
	$(BIN)/python -m benchmarks.sources

bench-restore: $(STAMP) ## Measure line protocol made of tables beside the official client's writer of data frames
	VIRTUAL_ENV=$(abspath $(VENV)) $(UV) pip install --quiet --group bench
	$(BIN)/python -m benchmarks.restore

bench-write: $(STAMP) $(WRITERS)/.installed ## Measure the write path beside a plain Parquet writer, pyiceberg, Polars, Daft and dlt
	$(BIN)/python -m benchmarks.write_path --others $(WRITERS)/bin/python

# Daft and dlt, with this project for the rows and the table: Daft takes an older pyarrow than the lock has.
$(WRITERS)/.installed: pyproject.toml $(STAMP)
	@test -x $(WRITERS)/bin/python || $(PYTHON) -m venv $(WRITERS) || python3 -m venv $(WRITERS)
	VIRTUAL_ENV=$(abspath $(WRITERS)) $(UV) pip install --quiet --editable ".[duckdb]" --group bench-write
	@touch $@

clean: ## Remove the environment and the demo's data
	rm -rf $(VENV) $(WRITERS) .venv-* .lake .dagster
