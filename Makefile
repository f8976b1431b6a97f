# Requires python3 >= 3.11 with pip and venv, and no compiler. With Node.js, the tests also use zarrita.js and Azurite.
# Each target installs what it needs into .venv, once.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
TORCH ?= torch==2.13.*
ARGS ?=
QUICK ?=
SOAK_MINUTES ?= 10

BIN := $(VENV)/bin
# worksteal: each process runs neighbouring tests, which share servers and other fixtures.
PARALLEL = --numprocesses=$(JOBS) --dist=worksteal
NODE_MODULES := tests/js/node_modules/.package-lock.json tests/azurite/node_modules/.package-lock.json

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests and notebooks start hundreds of processes. Without __pycache__, each of them compiles exzarr again.
export PYTHONDONTWRITEBYTECODE :=

.NOTPARALLEL:
.PHONY: help demo test test-fast torch ray-tests pyramid-tests coverage lint format bench bench-pyramids bench-statistics peer-tests drop-in-tests xarray-tests gallery articles soak release-check clean
.DEFAULT_GOAL := help

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
	    printf '  make %-15s %s\n' "$$name" "$$what"; done
	@printf '\n  make test PYTHON=python3.12 VENV=.venv312   use another Python\n'
	@printf '  make test ARGS="tests/stores -k zip"        pass arguments to the command of a target\n'

demo: $(VENV)/.installed-demo ## write, read and check real data, and draw a map
	@$(BIN)/exzarr demo $(ARGS)

test: $(VENV)/.installed-test $(NODE_MODULES) ## run all tests
	@$(BIN)/python -c "import importlib.util as util, sys; sys.exit(util.find_spec('torch') is None)" \
	    || echo "PyTorch is not installed: the tests that need it are skipped (make torch installs it)" >&2
	@$(BIN)/python -m pytest --quiet $(PARALLEL) $(ARGS)

test-fast: $(VENV)/.installed-test ## run the tests without servers, browsers, notebooks and long property tests
	@$(BIN)/python -m pytest --quiet $(PARALLEL) -m "not slow" $(ARGS)

torch: $(VENV)/.torch ## install PyTorch for its tests, if pip has a build without CUDA

ray-tests: $(VENV)/.installed-test $(VENV)/.installed-ray ## run the tests on a Ray cluster of this machine: two minutes
	@EXZARR_TEST_RAY=1 RAY_AUTH_MODE=disabled $(BIN)/python -m pytest --quiet -W ignore tests/integrations/test_ray.py \
	    "tests/test_docs.py::test_snippets_and_commands_of_the_page_work[docs/guides/clusters.md]" $(ARGS)

coverage: $(VENV)/.installed-test $(NODE_MODULES) ## run all tests, and report the lines that no test runs
	@$(BIN)/python -m pip install --quiet --only-binary=:all: "pytest-cov>=5"
	@$(BIN)/python -m pytest --quiet $(PARALLEL) --cov=exzarr --cov-report=term-missing:skip-covered $(ARGS)

lint: $(VENV)/.installed-lint ## run ruff, mypy and import-linter
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "files are not formatted: run make format" >&2; exit 1; }
	@$(BIN)/mypy
	@report=$$($(BIN)/lint-imports 2>&1) || { echo "$$report" >&2; exit 1; }; echo "$$report" | tail -n 1

format: $(VENV)/.installed-lint ## format the sources and apply the fixes of ruff
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

bench: $(VENV)/.installed-bench ## compare exzarr with its peers; QUICK=1 takes about three minutes
	@$(BIN)/python -m benchmarks $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS)

bench-pyramids: $(VENV)/.installed-bench ## compare builds of pyramids with ngff-zarr and ome-zarr, where they are installed
	@$(BIN)/python -m benchmarks.pyramids $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS)

bench-statistics: $(VENV)/.installed-bench ## compare queries with chunk statistics with scans
	@$(BIN)/python -m benchmarks.statistics $(if $(filter-out 0,$(QUICK)),--quick) $(ARGS)

pyramid-tests: $(VENV)/.pyramids ## run the tests of pyramids with the libraries of OME-Zarr and GeoZarr; needs a VENV= of its own
	@$(BIN)/python -m pytest --quiet $(PARALLEL) tests/multiscale tests/format/multiscales $(ARGS)

peer-tests: $(VENV)/.installed-test ## run the tests of zarr-python with its own codec pipeline and with exzarr's
	@$(BIN)/python -m tests.zarr.peer_tests $(ARGS)

drop-in-tests: $(VENV)/.installed-test ## run the tests of zarr-python with exzarr.zarr in the place of zarr
	@$(BIN)/python -m tests.zarr.drop_in $(ARGS)

xarray-tests: $(VENV)/.installed-test ## run the tests of xarray for Zarr with exzarr in the place of zarr-python
	@$(BIN)/python -m tests.xarray.own_tests $(ARGS)

gallery: $(VENV)/.installed-gallery ## run all notebooks, and build the site in build/site
	@$(BIN)/python -m website build $(ARGS)

