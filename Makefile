# The common jobs. `make` lists them. FLAGS goes to the command behind a target: make up FLAGS="--scale web=5".
# A target can have several commands: the fleet that all of them mean is chosen with FLEET_NAME=NAME or FLEET_FILE=FILE.
# PYTHON names the interpreter that .venv is made with, where the first one on PATH is not to be it.

MAKEFLAGS += --no-print-directory
# Without compiled bytecode every command takes two to four times as long to begin.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin
TEST_WORKERS ?= 2
# The tests that need an engine.
REAL := tests/contract tests/e2e tests/lab
FLAGS ?=

ifneq (,$(and $(filter up,$(MAKECMDGOALS)),$(filter -p% -f% --project-name% --file%,$(FLAGS))))
$(error FLAGS would choose the fleet for 'up', but not for 'verify' behind it: write FLEET_NAME=NAME or FLEET_FILE=FILE)
endif

.DEFAULT_GOAL := help
.PHONY: help up down ps inspect serve check test lab bench clean env engine base wheels

##@ The fleet
up: env engine base wheels ## From a bare machine to a fleet that is seen to be balanced; installs what is missing
	@$(BIN)/fleetctl up $(FLAGS)
	@$(BIN)/fleetctl verify
down: env ## Remove the fleet's containers and network
	@$(BIN)/fleetctl down $(FLAGS)
ps: env ## List the replicas
	@$(BIN)/fleetctl ps $(FLAGS)
inspect: env ## Show each replica's veth pair, bridge and addresses
	@$(BIN)/fleetctl inspect-network $(FLAGS)
serve: env ## Run the UUID server here in the foreground, without Docker (Ctrl-C ends it)
	@cd images/uuid && exec ../../$(BIN)/python -m uuid_server $(FLAGS)

##@ Quality
check: env ## Lint, types, import law, unit and case tests; needs no engine
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n $(TEST_WORKERS) tests/unit tests/cases $(FLAGS)
test: check engine base wheels ## Everything in check, then contract and end-to-end and laboratory tests against the real engine
	@$(BIN)/python -m pytest --cache-clear -n $(TEST_WORKERS) $(REAL) $(FLAGS) || tests/once-more $$? $(BIN)/python $(REAL) $(FLAGS)
lab: env engine base ## Every fault of the laboratory, those that 'test' leaves out too; writes docs/fault-matrix.md
	@rm -f .lab-results
	@FLEET_LAB_RESULTS=$(CURDIR)/.lab-results $(BIN)/python -m pytest -n $(TEST_WORKERS) -o "python_files=test_*.py others.py" tests/lab $(FLAGS) || true
	@$(BIN)/python -m tests.lab.matrix .lab-results
bench: env engine base wheels ## Measure speed, beside the peers that are installed
	@for bench in bench/*.py; do $(BIN)/python "$$bench" $(FLAGS) || exit; done

##@ The pieces, each quick when there is nothing to do
env: ## .venv with the locked dependencies
	@bootstrap/environment
engine: ## A Docker engine that answers: found, or installed and started
	@bootstrap/engine
base: engine ## The bases of the images: pulled, or built from Debian packages
	@images/base/build python
	@images/base/build balancer
wheels: env ## The hash-locked wheels that go into the UUID server's image
	@PYTHON="$(CURDIR)/$(BIN)/python" images/uuid/fetch-wheels
clean: ## Take the fleet down and remove .venv, wheels and caches; engine, images and .env stay
	@if [ -x $(BIN)/fleetctl ] && timeout 10 docker version >/dev/null 2>&1; then $(BIN)/fleetctl down; fi
	rm -rf .venv dist images/uuid/wheels
	find . -name .git -prune -o \( -name __pycache__ -o -name '.*_cache' \) -prune -exec rm -rf {} +
	@echo "Kept: the Docker engine, the images in it, .env, and the packages that were installed." >&2

##@ Help
help: ## This list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
