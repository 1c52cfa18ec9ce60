# Everything works on a fresh machine with Python 3.11+ and make: each target sets up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

QUESTION ?= How do I make banana bread?

.PHONY: ask test check format benchmarks clean

ask: $(READY)  ## Ask the question that this project is measured by
	$(BIN)/souschef ask "$(QUESTION)"

test: $(READY)  ## Every test: seconds without models, then minutes with them
	$(BIN)/python -m pytest tests/unit
	$(BIN)/python -m pytest tests/integration tests/standard

check: $(READY)  ## What every commit must pass
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/unit

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmarks: $(READY)  ## Figures, as ratios against named peers; about an hour, and 16 GB of memory
	for script in $(filter-out %/recipes_to_measure.py %/ppo_step_ours.py %/ppo_step_peer.py,$(wildcard tests/benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Souschef needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about two minutes, 2 GB) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(READY)
