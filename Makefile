# make demo · make test · make lint · make bench: each sets up .venv by itself, on a machine with
# Python 3.10 or newer and nothing else.

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
OUT ?= ti-demo

.PHONY: demo test lint format bench clean

demo: $(VENV)/.ready
	$(BIN)/ti demo --out $(OUT) $(ARGS)

test: $(VENV)/.ready
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/library_scan.py $(ARGS)

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[standalone,cli,dev]"
	touch $@

clean:
	rm -rf $(VENV) ti-demo
