# What people type here. Everything lives in $(VENV), made once from requirements.lock with Python 3.11 or 3.12.
#
#   make demo    the whole workflow on the books of this repository, on a CPU
#   make test    the tests
#   make lint    formatting, style and Snakemake's own checks

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread a process: the tests run in parallel processes, and sums keep their order on every machine.
TEST_FLAGS ?= -n 2 --dist loadfile --no-loadscope-reorder
# The programs that the workflow starts are found here first; `python` is then the environment's own.
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

.PHONY: demo
demo: $(READY) ## The whole workflow on the books of this repository (CPU); ends in results/demo/report.html
	snakemake --profile local --configfile config/demo.yaml
	@python -m eval summary --report results/demo/report.json

# Each stage goes on from the model of the one before; the tokenizer is made first, from all kinds of drills.
.PHONY: base
base: $(READY) ## A small model that retrieves, from nothing (CPU, an hour); results/base-8/models/ce and its audit
	snakemake results/base-tokenizer/tokenizer --profile local --configfile config/base/tokenizer.yaml
	for stage in 1 2 3 4 5 6 7 8; do \
		snakemake results/base-$$stage/models/ce --profile local --configfile config/base/stage-$$stage.yaml; \
	done
	snakemake audit --profile local --configfile config/base/stage-8.yaml

# One seed of the study of claims; what it leaves goes into docs/claims.
.PHONY: study
SEED ?= 1
study: $(READY) ## One seed of the study of claims (CPU); SEED=1 to 5
	for part in instruments scaling; do \
		snakemake claims_$${part}_$(SEED)_audit --profile local --configfile config/studies/claims.yaml; \
		python -m eval part --run results/claims-$$part-$(SEED) --output docs/claims/$$part-$(SEED); \
	done
	python -m eval claims --parts docs/claims --output docs/claims.md

.PHONY: test
test: $(READY) ## All tests
	OMP_NUM_THREADS=1 python -m pytest $(TEST_FLAGS)

# datasets and datatrove live in an environment of their own, which sees the locked one through a path file.
BENCH := build/bench-venv
.PHONY: bench-data
bench-data: $(BENCH)/.ready ## Tokenizing, packing and reading beside other tools, on two processes (ten minutes)
	OMP_NUM_THREADS=1 $(BENCH)/bin/python -W ignore -m benches.data

$(BENCH)/.ready: $(READY) benches/data/requirements.txt
	rm -rf $(BENCH) && $(BIN)/python -m venv $(BENCH)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		"$$($(BENCH)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/locked.pth"
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benches/data/requirements.txt
	@touch $@

.PHONY: bench-train
bench-train: $(READY) ## What a training step costs: operations, memory, time (CPU, three minutes)
	OMP_NUM_THREADS=1 python -W ignore -m benches.train --output docs/benchmarks/train-cpu

.PHONY: bench-eval
bench-eval: $(READY) ## Samples and answers per second beside the usual ways, and the fan-out's overhead (CPU, five minutes)
	OMP_NUM_THREADS=1 python -W ignore -m benches.eval --output docs/benchmarks/eval-cpu

.PHONY: bench-analysis
bench-analysis: $(READY) ## Memory and time of the information flow to 32K tokens beside the eager way (CPU, ten minutes)
	OMP_NUM_THREADS=1 python -W ignore -m benches.eval.analysis --output docs/benchmarks/analysis-cpu

.PHONY: lint
lint: $(READY) ## ruff, snakefmt, snakemake --lint
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	snakemake --lint --configfile config/demo.yaml

.PHONY: format
format: $(READY) ## Write the formatting that lint asks for
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

.PHONY: schema
schema: $(READY) ## Write the configuration's schema and config/README.md again from the settings classes
	python -m workflow.schemas.generate

.PHONY: dag
dag: $(READY) ## Draw docs/images/dag.svg (needs graphviz)
	mkdir -p docs/images
	snakemake --configfile config/demo.yaml --rulegraph dot | tred | dot -Tsvg > docs/images/dag.svg

.PHONY: lock
lock: ## Write requirements.lock again from requirements.in, with the newest versions that fit
	rm -rf build/lock && $(call new_environment,build/lock)
	build/lock/bin/pip install --quiet -r requirements.in
	{ grep -E '^(#|-c)' requirements.lock; build/lock/bin/pip freeze --all | grep -v '^pip=' | sed 's/+cpu$$//'; } > build/requirements.lock
	mv build/requirements.lock requirements.lock

.PHONY: clean
clean: ## Remove the results and the caches; keep the environment
	rm -rf results .snakemake .pytest_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The first Python of a supported version that really runs: a version manager's stand-in may exist and fail.
define new_environment
for candidate in python3.11 python3.12 python3 python; do \
	if $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then \
		$$candidate -m venv $(1) || { rm -rf $(1); echo "error: $$candidate cannot make a virtual environment; install its venv package (Debian: apt-get install python3-venv)" >&2; exit 2; }; \
		break; \
	fi; \
done; \
[ -x $(1)/bin/python ] || { echo "error: no Python 3.11 or 3.12 found; install one (Debian 12: apt-get install python3 python3-venv)" >&2; exit 2; }
endef

# Touched last: an installation that broke off is done again, a finished one only when the lock changes.
$(READY): requirements.lock
	@[ -x $(BIN)/python ] || { $(call new_environment,$(VENV)); }
	@echo "Installing requirements.lock into $(VENV): a few minutes, once" >&2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@
