# Needs make and Python 3.10 or newer. The first run brings the rest into .venv and .tools; later runs work offline.
# Paths are relative and programs are run as modules, so a checkout with spaces in its path works too.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && { echo $$p; break; }; done)
PORT ?= 8000
METRICS_PORT ?= 9091
JOBS ?= 4
PYTEST_ARGS ?=
BENCH ?=
MATRIX ?=

VENV_PYTHON := .venv/bin/python
# Of its own, since the development tools take minutes to install.
EXAMPLE_PYTHON := .venvs/example/bin/python
TOOLS := redis-server promtool prometheus kubectl helm chromium

.DEFAULT_GOAL := help
.PHONY: help venv example-venv tools run test lint format reference manifests screenshots docs bench bench-check test-matrix clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "  Variables: PORT=8000 METRICS_PORT=9091 (run), PYTEST_ARGS= JOBS=4 (test), BENCH=\"hot_path scrape\" (bench), MATRIX=all (test-matrix), PYTHON=python3"

venv: ## Make .venv with the project and its development tools
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" scripts/environment.py .venv ".[dev]"

example-venv:
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@mkdir -p .venvs
	@"$(PYTHON)" scripts/environment.py .venvs/example ".[flask]"

tools: venv ## Bring the servers and tools of the tests into .tools where the system has none
	@$(VENV_PYTHON) scripts/provision.py $(TOOLS)

run: example-venv ## Run the example Flask application under Gunicorn, with metrics, until Ctrl-C
	@echo "Application: http://127.0.0.1:$(PORT)/"
	@echo "Metrics:     http://127.0.0.1:$(METRICS_PORT)/metrics"
	@echo "Ctrl-C stops both."
	@exec env PROMETHEUS_BIND_ADDRESS=127.0.0.1 PROMETHEUS_METRICS_PORT=$(METRICS_PORT) $(EXAMPLE_PYTHON) -m gunicorn \
		--worker-class gunicorn_prometheus_exporter.PrometheusWorker --workers 2 \
		--bind 127.0.0.1:$(PORT) --chdir example_apps/flask_app app:app

# A test that a busy machine made late may try once more; the summary names it.
test: tools ## Run all tests
	@$(VENV_PYTHON) -m pytest -n $(JOBS) --reruns 1 $(PYTEST_ARGS)

lint: venv ## Check style, formatting and types
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy
	@# Apart, because Grafana's builders are typed for 3.11 on, and not there before.
	@$(VENV_PYTHON) -m mypy --python-version 3.11 --ignore-missing-imports monitoring/dashboard

format: venv ## Format the code and fix what can be fixed
	@$(VENV_PYTHON) -m ruff check --fix .
	@$(VENV_PYTHON) -m ruff format .

reference: venv ## Write the reference pages and the dashboard, which come from the code
	@$(VENV_PYTHON) scripts/metrics_reference.py
	@$(VENV_PYTHON) scripts/settings_reference.py
	@$(VENV_PYTHON) -m monitoring.dashboard

manifests: venv ## Write the single files of k8s/, which come from its overlays
	@$(VENV_PYTHON) scripts/manifests.py

docs: venv ## Build the documentation site into site/
	@NO_MKDOCS_2_WARNING=1 $(VENV_PYTHON) -m mkdocs build --quiet --strict

screenshots: tools ## Take the pictures of the status page and of top in docs/images, from real runs, about 2 minutes
	@$(VENV_PYTHON) -m scripts.screenshots
	@$(VENV_PYTHON) -m scripts.terminal_picture docs/images/top.svg

bench: tools ## Measure the exporter next to its peers, about 25 minutes, and write docs/performance.md
	@$(VENV_PYTHON) -m bench $(BENCH)

bench-check: tools ## See that the benchmarks run, without measuring anything
	@$(VENV_PYTHON) -m bench --check

test-matrix: tools ## Run the end-to-end tests on every supported Gunicorn and the Pythons of this machine
	@$(VENV_PYTHON) -m scripts.matrix $(MATRIX)

clean: ## Remove everything the targets above made
	rm -rf .venv .venvs .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
