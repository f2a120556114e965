# Everything there is to do with this checkout. A bare `make` lists it. Needs Python 3.11 or newer, and make.

PYTHON ?= python3
BIN := .venv/bin
SEEDS ?= 2000
KILLS ?= 1000
ONLY ?=
VERSION ?=
ARCH ?= arm64
API ?= rest
SNAP_START ?=
TRACES ?=
STACK ?= agnes
YES ?=
SBOM_ARCH ?= local
UPGRADE ?=
ADVISORIES ?=
PYTEST := $(BIN)/pytest
NO_SERVERS := not git and not sftp and not postgresql and not minio and not localstack and not client and not oidc and not journey and not browser \
  and not spark and not attack and not lambda_layers

# A recipe's shell must not inherit somebody else's virtual environment or module path.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Nor compile our modules anew in each of the thousand processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo test check lint prices pins audit sbom journeys client-drift browser cloud scale simulate attack histories bench checks-score cost layers composed infra deployable deploy teardown docs clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: .venv/.local ## serve Agnes on this machine (PORT=8000, AGNES_DATA_DIR=.agnes)
	@exec $(BIN)/agnes-local run

demo: .venv/.local ## fill a running Agnes with a believable demonstration
	@exec $(BIN)/agnes-local demo

test: .venv/.dev ## every test that needs no server and no client of its own
	$(PYTEST) -n 2 --dist worksteal -m "$(NO_SERVERS)"

# What takes processes, servers or minutes of CPU is marked `slow` and left to `make test`.
check: lint ## the minute-long subset: lint, architecture, and the unit, edge and contract tests that are quick
	$(PYTEST) -n 2 --dist worksteal tests/architecture tests/unit tests/edge tests/contract \
	  -m "not slow and $(NO_SERVERS)"

lint: .venv/.dev ## ruff, and mypy over everything but the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check --extend-exclude '*.md'
	$(BIN)/mypy

prices: .venv/.dev ## write the table of list prices from the pinned library genai-prices
	$(BIN)/python -m agnes_local.price_list

pins: .venv/.supply ## resolve versions and hashes again (UPGRADE=all or a distribution); needs npm and Go
	PYTHONPATH=localstack:shared $(BIN)/python -m agnes_local.pins renew $(if $(UPGRADE),--upgrade $(UPGRADE))

audit: .venv/.supply .venv/.dev ## known vulnerabilities of the pins (ADVISORIES=folder: an offline copy of OSV files)
	$(BIN)/python -m agnes_local.audit_pins $(if $(ADVISORIES),--advisories $(ADVISORIES))

sbom: composed ## what is in each layer and in the command's wheel, as CycloneDX in build/sbom
	$(BIN)/python -m layers.build --arch $(SBOM_ARCH)
	$(BIN)/python -m layers.wheel

journeys: .venv/.dev ## the whole path with real git, OpenSSH's server, PostgreSQL, an OpenID provider and the real Claude Code client
	$(PYTEST) -n 2 --dist loadfile -m "(git or sftp or postgresql or client or oidc or journey) and not localstack and not minio"

client-drift: .venv/.dev ## what the newest Claude Code has that our tables do not (VERSION=2.1.340 for another)
	$(BIN)/python -m tests.builders.client_drift $(VERSION)

browser: .venv/.dev ## the pages in Debian's Chromium, and axe-core; screenshots in artifacts/browser
	$(PYTEST) -n 2 --dist loadfile tests/browser

cloud: .venv/.dev layers ## LocalStack and MinIO: the contract suite and the journeys on them
	$(BIN)/python -m agnes_local.servers install all
	$(BIN)/python -m agnes_local.servers run -- $(PYTEST) -n 2 --dist loadscope -m "minio or localstack"

scale: .venv/.dev .venv-scale/.scale ## PySpark over the event lake, in an environment of its own (docs/scale.md); needs Java
	$(PYTEST) tests/scale

simulate: .venv/.dev ## the seeded simulation of the state files (SEEDS=2000)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

attack: .venv/.dev ## the attack on a running installation, and histories of killed processes on the folder store
	$(PYTEST) -m "attack and not minio" --timeout 600 tests/attack tests/histories tests/edge/ops/test_damaged_writes.py

histories: .venv/.dev ## histories of 16 processes that are killed and paused, checked, on both stores (KILLS=1000)
	$(BIN)/python -m tests.histories --store folder --kills $(KILLS)
	$(BIN)/python -m agnes_local.servers install minio
	$(BIN)/python -m agnes_local.servers run --only minio -- $(BIN)/python -m tests.histories --store minio --kills $(KILLS)

bench: .venv/.dev ## figures as JSON lines (ONLY=state, contention, feed, browse, telemetry, …)
	@$(BIN)/python -m tests.benchmarks $(if $(ONLY),--only $(ONLY))

checks-score: .venv/.dev ## recall and false positives of the static checks of uploads, by class
	@$(BIN)/python -m tests.builders.uploads.score

cost: .venv/.dev ## dollars on AWS for a million requests and for months of people, from counted calls (2 minutes)
	@$(BIN)/python -m tests.costs

composed: .venv/.dev
	$(BIN)/python -m infra.compose --api $(API) $(if $(SNAP_START),--snap-start) $(if $(TRACES),--traces) --report

infra: composed ## compose the SAM templates into build/infra, lint them, and read what the layers' binaries need
	$(BIN)/cfn-lint build/infra/root.yaml $$(ls build/infra/*.yaml | grep -v root.yaml)
	$(BIN)/python -m infra.compose --api http --snap-start --traces --into build/http
	$(BIN)/cfn-lint build/http/infra/root.yaml $$(ls build/http/infra/*.yaml | grep -v root.yaml)
	$(PYTEST) -m lambda_layers tests/unit/infra

layers: composed ## build and strip the Lambda layers for this machine
	$(BIN)/python -m layers.build --arch local

deployable: .venv/bin/python
	@$(BIN)/python -m infra.before_deploy $(STACK)

deploy: deployable .venv/.dev infra ## put it on AWS with SAM (ARCH=arm64, STACK=agnes, API=rest or http): docs/runbooks/deploy.md
	@command -v sam >/dev/null || { echo "The SAM command is missing. Install it: docs/runbooks/deploy.md" >&2; exit 1; }
	$(BIN)/python -m layers.build --arch $(ARCH) $(if $(TRACES),--traces)
	sam deploy --stack-name $(STACK) --parameter-overrides Architecture=$(ARCH) $(PARAMETERS)
	$(BIN)/python -m infra.after_deploy $(STACK)

teardown: .venv/.dev ## delete the stack STACK and keep its data; without YES=yes, say what would go (docs/runbooks/teardown.md)
	@$(BIN)/python -m infra.teardown $(STACK) $(if $(YES),--yes)

docs: .venv/.dev ## write the generated pages (docs/settings.md, docs/reference, indexes)
	$(BIN)/python -m tests.architecture.settings_page
	$(BIN)/python -m tests.architecture.decisions_page
	$(BIN)/python -m tests.architecture.rule_hints
	$(BIN)/python -m tests.architecture.checks_page
	$(BIN)/python -m tests.builders.reference_pages

clean: ## remove what was built, not what was installed or stored
	rm -rf build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -type d -exec rm -rf {} +

# ---- the virtual environment: one stamp an extra, renewed when the pins change

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Agnes needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.11 …" >&2; exit 1; }
	$(PYTHON) -m venv .venv

# Nothing is installed but what has a hash in constraints.txt. An environment begins with the pinned pip: older ones do not
# read hashes there. Nothing is built but our own package, and that by the pinned setuptools.
PIP := -m pip install --quiet --disable-pip-version-check
PINS := localstack/agnes_local/pins.py
define install # VENV EXTRA PIP-FLAGS
	$(1)/bin/python $(PINS) locked pip setuptools > $(1)/first.txt
	$(1)/bin/python $(PIP) --require-hashes --no-deps --only-binary :all: -r $(1)/first.txt
	$(1)/bin/python $(PINS) names $(2) > $(1)/$(2).txt
	$(1)/bin/python $(PIP) --require-hashes --only-binary :all: $(3) -c constraints.txt -r $(1)/$(2).txt
	$(1)/bin/python $(PIP) --no-deps --no-build-isolation -e .
endef

.venv/.%: pyproject.toml constraints.txt | .venv/bin/python
	$(call install,.venv,$*)
	@touch $@

# PySpark is published as source only.
.venv-scale/.scale: pyproject.toml constraints.txt | .venv/bin/python
	$(PYTHON) -m venv .venv-scale
	$(call install,.venv-scale,scale,--no-binary pyspark --no-build-isolation)
	@touch $@
