# make run | demo | bench | test | check | clean. Each sets up .venv by itself first.

PYTHON  ?= python3
CORES   ?= 2
VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
TESTED  := $(VENV)/.installed-for-tests
BENCHED := $(VENV)/.installed-for-bench
CODE    := dalston_realtime runtime engines broker storage stages gateway enhancement bench tests docs

# Each core runs whole files, in the order in which they lie: the longest are in the first rings.
ON_CORES = $(if $(filter 1,$(CORES)),,-n $(CORES) --dist loadfile --no-loadscope-reorder)

ifneq ($(FANOUT),)
export DALSTON_FANOUT := $(FANOUT)
endif
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1

.PHONY: install run demo bench bench-guard test chaos chaos-enhance kills fuzz attack sbom check gpu-check format clean help conformance docs

help:  ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

PIP     := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

install: $(STAMP)  ## make .venv and install the project with what runs without a GPU

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, not " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "the venv module is missing: on Debian, apt install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (a minute or two the first time)"
	@$(PIP) --editable '.[server,moonshine-base]'
	@touch $@

$(TESTED): $(STAMP)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "the tests need Python 3.11.4 or newer, as NeMo does, not " + sys.version.split()[0])'
	@echo "installing all engines and the tools for the tests (a few minutes the first time)"
	@$(PIP) --editable '.[server,moonshine-base,whisper,parakeet,enhancement,emotions,bench,dev]'
	@touch $@

$(BENCHED): $(STAMP)
	@echo "installing what the benchmark needs"
	@$(PIP) --editable '.[server,moonshine-base,whisper,bench]'
	@touch $@

run: install  ## start the server; make run FANOUT=vad=2,asr=2 with more processes of a stage
	@exec dalston-rt serve

demo: install  ## start a server, play a real recording to it, watch it become text
	@python -m runtime.demo

bench: $(BENCHED)  ## measure a server under load; make bench ARGS="capacity --help" for more
	@dalston-rt bench $(ARGS)

bench-guard: $(BENCHED)  ## compare the tree with a git revision in turns; make bench-guard REV=HEAD
	@dalston-rt bench guard --rev '$(or $(REV),HEAD)' $(ARGS)

test: $(TESTED)  ## run all tests; RING=unit: one ring; SEED=1: the property tests' examples of that seed; CORES=1: one by one
	@python -m pytest $(ON_CORES) $(if $(RING),tests/$(RING)) $(if $(SEED),--hypothesis-seed=$(SEED))

conformance: $(TESTED)  ## connect the clients of other services, LiveKit and Pipecat too, and print who did what
	@CONFORMANCE=all python -m pytest -q tests/dialects

chaos: $(TESTED)  ## break something 50 times in each of three rounds while clients speak, and make a table
	@CHAOS_FAULTS=50 CHAOS_SEEDS=1,2,3 CHAOS_AWAY_S=30 CHAOS_PAUSE_S=2 python -m pytest -q -s tests/chaos/test_chaos.py

chaos-enhance: $(TESTED)  ## kill gateways, enhancers, Redis and the database at 50 random moments of jobs
	@ENHANCE_KILLS=50 python -m pytest -q --timeout=3600 tests/chaos/test_enhance_chaos.py

kills: $(TESTED)  ## kill a gateway at 50 random moments of recorded sessions
	@RECORDING_KILLS=50 python -m pytest -q tests/wire/test_gateway_recording.py -k killed

fuzz: $(TESTED)  ## look for counterexamples: atheris for MINUTES (2), the property tests with many examples, ROUNDS times (3)
	@python -m tests.fuzz -max_total_time=$$(( 60 * $(or $(MINUTES),2) ))
	@for round in $$(seq $(or $(ROUNDS),3)); do \
		REST_EXAMPLES=100 python -m pytest -q --timeout=3600 tests/wire/test_rest_suite.py || exit 1; \
		python -m pytest -q -m hypothesis --hypothesis-profile=fuzz --timeout=3600 tests || exit 1; done

attack: $(TESTED)  ## attack a gateway beside honest clients, and say what it costs; MINUTES=60: all attacks mixed, for so long
	@ATTACKS=1 ATTACK_MINUTES=$(MINUTES) python -m pytest -q -s tests/chaos/test_attacks.py

sbom: $(STAMP)  ## look for known faults in what is installed, and write sbom.json
	@$(PIP) --editable '.[audit]'
	@pip-audit --local --skip-editable
	@cyclonedx-py environment --output-file sbom.json $(VENV)

docs: $(STAMP)  ## build the documents as a site in build/docs
	@$(PIP) --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 mkdocs build --quiet
	@echo "open build/docs/index.html"

check: $(TESTED)  ## format, lint, types, floors, tests; make check RING=unit with one ring of the tests
	@ruff format --check $(CODE)
	@ruff check $(CODE)
	@mypy
	@lint-imports
	@python -m pytest $(ON_CORES) $(if $(RING),tests/$(RING))

gpu-check: $(TESTED)  ## what this device holds of fast and accurate; make gpu-check AUDIO=folder MODELS=...
	@python -m bench.scenarios.gpu_check $(AUDIO) $(if $(MODELS),--models '$(MODELS)')

format: $(TESTED)  ## format the code
	@ruff check --fix-only --quiet $(CODE)
	@ruff format $(CODE)

clean:  ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache *.egg-info
