# The two that a fresh machine needs: `make demo` and `make test`. Each does its own set-up in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo test lint style bench docs catalog db serve clean
help:  ## these verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --progress-bar off -c constraints.txt torch torchvision
	$(PIP) install --quiet --progress-bar off -c constraints.txt -e '.[all,demo,dev]'
	@touch $@

demo: $(VENV)/.ready  ## the main job on real input: search, pull, fine-tune, evaluate, predict
	$(BIN)/python examples/demo.py

test: $(VENV)/.ready  ## all tests
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.ready  ## ruff, mypy --strict, the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

style: $(VENV)/.ready  ## mend what can be mended by a machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready  ## the figures of docs/benchmarks.md
	$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/.ready  ## regenerate the command reference and the compiled license entries
	$(BIN)/python scripts/cli_reference.py
	$(BIN)/python scripts/licenses.py

catalog: $(VENV)/.ready  ## rebuild the bundled catalog from the packages that state its facts
	$(BIN)/python -m scripts.catalog

db: $(VENV)/.ready  ## upgrade and check the registry
	$(BIN)/zoo db upgrade
	$(BIN)/zoo db check

serve: $(VENV)/.ready  ## a hub on this machine
	$(BIN)/zoo serve

clean:
	rm -rf $(VENV) build dist *.egg-info .demo
