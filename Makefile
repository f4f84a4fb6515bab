# Three commands do everything: `make demo`, `make serve` and `make test`. They need Python 3.11+, git and make; the rest is set up
# once, in .venv, from the locks, whose hashes pip checks.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

DEMO := configs/ketamine_nimh.yaml configs/thinking_healthy.yaml configs/opt_periodontal.yaml
COVERAGE := --cov --cov-report=term

.PHONY: demo serve test check lock clean

## Train on the three open trials in data/ and say what each one shows; 20 resamples of the bootstrap instead of 200.
demo: $(VENV)/.runtime
	@for config in $(DEMO); do \
		printf '\n==== %s\n' "$$config"; $(BIN)/predictor train "$$config" --set validation.bootstrap.resamples=20 || exit $$?; \
	done
	@printf '\n==== Reports for three women of the last trial, as a clinic would ask for them\n'
	@$(BIN)/predictor report "$$(ls -d experiments/runs/*-opt-periodontal-* | grep -v partial | tail -n 1)" \
		data/opt_periodontal/opt.csv --as-of 2026-01-01 --rows 1-3 --out experiments/runs/demo_patient_reports
	@printf '\nAll three runs are in experiments/runs/. To look at them in MLflow: %s\n' '$(BIN)/predictor ui'

## Open the service on this machine with a model that gives personal estimates and two whose verdict withholds them: the
## trials of `make demo`, trained where they are not, each marked as a demonstration. `make serve PORT=8010` listens
## elsewhere; accounts and audit log stay in STATE.
PORT := 8000
STATE := experiments/runs/service_state
last_run = $$(ls -d experiments/runs/*-$$(sed -n 's/^  name: //p' "$$config" | head -n 1)-* 2>/dev/null | grep -v partial | tail -n 1)
serve: $(VENV)/.runtime
	@for config in $(DEMO); do \
		if [ -z "$(last_run)" ]; then \
			printf '\n==== %s\n' "$$config"; \
			$(BIN)/predictor train "$$config" --set validation.bootstrap.resamples=20 || exit $$?; \
		fi; \
		[ -e "$(last_run)/model/sign_off.json" ] || $(BIN)/predictor sign "$(last_run)" --demonstration \
			--by "Nobody, started by make serve" || exit $$?; \
	done
	@set --; for config in $(DEMO); do set -- "$$@" "$(last_run)"; done; \
		exec $(BIN)/predictor serve "$$@" --demonstration --port $(PORT) --state $(STATE)

## The fast tests, with the branch coverage of src/.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow and not browser" -n 2 $(COVERAGE)

## What CI checks besides the tests.
check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/bandit --quiet --recursive --severity-level high src .ci
	$(BIN)/python .ci/supply.py licences >/dev/null
	$(BIN)/python .ci/supply.py wheels

## Resolve the dependencies anew, keeping the pins that still fit (needs uv; `rm *.lock` first to take the newest).
LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-header pyproject.toml
lock:
	$(LOCK) --extra serve --extra signing --group build -o requirements.lock
	$(LOCK) --all-extras --group build --group dev -c requirements.lock -o requirements-dev.lock

## Remove what can be made again; runs and data stay.
clean:
	rm -rf $(VENV) dist htmlcov .coverage .coverage.* coverage.xml
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one, or name it: make test PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# pip cannot check the hash of a folder, so the package itself is installed apart, with the build backend of the lock.
define install
	@echo "Installing $< into $(VENV) (once, one to three minutes)"
	$(PIP) install --quiet --require-hashes -r $<
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@
endef

# The development lock holds every pin of the runtime lock, so it serves both.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/pip
	$(install)

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml | $(BIN)/pip
	$(install)
	@touch $(VENV)/.runtime
