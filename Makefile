# Everything that is needed comes into .venv by itself; `make` alone says what there is.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# `make test PYTHON=python3.13`: with that Python, in an environment of its own.
VENV := .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
CLIP := build/demo.mp4

# Many tests wait for a server, a lease or a kill. A file's tests stay together: they
# share what they start. Those of few tests come last, which are the heaviest: together
# with all others they would starve each other.
SIDE_BY_SIDE := -n 4 --dist loadfile

# Found by running them: a version manager's shim may exist and still not start.
PROVE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
CANDIDATES := $(or $(PYTHON),python3.13 python3.12 python3.11 python3)

# What can differ in what ships: that all of it is there and can be imported, that commands,
# workers and handlers start, and whole jobs. `make test` has run the rest already.
SHIPPED := tests/cli/test_entry.py tests/cli/test_show.py tests/cli/test_doctor.py \
  tests/e2e/test_run.py tests/handlers/test_import.py tests/test_harness.py \
  tests/handlers/test_aws_lambda.py::test_an_upload_becomes_a_result \
  tests/handlers/test_functiongraph.py::test_an_event_function
# These look at the checkout itself, or run what the wheel does not have.
OF_THE_CHECKOUT := test_house.py test_docs.py test_documented_commands.py test_deploy.py test_pins.py test_bench.py deploy/test_compose.py mutations browser \
  sandbox/test_choke_point.py e2e/test_kills.py e2e/test_soak.py
# From a folder where the checkout's package cannot be imported.
TEST_WHEEL = cd build/wheel && TESTS_OF_WHEEL=1 venv/bin/pytest -c ../../pyproject.toml \
  --rootdir ../.. -p no:cacheprovider $(SIDE_BY_SIDE)

.PHONY: help demo cloud-demo test lint format wheel test-wheel pins base clean

help: ## what you are reading
	@echo "transcode: video in, verified renditions and a bill out"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make demo FILE=/some/video.mov   the same for a video of yours"
	@echo "  make test PYTHON=python3.13      with that Python, in an environment of its own"

# As pip does for whoever installs: thousands of processes need not compile it anew, which
# they do where PYTHONDONTWRITEBYTECODE is set.
COMPILE = $(BIN)/python -m compileall -q transcode

demo: $(STAMP) ## transcode a short clip (or FILE=…) and show the result and the bill
	@$(COMPILE)
	@file="$${FILE:-}"; \
	if [ -z "$$file" ]; then $(MAKE) --no-print-directory --silent $(CLIP); file=$(CLIP); fi; \
	echo "transcode run $$file"; \
	$(BIN)/transcode run "$$file"; \
	echo; echo "The command is $(BIN)/transcode; . $(BIN)/activate has it found by its name."

cloud-demo: $(STAMP) ## a platform on this machine: each task in a memory of its own
	@$(COMPILE)
	@$(BIN)/python -m bench.cloud_demo $(FILES)

test: lint ## lint, then every test; pass pytest more with ARGS='-k probe'
	@$(COMPILE)
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(ARGS)

lint: $(STAMP) ## ruff, its formatter and mypy --strict
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "run 'make format'" >&2; exit 1; }
	@$(BIN)/mypy

format: $(STAMP) ## let ruff rewrite what it can
	@$(BIN)/ruff check --quiet --fix --exit-zero .
	@$(BIN)/ruff format .

wheel: build/wheel/venv ## build the wheel, install it elsewhere, test the main part of that
	@$(TEST_WHEEL) $(addprefix ../../,$(SHIPPED)) $(ARGS)

test-wheel: build/wheel/venv ## the same with every test that needs no checkout
	@$(TEST_WHEEL) $(addprefix --ignore=../../tests/,$(OF_THE_CHECKOUT)) ../../tests $(ARGS)

# Always anew: what ships is any file of the package.
.PHONY: build/wheel/venv
build/wheel/venv: $(STAMP)
	@rm -rf build/wheel && mkdir -p build/wheel
	@$(BIN)/pip wheel -qq --disable-pip-version-check --no-deps -w build/wheel .
	@$(BIN)/python -m venv build/wheel/venv
	@build/wheel/venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt pip
	@build/wheel/venv/bin/pip install -qq --disable-pip-version-check -c constraints.txt build/wheel/*.whl --group test
	@cd build/wheel && venv/bin/transcode --version
	@cd build/wheel && venv/bin/transcode profiles

# Hashes of every file of each version, for any machine and Python; of where they come
# from nothing is written.
HASHED = build/pins/bin/uv --quiet pip compile --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
  --custom-compile-command "make pins" --constraint constraints.txt

pins: ## write the hashes of what constraints.txt pins
	@mkdir -p build
	@python3 -m venv build/pins
	@build/pins/bin/pip install -qq --disable-pip-version-check -c constraints.txt uv
	@$(HASHED) --output-file requirements.txt pyproject.toml
	@$(HASHED) --output-file requirements-build.txt requirements-build.in

base: ## write the digest of the image that ours begins with; wants docker
	@digest=$$(docker buildx imagetools inspect python:3.13-slim --format '{{.Manifest.Digest}}'); \
	sed -i "s|^ARG BASE=.*|ARG BASE=python:3.13-slim@$$digest|" Dockerfile; \
	grep '^ARG BASE=' Dockerfile

clean: ## remove what make and the tests have made, .venv too; transcoded/ stays
	@rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Editable, so that an edit is tested without installing again; `make wheel` tests what
# users install.
$(STAMP): pyproject.toml constraints.txt transcode/version.py
	@for p in $(CANDIDATES); do \
	  if "$$p" -c '$(PROVE)' >/dev/null 2>&1; then python=$$p; break; fi; \
	done; \
	if [ -z "$${python:-}" ]; then \
	  echo "transcode needs Python 3.11, 3.12 or 3.13 with venv and pip; none of" \
	    "'$(CANDIDATES)' is one. On Debian: apt install python3 python3-venv" >&2; \
	  exit 1; \
	fi; \
	echo "making $(VENV) with $$($$python -V); this takes a minute or two, once"; \
	"$$python" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt pip
	@(while sleep 2; do printf .; done) & trap "kill $$!" EXIT; \
	  $(BIN)/pip install -qq --disable-pip-version-check -c constraints.txt -e . --group dev; \
	  echo
	@touch $@

$(CLIP): | $(STAMP)
	@mkdir -p $(@D)
	@echo "making a clip of 6 s with sound: $@"
	@"$$($(BIN)/python -c 'import imageio_ffmpeg as i; print(i.get_ffmpeg_exe())')" \
	  -nostdin -v error -y \
	  -f lavfi -i mandelbrot=size=1280x720:rate=30:maxiter=200 \
	  -f lavfi -i 'aevalsrc=0.2*sin(2*PI*220*t*(1+floor(mod(t\,6))/4)):s=48000' \
	  -t 6 -c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p \
	  -c:a aac -b:a 128k -ac 2 $@
