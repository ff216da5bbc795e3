# Every target installs what it needs first; `make help` lists them.
# VENV=folder puts the environment elsewhere, PIP_FLAGS=... is handed to pip, DATA=folder names real speech for tests,
# JOBS=4 runs so many of them at a time.

PYTHON ?= python3
VENV ?= .venv
PIP_FLAGS ?=
ARGS ?=
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The package is small enough that more threads only wait for each other; nothing is fetched at run time.
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE ?= 1
ifdef DATA
export XSER_DATA := $(DATA)
endif

.PHONY: help setup demo test doctest docs lint train-tiny clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## create the environment and install the package into it

$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  f"$(PYTHON) is Python {v[0]}.{v[1]}, expected 3.11 to 3.13: say make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -e '.[dev]'
	@touch $@

demo: $(STAMP) ## train, evaluate and explain on the embedded corpus, in minutes
	$(BIN)/python recipes/Tiny/demo.py $(ARGS)

test: export OMP_NUM_THREADS ?= 1
test: $(STAMP) ## run all tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: test-fast
test-fast: export OMP_NUM_THREADS ?= 1
test-fast: $(STAMP) ## run the tests that need no training, no browser and no patience
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not training and not browser and not slow" $(ARGS)

doctest: export OMP_NUM_THREADS ?= 1
doctest: $(STAMP) ## run the examples in every docstring
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --doctest-modules speechbrain_xser recipes $(ARGS)

docs: export OMP_NUM_THREADS ?= 1
docs: $(STAMP) ## build the documentation into docs/_build/html; a warning is an error
	rm -rf docs/api docs/recipes
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html

lint: $(STAMP) ## check the code's style
	$(BIN)/python -m ruff check .

train-tiny: $(STAMP) ## train the packaged model again, at full length; continues where it was stopped
	$(BIN)/python recipes/train.py recipes/Tiny/hparams/train.yaml $(ARGS)

clean: ## remove the environment and caches, not what runs have written
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache docs/_build docs/api docs/recipes
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