articles: $(VENV)/.installed-gallery ## run all notebooks, and update numbers and figures in docs/articles
	@$(BIN)/python -m website articles $(ARGS)

# All cases of the tests of which `make test` runs a part, then rounds of property tests.
# Each round prints its seed, so you can repeat a failure. Exit status 5 of pytest: ARGS leaves no test with `cover`.
soak: $(VENV)/.installed-test ## run all cases of all tests, then property tests, kill tests and fuzzers for SOAK_MINUTES=10
	@$(MAKE) --no-print-directory $(VENV)/.installed-fuzz \
	    || echo "atheris is not available: the fuzzers change their inputs at random" >&2
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest --quiet $(PARALLEL) --timeout=0 -m cover $(ARGS) || [ $$? = 5 ]
	@end=$$(( $$(date +%s) + 60 * $(SOAK_MINUTES) )); \
	while [ "$$(date +%s)" -lt "$$end" ]; do \
	    seed=$$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); \
	    echo "HYPOTHESIS_PROFILE=soak pytest -m hypothesis --hypothesis-seed=$$seed"; \
	    HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest --quiet $(PARALLEL) --timeout=0 \
	        -m hypothesis --hypothesis-seed=$$seed $(ARGS) || exit 1; \
	    echo "EXZARR_TEST_KILLS=100 EXZARR_TEST_SEED=$$seed pytest tests/crash tests/stream/ingest/test_kills.py tests/nodes/test_joint_append.py"; \
	    EXZARR_TEST_KILLS=100 EXZARR_TEST_SEED=$$seed $(BIN)/python -m pytest --quiet $(PARALLEL) \
	        --timeout=0 tests/crash tests/stream/ingest/test_kills.py tests/nodes/test_joint_append.py || exit 1; \
	    echo "python -m tests.fuzz --seed $$seed"; \
	    $(BIN)/python -m tests.fuzz --seconds 60 --seed $$seed || exit 1; \
	done

release-check: lint test ## build the wheel and the sdist, install the wheel alone, and print the next changelog
	@rm -rf dist build/release
	@$(BIN)/python -m hatchling build
	@$(PYTHON) -m venv build/release
	@build/release/bin/python -m pip install --quiet --only-binary=:all: "$$(ls dist/*.whl)[cli]"
	@cd build && release/bin/exzarr --version && release/bin/python -W error -c \
	    "import exzarr; a = exzarr.create_array(shape=(4,), dtype='i4'); a[:] = 1; assert a[...].sum() == 4; [getattr(exzarr, n) for n in ('lab', 'cost', 'stores', 'codecs')]"
	@$(BIN)/towncrier build --draft --version "$$($(BIN)/python -c 'import exzarr; print(exzarr.__version__)')"

clean: ## remove the output of all other targets
	rm -rf "$(VENV)" build dist tests/js/node_modules tests/azurite/node_modules
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- set-up

# One stamp per set of extras: each target installs only what it needs.
# Only wheels, because a source package may require a compiler.
$(VENV)/.installed-%: pyproject.toml $(VENV)/.created
	@echo "installing exzarr[$*] into $(VENV)"
	@$(BIN)/python -m pip install --quiet --only-binary=:all: --editable ".[$*]"
	@touch $@

$(VENV)/.pyramids: pyproject.toml tests/multiscale/requirements.txt $(VENV)/.created
	@echo "installing the libraries of OME-Zarr and GeoZarr into $(VENV)"
	@$(BIN)/python -m pip install --quiet --only-binary=:all: --editable ".[dask]" -r tests/multiscale/requirements.txt
	@touch $@

# Not an extra of the tests: where pip has only builds for CUDA, PyTorch takes several GB. pip resolves it first, and a
# package for CUDA among the results ends the attempt.
$(VENV)/.torch: $(VENV)/.created
	@if ! found=$$($(BIN)/python -m pip install --dry-run --quiet --only-binary=:all: --report - "$(TORCH)" 2>&1); then \
	    echo "pip does not find $(TORCH): the tests that need PyTorch are skipped" >&2; \
	elif echo "$$found" | grep -qE '"name": "(cuda|nvidia|triton|rocm)'; then \
	    echo "$(TORCH) is a build for GPUs here: the tests that need PyTorch are skipped" >&2; \
	else \
	    echo "installing $(TORCH) into $(VENV)"; \
	    $(BIN)/python -m pip install --quiet --only-binary=:all: "$(TORCH)" && touch $@; \
	fi

.PRECIOUS: $(VENV)/.created $(VENV)/.installed-%

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "exzarr requires Python 3.11 or newer, and $(PYTHON) is older: choose another with PYTHON=" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Without npm, or if npm fails, the tests that require zarrita.js or Azurite are skipped with a reason.
$(NODE_MODULES): %/node_modules/.package-lock.json: %/package.json %/package-lock.json
	@if command -v npm >/dev/null; then \
	    echo "installing the packages of $*/package.json"; \
	    (cd $* && npm ci --silent && touch node_modules/.package-lock.json) \
	        || echo "npm failed: tests that require these packages are skipped" >&2; \
	fi
