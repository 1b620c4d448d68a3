# make demo · make test · make lint · make docs · make bench · make release-check: each sets up .venv by
# itself, on a machine with Python 3.10 or newer and nothing else. Another Python, in an environment of its own:
# make test PYTHON=python3.12 VENV=.venv-3.12

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 3
OUT ?= ti-demo

.PHONY: demo test lint docs format bench release-check browser clean

demo: $(VENV)/.ready
	$(BIN)/ti demo --out $(OUT) $(ARGS)

# What Python and pytest compile is kept: without it each process of the tests compiles all of them again.
unexport PYTHONDONTWRITEBYTECODE

# Files run in their order: those that drive a browser take longest, and are among the first. Many tests
# start programs, which are compiled once here and not by each of them.
test: $(VENV)/.ready-dev browser
	$(BIN)/python -m compileall -q ti_core ti_webui comfy_nodes
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/stand_ins.toml

# Into build/docs; a warning is an error.
docs: $(VENV)/.ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

format: $(VENV)/.ready-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/suite.py $(ARGS)

# Builds the sdist and the wheel, and uses the wheel where no checkout is near.
release-check: $(VENV)/.ready-dev
	$(BIN)/python -m tests.repo.release_check "$(TORCH)"

# The tests drive Debian's Chromium; without it they fail, and say how to get it.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	{ test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null; } || \
	{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium; }

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable ".[standalone,cli]"
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --editable ".[standalone,cli,ui,dev]"
	touch $@

$(VENV)/.ready-docs: $(VENV)/.ready-dev
	$(BIN)/python -m pip install --quiet --editable ".[standalone,cli,ui,dev,docs]"
	touch $@

clean:
	rm -rf $(VENV) ti-demo
