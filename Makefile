# make test   everything that must hold, from a fresh clone with nothing installed
# make check  the same without the tests
# make demo   the product on a small data set
# make clean  forget the environment and all caches

# The first interpreter that is new enough and can make a virtual environment.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready
PIP := $(PY) -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.DEFAULT_GOAL := test
.PHONY: test check demo clean

test: check
	$(PY) -m pytest

check: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/basedpyright --pythonpath $(PY)
	$(VENV)/bin/lint-imports

demo: $(READY)
	$(PY) -m tunewright.cli demo

# Without build isolation the build tool is the pinned one too; an unfinished environment is no
# environment, so the stamp comes last and a changed list of packages starts over.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 or newer with venv; install one, or say make PYTHON=..."; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
