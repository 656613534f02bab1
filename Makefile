# Two commands are all a newcomer needs: `make audit` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: audit test lint types floors docs unit bench clean

audit: $(STAMP)
	$(BIN)/adhere score src/adhere/samples/*.jsonl --report samples.html
	$(BIN)/adhere audit --report report.html
	@echo "Open report.html (the model inside, measured live) and samples.html (the sample answers, scored)."

test: lint types floors docs unit

$(STAMP): pyproject.toml requirements-lock.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements-lock.txt -e ".[dev]"
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

floors: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/zensical build --strict --clean

unit: $(STAMP)
	$(BIN)/pytest

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) site report.html samples.html
