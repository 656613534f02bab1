# Two commands are all a newcomer needs: `make audit` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
AUDIT  := $(VENV)/.audit
# uv, where it is installed, takes a fifth of pip's time
PIP    = $(if $(shell command -v uv 2>/dev/null),uv pip install --quiet --python $(BIN)/python,\
  $(BIN)/python -m pip install --quiet --disable-pip-version-check)
TOOLS  := .tools
WORKERS ?= 2
FUZZ_SECONDS ?= 600
LOCK = $(TOOLS)/bin/uv pip compile pyproject.toml -c requirements-lock.txt --universal --generate-hashes --no-header --no-annotate

.PHONY: audit test test-fast test-slow lint types layers docs reference unit real bench wheel sbom supply-chain lock fuzz validate clean

audit: $(AUDIT)
	$(BIN)/adhere score src/adhere/samples/*.jsonl --report samples.html
	$(BIN)/adhere audit --report report.html
	@echo "Open report.html (the bundled model, measured live) and samples.html (the sample answers, scored)."

test: lint types layers docs unit

# what an audit of open weights needs, without the test tools
$(AUDIT): pyproject.toml requirements-lock.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -c requirements-lock.txt -e ".[explain]"
	touch $@

$(STAMP): pyproject.toml requirements-lock.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -c requirements-lock.txt -e ".[dev]"
	touch $@ $(AUDIT)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/zensical build --strict --clean

# docs/reference, from docstrings, help texts and schemas; a test compares it with the code
reference: $(STAMP)
	$(BIN)/python -m scripts.reference

unit: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not wheel"

test-fast: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not slow and not wheel"

test-slow: $(STAMP)
	$(BIN)/pytest -n $(WORKERS) -m "slow or wheel"

# a real model through every command, for hours if need be; goes on where it stopped
real: $(STAMP)
	nice -n 19 $(BIN)/python -m benchmarks.real

# coverage and error of every interval and rule, simulated; writes docs/results/validity.md
validate: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.validity

bench: $(STAMP)
	$(BIN)/python -m benchmarks

$(TOOLS)/.installed:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check build cyclonedx-bom pip-audit pip-licenses
	touch $@

wheel: $(TOOLS)/.installed $(STAMP)
	rm -rf dist
	$(TOOLS)/bin/python -m build --outdir dist .
	$(BIN)/pytest -m wheel

sbom: $(TOOLS)/.installed $(STAMP)
	mkdir -p dist
	$(TOOLS)/bin/cyclonedx-py environment $(BIN)/python --output-file dist/sbom.cyclonedx.json

# the versions of requirements-lock.txt, with the hashes of their files, for everything and for the gateway's image
lock: $(TOOLS)/.installed
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) --extra dev --python-version 3.11.8 -o requirements-hashes.txt
	$(LOCK) --extra enforce --extra postgres --python-version 3.13 -o requirements-gateway.txt

# every reader of what strangers wrote, for ten minutes; `python -m fuzz --guided --target NAME` follows coverage
fuzz: $(STAMP)
	$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS) --keep .fuzz

# psycopg is LGPL: an extra that is installed apart and imported as it is
supply-chain: $(TOOLS)/.installed $(STAMP)
	$(TOOLS)/bin/pip-audit --requirement requirements-hashes.txt --require-hashes --disable-pip
	$(TOOLS)/bin/pip-licenses --python $(BIN)/python --partial-match \
	  --ignore-packages psycopg psycopg-binary \
	  --fail-on "GPL;General Public;Affero;SSPL;BUSL;Commons Clause;Proprietary"

clean:
	rm -rf $(VENV) $(TOOLS) site dist report.html samples.html
