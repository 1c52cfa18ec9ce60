# Everything works on a fresh machine with Python 3.11+ and make: each target sets up .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# without the plugins that only other tests use, whose imports take seconds in each process
UNIT := PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(BIN)/python -m pytest -p pytest_asyncio.plugin -p pytest_timeout \
	-p _hypothesis_pytestplugin -p xdist --numprocesses 2 --dist worksteal tests/unit
# the files at the end of tests/integration are small, so that both processes end together
SLOW := $(BIN)/python -m pytest tests/standard tests/integration

QUESTION ?= How do I make banana bread?

.PHONY: ask chat test check format benchmarks train-adapters clean

ask: $(READY)  ## Ask the question that this project is measured by
	$(BIN)/souschef ask "$(QUESTION)"

chat: $(READY)  ## Chat in the terminal
	$(BIN)/souschef chat

test: $(READY)  ## Every test: seconds without models, then minutes with them, some two at a time
	$(UNIT)
	$(SLOW) -m alone --durations 10
	$(SLOW) -m "not alone" --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		--benchmark-disable --durations 10

check: $(READY)  ## What every commit must pass
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(UNIT)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

DATA ?= ../shared/data
PARTS := %/recipes_to_measure.py %/ppo_step_ours.py %/ppo_step_peer.py %/card_answers.py
NEED_DATA := %/routing_held_out.py
SCRIPTS := $(filter-out $(PARTS) $(if $(wildcard $(DATA)),,$(NEED_DATA)),$(wildcard tests/benchmarks/*.py))

benchmarks: $(READY)  ## Figures, as ratios against named peers; about an hour, and 16 GB of memory
	failed=; for script in $(SCRIPTS); do \
		echo "== $$script"; $(BIN)/python $$script || failed="$$failed $$script"; done; \
	if [ -n "$$failed" ]; then echo "Outside a limit:$$failed"; exit 1; fi

train-adapters: $(READY)  ## Train again what ships in agent/adapters: five to six hours on 2 cores
	$(BIN)/python -m agent.adapters.train --data $(DATA) --out runs/adapters $(if $(FAST),--fast)

clean:
	rm -rf $(VENV)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Souschef needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about two minutes, 2 GB) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(READY)
