# make run    set up .venv and run the default to results/offline_eval.csv
# make test   the same set-up and every check that needs no root, no service and no other environment; half an hour on two cores
# make test-system  the other checks: on a Slurm that it installs, on full disks, each script in an environment of its own
# make bench  install the libraries that semid is compared with, measure, and write results/bench/; more than an hour
# make scale  run a generated catalogue of a million items and say what each job took; 45 minutes, 10 GB of disk
# make sweep  tokenizers on three catalogues, and generators on their IDs, in the parts of config/sweep/, each at most an hour on
#             two cores; what is finished stays when it is stopped (docs/findings.md)
# make generative  train generators on the IDs of eight tokenizers, and SASRec, on the data that config/generative.yaml names
#             (docs/guides/generator.md); what is finished stays when it is stopped
# make docs   set up .venv-docs, and build the documentation as a site: site/index.html
# make clean  remove results, logs, caches and .venv; data/, where your own files may be, stays

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(shell \
	$(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
SOURCES := semid tests workflow_scripts bench examples docs

.PHONY: run test test-system bench scale sweep generative docs clean

run: .venv/installed
	$(BIN)/semid run results/offline_eval.csv

test: .venv/installed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/snakemake --lint
	$(BIN)/pytest -m "not system" --durations=10 --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

test-system: .venv/installed
	$(BIN)/pytest -m system --durations=10 --numprocesses=logical --maxprocesses=2 --dist=loadfile

bench: .venv/bench
	$(BIN)/python -m bench

scale: .venv/bench
	$(BIN)/python -m bench.scale

sweep: .venv/installed
	$(BIN)/python -m bench.sweep

generative: .venv/installed
	$(BIN)/snakemake --cores all --configfile config/generative.yaml -- results/generative_eval.csv

docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet

# apart from .venv and its pins: the sources are read, and nothing of semid is imported
.venv-docs/installed: requirements-docs.txt
	rm -rf .venv-docs
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-docs.txt
	touch $@

# semantic-id asks for numpy 2 and rectokens for triton, and both run without: apart from .venv and its pins
.venv/bench: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.txt --no-build-isolation --editable ".[bench]"
	rm -rf .bench-peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target .bench-peers/semantic-id semantic-id==0.2.5
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target .bench-peers/rectokens rectokens==0.2.2
	touch $@

.venv/installed: requirements.txt pyproject.toml
	@$(if $(PYTHON),,echo "semid needs Python 3.11 or 3.12, and none of python3.11, python3.12, python3 is one: install it, or name it with make PYTHON=/path/to/python"; exit 1)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
		|| { echo "semid needs Python 3.11 or 3.12, but $(PYTHON) is $$($(PYTHON) --version 2>&1)"; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf .venv .venv-docs site .bench-peers .snakemake logs benchmarks dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
