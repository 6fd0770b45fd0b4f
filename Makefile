# Two commands: `make sweep` (the main job on the embedded data set) and `make test`. Both create the environment first.
# `make check` is what a change needs in daily work: the tests that neither compile with XLA, start a process nor take long.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: sweep test check lint bench accelerator clean

sweep: .venv/.installed
	$(BIN)/python -m experiments.sweep $(ARGS)

# A worker that crashes ends the run, which names its test: of one that is replaced, xdist 3.8 may wait for ever.
ENDS := --max-worker-restart=0

# Bytecode is kept: to write anew what pytest makes of every assert takes each worker 5 s.
test check: export PYTHONDONTWRITEBYTECODE =

test: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ENDS) $(ARGS)

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --maxprocesses 4 --dist loadfile $(ENDS) $(ARGS)

lint: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks.sweep $(ARGS)
	$(BIN)/python -m benchmarks.similarities $(ARGS)
	$(BIN)/python -m benchmarks.baselines $(ARGS)
	$(BIN)/python -m benchmarks.catalogue
	$(BIN)/python -m benchmarks.imitation
	$(BIN)/python -m benchmarks.largest_cell
	$(BIN)/python -m benchmarks.ratings_reading
	$(BIN)/python -m benchmarks.ratings_training $(ARGS)
	$(BIN)/python -m benchmarks.retrieval $(ARGS)
	$(BIN)/python -m benchmarks.scale

accelerator: .venv/.installed
	$(BIN)/python -m benchmarks.accelerator $(ARGS)

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"expected Python 3.11 or newer, got {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv
