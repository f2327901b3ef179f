# Everything a developer or CI runs. The work is in the scripts that the targets call.
SCENARIO ?= default
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help tools sandbox test test-long lint unit sanity browser molecule rollout seeded-faults faults hostile transfer lifecycle migrate benchmark benchmark-state benchmark-no-change docs pins relock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: ## the pinned tools in .venv (every target below makes them first)
	@tools/bootstrap

sandbox: tools ## a disposable Debian host with OpenClaw deployed and audited
	@tools/sandbox $(ARGS)

# Two lanes share the machine. Two runs of Molecule must not overlap.
test: tools ## the gates that CI runs, with a summary
	@tests/run lint unit browser -- molecule faults hostile seeded-faults lifecycle migrate sanity

test-long: export FAULTS := long
test-long: export HOSTILE := long
test-long: export SEEDED_FAULTS := long
test-long: export ROLLOUT := long
test-long: export LIFECYCLE := long
test-long: export MIGRATE := long
test-long: export MOLECULE := long
test-long: tools ## the long forms of the gates that have one, with a summary: before a release
	@tests/run -- "molecule rollout" faults seeded-faults hostile transfer lifecycle migrate

lint: tools ## every linter; ARGS="ruff mypy" for some of them
	@python tests/lint/run.py $(ARGS)

unit: tools ## unit tests; ARGS=tests/unit/test_x.py for some of them
	@pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

sanity: tools ## ansible-test sanity; ARGS="--test validate-modules" for one of its tests
	@tests/sanity/run $(ARGS)

browser: tools ## the HTML report in a headless Chromium; ARGS=tests/browser/test_x.py for some of it
	@tests/browser/run $(ARGS)

molecule: tools ## one Molecule scenario: SCENARIO=default; MOLECULE=long for all of it
	@molecule test --no-command-borders --scenario-name $(SCENARIO)

rollout: tools ## the Molecule scenario of that name: a build host and four hosts; ROLLOUT=long for the real OpenClaw
	@$(MAKE) --no-print-directory molecule SCENARIO=rollout

seeded-faults: tools ## one fault at a time in a good deployment: the audit finds each; ARGS=tests/seeded_faults/test_x.py for some
	@pytest -p no:cacheprovider --numprocesses 2 --dist loadfile $(or $(ARGS),tests/seeded_faults)

faults: tools ## deployments that fail, are killed, meet each other or a full disk; FAULTS=long for all of it
	@pytest -p no:cacheprovider $(or $(ARGS),tests/faults)

hostile: tools ## hostile input for every module, planted links, injection, a canary secret; HOSTILE=long for all of it
	@pytest -p no:cacheprovider $(or $(ARGS),tests/hostile)

transfer: tools ## images built once and moved, as archives and through a real registry; ARGS=tests/transfer/test_x.py for some
	@pytest -p no:cacheprovider $(or $(ARGS),tests/transfer)

migrate: tools ## from deployments that others made to the hardened one; MIGRATE=long for all of it, MIGRATE_KEEP=1 keeps the host
	@pytest -p no:cacheprovider $(or $(ARGS),tests/migrate)

lifecycle: tools ## upgrades, backups and restores of the real OpenClaw; LIFECYCLE=long for two versions of it
	@pytest -p no:cacheprovider $(or $(ARGS),tests/lifecycle)

benchmark: tools ## how a rollout scales, for docs/scaling.md; ARGS="--hosts 1 2 4"
	@python tests/benchmarks/scale.py $(ARGS)

benchmark-state: tools ## what copying a state costs, for docs/reliability.md; ARGS="--files 100000 --gib 1"
	@python tests/benchmarks/state_copy.py $(ARGS)

benchmark-no-change: tools ## a run that changes nothing, for docs/scaling.md; PEER=playbook to compare with, ARGS="--rounds 3"
	@python tests/benchmarks/no_change.py $(if $(PEER),--peer $(PEER)) $(ARGS)

docs: tools ## the tables of role variables in README.md and docs/, from the argument specs
	@python tools/docs.py

pins: tools ## lock the tools to their newest versions
	@tools/pins

relock: tools ## lock the application to another OpenClaw version: VERSION=2026.9.6
	@tools/relock $(VERSION)

clean: ## remove containers, build/ and caches of this checkout (.venv and the user's cache stay)
	@[ ! -x .venv/bin/python ] || python tests/lab clean
	@rm -rf build .ansible .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/output
