# Everything a newcomer needs: `make demo`, `make test`; `make help` lists all. Each target installs what it needs
# into $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo demo-paper test check format docs bench house clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(VENV)/train ## name real recordings, correct a mistake, follow a radio programme; MUSIC=~/Music names yours too
	@BIN=$(BIN) sh demo.sh

demo-paper: $(VENV)/learn ## train the paper's LSTM with attention on composed music, and classify (with PyTorch; minutes)
	@BIN=$(BIN) sh demo.sh paper

test: $(VENV)/test ## the whole test suite, and its coverage of the source
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -rs --numprocesses auto --dist loadfile --cov --cov-report=
	@echo "coverage, without processes that the tests start: $$($(BIN)/python -m coverage report --format=total) %"

check: $(VENV)/check ## lint, format, types, and which package may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/check ## put the code in shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/test ## put the real output of commands, and README's picture, into README and docs
	$(BIN)/python bench/documents.py --write

bench: $(VENV)/test ## speed against other programs, as a table
	$(BIN)/python bench/run.py

house: $(VENV)/test ## packages, import cycles, lengths, names and docstrings of the source, as a table
	$(BIN)/python bench/house.py

clean: ## remove what was installed and made
	rm -rf $(VENV) build demo

$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/train: $(VENV)/made pyproject.toml constraints.txt
	@echo "installing Earmark into $(VENV) (about a minute) …"
	$(PIP) --editable '.[train]'
	touch $@

$(VENV)/learn: $(VENV)/made pyproject.toml constraints.txt
	@echo "installing Earmark and PyTorch into $(VENV) (a minute or two) …"
	$(PIP) --editable '.[learn]'
	touch $@

$(VENV)/test: $(VENV)/learn
	$(PIP) --editable '.[learn,test]'
	touch $@

$(VENV)/check: $(VENV)/test
	$(PIP) --editable '.[learn,test,check]'
	touch $@
