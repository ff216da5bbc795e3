# Every target installs what it needs first; `make help` lists them.
# Only `make test-small` fetches more than the installation.
# VENV=folder puts the environment elsewhere, VERSIONS=oldest takes the lower bounds of setup.py instead of the newest
# versions, DATA=folder names real speech for tests, JOBS=4 runs so many of them at a time, INPUTS=2000 are so many of
# fuzz, ARGS=... is handed on.

PYTHON ?= python3
VERSIONS ?= newest
VENV ?= $(if $(filter newest,$(VERSIONS)),.venv,.venv-$(VERSIONS))
ARGS ?=
JOBS ?= 2
KILLS ?= 50
CLIPS ?= 2000
INPUTS ?= 20000
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.installed
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'

# Licences that ask for no more than to be named, or that cover only a package's own files; and packages with others,
# which docs/reliability.md tells of.
LICENCES := MIT;BSD;Apache;ISC;PSF;Python Software Foundation;0BSD;MPL-2.0;Mozilla;NVIDIA
KNOWN_LICENCES := speechbrain_xser espeakng-loader pycocoevalcap cuda-toolkit praat-parselmouth dtw-python yamllint

# The package is small enough that more threads only wait for each other; nothing is fetched at run time.
export TOKENIZERS_PARALLELISM := false
unexport PYTHONDONTWRITEBYTECODE # with it, every process of a test compiles everything again
export HF_HUB_OFFLINE ?= 1
ifdef DATA
export XSER_DATA := $(DATA)
endif

.PHONY: help setup lock demo test test-fast test-small test-scale test-serve soak fuzz audit doctest docs lint dist check-wheel recipe-lists train-tiny clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## create the environment with the locked versions and install the package into it

$(STAMP): setup.py pyproject.toml requirements/$(VERSIONS).txt $(UV)
	@begun=$$(date +%s); echo "installing requirements/$(VERSIONS).txt into $(VENV)"; \
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/$(VERSIONS).txt && \
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . && \
	echo "installed in $$(($$(date +%s) - begun)) s, $$(du -sh $(VENV) | cut -f1) in $(VENV)"
	@touch $@

$(UV): requirements/uv.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	  f"$(PYTHON) is Python {v[0]}.{v[1]}, expected 3.11 to 3.13: say make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

lock: $(UV) ## write requirements from setup.py; keeps the versions that still fit, ARGS=--upgrade takes the newest
	$(COMPILE) setup.py --extra dev $(ARGS) --output-file requirements/newest.txt
	$(COMPILE) setup.py --extra dev $(ARGS) --resolution lowest-direct --output-file requirements/oldest.txt
	$(COMPILE) requirements/uv.in $(ARGS) --output-file requirements/uv.txt
	$(COMPILE) requirements/audit.in $(ARGS) --output-file requirements/audit.txt

demo: $(STAMP) ## train, evaluate and explain on the embedded corpus, in minutes
	$(BIN)/python recipes/Tiny/demo.py $(ARGS)

test: export OMP_NUM_THREADS ?= 1
test: $(STAMP) ## run all tests but those of test-small, test-scale and soak
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not small and not scale and not soak" $(ARGS)

test-fast: export OMP_NUM_THREADS ?= 1
test-fast: $(STAMP) ## run the tests that need no training, no browser and no patience
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not training and not browser and not small and not scale and not soak and not slow" $(ARGS)

fuzz: export OMP_NUM_THREADS ?= 1
fuzz: export XSER_FUZZ := $(INPUTS)
fuzz: $(STAMP) ## hand 20,000 odd sounds, manifests, answers and folders over; INPUTS=2000 for fewer
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -rP $(ARGS) $(wildcard tests/faults/test_fuzz_*.py)

test-small: export OMP_NUM_THREADS ?= 1
test-small: $(STAMP) ## bring the backbones of the small model, once, and run the tests that need them
	$(BIN)/xser setup small
	$(BIN)/xser setup speakers
	$(BIN)/python -m pytest -m small $(ARGS)

soak: export OMP_NUM_THREADS ?= 1
soak: export XSER_KILLS := $(KILLS)
soak: $(STAMP) ## kill a training KILLS times (50) at random instants; it has to end like one that nobody killed
	$(BIN)/python -m pytest -s -m soak tests/faults $(ARGS)

test-serve: export OMP_NUM_THREADS ?= 1
test-serve: $(STAMP) ## ask a server a thousand times, and print how much memory it takes
	XSER_REQUESTS=1000 $(BIN)/python -m pytest tests/faults/test_memory_of_a_server.py $(ARGS)

test-scale: export OMP_NUM_THREADS ?= 1
test-scale: export XSER_CLIPS := $(CLIPS)
test-scale: $(STAMP) ## kill ranks ten times, and actors and drivers of batch work on 2,000 clips of DATA; CLIPS=200 for fewer
	XSER_RANK_KILLS=10 $(BIN)/python -m pytest tests/faults/test_killed_ranks.py $(ARGS)
	$(BIN)/python -m pytest -s -m scale tests/scale $(ARGS)

audit: $(STAMP) ## look for known vulnerabilities of the locked versions, and for licences that are not permissive
	$(PYTHON) -m venv $(VENV)/audit
	$(UV) pip install --quiet --python $(VENV)/audit/bin/python --require-hashes -r requirements/audit.txt
	$(VENV)/audit/bin/pip-licenses --python $(BIN)/python --from=mixed --order=license --summary \
	  --partial-match --allow-only "$(LICENCES)" --ignore-packages $(KNOWN_LICENCES)
	$(VENV)/audit/bin/pip-audit --requirement requirements/$(VERSIONS).txt --require-hashes --disable-pip --strict $(ARGS)

doctest: export OMP_NUM_THREADS ?= 1
doctest: $(STAMP) ## run the examples in every docstring
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --doctest-modules speechbrain_xser recipes $(ARGS)

docs: export OMP_NUM_THREADS ?= 1
docs: $(STAMP) ## build the documentation into docs/_build/html; a warning is an error
	rm -rf docs/api docs/recipes
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html

lint: $(STAMP) ## check the code's style
	$(BIN)/python -m ruff check .

dist: $(STAMP) ## build wheel and sdist into dist
	rm -rf dist build
	$(UV) build --quiet --no-build-isolation --python $(BIN)/python --out-dir dist .
	rm -rf build

check-wheel: dist ## install the wheel into an empty environment and use it outside the checkout
	UV=$(abspath $(UV)) PYTHON=$(abspath $(BIN)/python) tests/wheel/check dist/*.whl requirements/$(VERSIONS).txt

recipe-lists: $(STAMP) ## write SpeechBrain's lists of recipes, tests/recipes/*.csv, from the folder of recipes
	$(BIN)/python tests/recipes/lists.py

train-tiny: $(STAMP) ## train the packaged model again, at full length; continues where it was stopped
	$(BIN)/python recipes/train.py recipes/Tiny/hparams/train.yaml $(ARGS)

clean: ## remove the environment and caches, not what runs have written
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .ruff_cache docs/_build docs/api docs/recipes
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
