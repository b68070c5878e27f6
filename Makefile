# make demo | test | lint | format | bench | screenshot | clean; each makes .venv first where needed.
# GPU=1 takes PyTorch's default build (CUDA) instead of the CPU one.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed$(if $(GPU),-gpu)
CPU_WHEELS := https://download.pytorch.org/whl/cpu
PACKAGES := alerts core crowd dashboard headcount inference ingest models scenes
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$name; break; fi; done)
TORCH := $(shell sed -n 's/.*"\(torch==[0-9.]*\)".*/\1/p' pyproject.toml)

.PHONY: demo test lint format bench screenshot install clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo        the whole product on a built-in scene"
	@echo "make test        all tests"
	@echo "make lint        ruff, mypy, import rules"
	@echo "make format      format the code"
	@echo "make bench       what this machine has and how fast it counts"
	@echo "make screenshot  docs/images/wall.jpg, from the running demo"
	@echo "make install     .venv with the headcount command (GPU=1 for CUDA)"
	@echo "make clean       remove .venv and caches"

install: $(STAMP)

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module is needed" \
		"(on Debian: apt install python3 python3-venv); or say make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON) ..."; \
		$(PYTHON) -m venv $(VENV); }
	@if [ -z "$(GPU)" ] && ! $(BIN)/python -c 'import torch' 2>/dev/null; then \
		echo "Installing PyTorch's CPU build from its own index ..."; \
		$(BIN)/python -m pip install --disable-pip-version-check --timeout 15 --retries 0 \
			--index-url $(CPU_WHEELS) "$(TORCH)" \
		|| echo "That index cannot be reached; going on with the default one."; fi
	@if [ -n "$(GPU)" ] && $(BIN)/python -c 'import sys, torch; sys.exit(torch.version.cuda is not None)' \
		2>/dev/null; then echo "Replacing PyTorch's CPU build ..."; \
		$(BIN)/python -m pip install --disable-pip-version-check --force-reinstall "$(TORCH)"; fi
	@echo "Installing Headcount and what it needs ..."
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/headcount demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP)
	$(BIN)/headcount doctor

screenshot: $(STAMP)
	$(BIN)/python -m docs.screenshot

clean:
	rm -rf $(VENV) build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
