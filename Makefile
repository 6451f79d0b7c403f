# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Three main commands: `make demo` shows the network, `make quick` is for use while you write, `make test` tests everything.
# Each sets up what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Everything that is slow to build is kept outside the work tree, under a hash of its inputs.
export TAILSYNC_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tailsync
PYTHON ?= python3
# Computed from the base interpreter, so that a virtual environment in the PATH does not cause a second one.
VENV := $(TAILSYNC_CACHE)/venv-$(shell { cat requirements-dev.txt; $(PYTHON) -c 'import os, sys; print(sys.version, os.path.realpath(sys._base_executable))'; } | sha256sum | cut -c1-12)
BIN := $(VENV)/bin
export PATH := $(BIN):$(PATH)

# Only the checkout's own collection: otherwise one in ~/.ansible would silently be used.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/collections
# A scenario folder at the root is fine as long as molecule is told where it is.
export MOLECULE_GLOB := $(CURDIR)/molecule/*/molecule.yml
export PY_COLORS ?= 0

# A name for this checkout.
HERE := $(shell pwd | sha256sum | cut -c1-12)
LAB := $(BIN)/python tests/lab/lab.py
HOST ?= nas

.PHONY: help
help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

.PHONY: setup
setup: $(VENV)/.complete  ## Create the virtual environment

# No prerequisites: the hash in its name covers its inputs, and every clone changes the files' times.
$(VENV)/.complete:
	@echo "==> virtual environment (about a minute, once)" >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@touch $@

.PHONY: check-machine
check-machine:
	@bash tests/tools/check-machine

.PHONY: env
env: setup  ## Print the development environment: eval "$(make env)"
	@echo 'export PATH="$(BIN):$$PATH" ANSIBLE_CONFIG="$(ANSIBLE_CONFIG)" ANSIBLE_COLLECTIONS_PATH="$(ANSIBLE_COLLECTIONS_PATH)"'
	@echo 'export TAILSYNC_CACHE="$(TAILSYNC_CACHE)" MOLECULE_GLOB="$(MOLECULE_GLOB)"'

# --- the demonstration ------------------------------------------------------------------------

.PHONY: demo
demo: check-machine setup  ## Boot three bare hosts, turn them into a sync network, show it
	@$(BIN)/python tests/lab/demo.py

.PHONY: demo-shell
demo-shell:  ## Open a shell on a host of the demonstration: make demo-shell HOST=nas
	@$(LAB) shell $(HOST)

.PHONY: demo-down
demo-down:  ## Remove what `make demo` started
	@$(LAB) down

# --- the tests --------------------------------------------------------------------------------

.PHONY: test
test: check-machine setup lint all  ## Everything that CI runs

# These targets mostly wait, so two run at a time, the longest first.
.PHONY: all
all: artefacts
	$(MAKE) --jobs=2 --output-sync=target integration $(addprefix molecule-,$(SCENARIOS)) sanity unit build

# Needs neither root nor Go, and no network once the virtual environment exists.
.PHONY: quick
quick: style types  ## Style, types and the quick unit tests, in about a minute
	pytest --numprocesses=2 -m "not slow" tests/unit

.PHONY: style
style: setup
	ruff check .
	ruff format --check .
	yamllint --strict .
	python tests/tools/check_sizes.py

.PHONY: types
types: setup
	cd collections && mypy --config-file ../pyproject.toml -p ansible_collections.homelab.tailsync.plugins
	mypy tests molecule conftest.py

.PHONY: lint
lint: style types  ## Style, types, documentation and ansible-lint's profile production
	ansible-lint
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs .

# Zero tests is a failure: pytest exits with 5 if ARGS select none.
.PHONY: unit
unit: setup  ## Unit tests: make unit ARGS="tests/unit/plugins/plugin_utils -k introducer"
	pytest $(or $(ARGS),--numprocesses=2 tests/unit)

.PHONY: artefacts
artefacts: check-machine setup
	@$(LAB) build

# Joins mostly wait, and each test has its own server; the others share the one ufw and apt of their namespace.
JOINS := tests/integration/coordinator tests/integration/tailscale
INTEGRATION := pytest --numprocesses=2 $(JOINS) && exec pytest tests/integration $(JOINS:%=--ignore=%)

.PHONY: integration
integration: artefacts  ## The engines against real Syncthing and tailscaled on loopback, and real ufw
	unshare --mount --net sh -c 'ip link set lo up && $(if $(ARGS),exec pytest $(ARGS),$(INTEGRATION))'

ANSIBLE_TEST = python tests/tools/run_ansible_test.py --work $(TAILSYNC_CACHE)/ansible-test-$(HERE)

# The unit tests are only collected here, which checks their imports; `make units` runs them.
.PHONY: sanity
sanity: setup  ## ansible-test sanity
	$(ANSIBLE_TEST) sanity $(ARGS)
	$(ANSIBLE_TEST) units --collect-only

.PHONY: units
units: setup  ## ansible-test units: the unit tests again, those of host code without the controller's Ansible
	$(ANSIBLE_TEST) units $(ARGS)

.PHONY: build
build: setup  ## Build the collection and install the tarball into an empty path
	bash tests/tools/build-and-install $(TAILSYNC_CACHE)/build-$(HERE)

# Each scenario has its own lab, and names the test folders that must have run.
SCENARIOS := firewall dirty default node install
.PHONY: molecule
molecule: artefacts  ## All scenarios on real hosts with real daemons, checked from the outside
	$(MAKE) --jobs=2 --output-sync=target $(addprefix molecule-,$(SCENARIOS))

molecule-default: FOLDERS := bare mesh
molecule-node: FOLDERS := node
molecule-install: FOLDERS := install
molecule-firewall: FOLDERS := firewall
molecule-dirty: FOLDERS := dirty
# Its hosts, in the order of their addresses, see molecule/dirty/hosts.yml.
DIRTY_HOSTS := owner second cloud taken control disks neighbour busy notun ancient messy other=bookworm slow
molecule-dirty: export TAILSYNC_LAB_HOSTS := $(DIRTY_HOSTS)

molecule-%: artefacts
	@rm -rf $(TAILSYNC_CACHE)/evidence/$* && mkdir -p $(TAILSYNC_CACHE)/evidence/$*
	TAILSYNC_LAB=$* molecule test --scenario-name $*
	@for folder in $(FOLDERS); do grep "^$$folder [1-9]" $(TAILSYNC_CACHE)/evidence/$*/ran || { echo "no test of $$folder ran" >&2; exit 1; }; done

# --- what takes long --------------------------------------------------------------------------

.PHONY: slow
slow: artefacts  ## Whole tables and long runs, weekly in CI: make slow ARGS=tests/slow/test_tags.py
	TAILSYNC_LAB=slow pytest $(or $(ARGS),tests/slow)
	$(if $(ARGS),,TAILSYNC_KILLS=50 $(MAKE) integration ARGS=tests/integration/test_killed.py)

# --- measuring --------------------------------------------------------------------------------

.PHONY: benchmark
benchmark: artefacts  ## Measure the controller with 3 to 300 hosts, and the calls of syncthing_cluster
	PYTHONPATH=collections:tests/support python tests/benchmark/controller.py
	unshare --net sh -c "ip link set lo up && PYTHONPATH=collections:tests/lab:tests/support exec python tests/benchmark/run.py"
