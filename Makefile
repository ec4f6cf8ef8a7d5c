# The door to CacheFS: every target installs what it needs first, a Node included where yours is too
# old (scripts/with-node). `make help` lists them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
WITH := scripts/with-node
NPM := $(WITH) npm
DIR ?= /tmp/cachefs

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# Compared by content, not by time: a checkout's times say nothing about what is installed.
.PHONY: install
install:
	@cmp -s package-lock.json node_modules/.installed || { \
	  $(NPM) ci && cp package-lock.json node_modules/.installed; }

.PHONY: dev-setup
dev-setup: install ## Install everything that developing needs (a Node where yours is too old)
	@$(WITH) sh -c 'echo "Ready: Node $$(node --version), packages installed. Next: make up, make ok"'

.PHONY: build
build: install ## Compile to dist/ (bin/client and bin/cachefs run from a checkout as they are)
	@$(NPM) run --silent build

.PHONY: up
up: install ## One node, everything embedded, a local directory as cloud; prints what to try
	@bin/cachefs up $(ARGS)

.PHONY: run-coordinator
run-coordinator: install ## The coordinator in the foreground, for run-client-1, -2, -3
	@bin/coordinator -port 8080 -data $(DIR)/coordinator $(ARGS)

# Each in a terminal of its own.
CLIENTS := run-client-1 run-client-2 run-client-3
.PHONY: $(CLIENTS)
run-client-1: ## One node in the foreground, its folders in DIR (/tmp/cachefs); also -2, -3
$(CLIENTS): run-client-%: install
	@bin/client -mount $(DIR)/mount-$* -nvme $(DIR)/nvme-$* -cloud-dir $(DIR)/cloud -create \
	  -port $$((8080 + $*)) -peer-id node-$* -coordinator localhost:8080 $(ARGS)

.PHONY: dev-start
dev-start: install ## A coordinator and three nodes in the background; prints what to try
	@$(WITH) node scripts/dev-cluster/dev-cluster.ts start --dir $(DIR) $(ARGS)

.PHONY: dev-stop
dev-stop: install ## Stop what dev-start started
	@$(WITH) node scripts/dev-cluster/dev-cluster.ts stop --dir $(DIR) $(ARGS)

.PHONY: test
test: install ## Every test; failures in full
	@$(NPM) test --silent

.PHONY: test-verbose
test-verbose: install ## Every test, each by name
	@$(NPM) run --silent test:verbose

.PHONY: conformance
conformance: install ## POSIX cases in DIR, or on ext4 and every kind of mount (CASE=PATTERN; root)
	@if [ '$(origin DIR)' = 'file' ]; then \
	  CASE='$(CASE)' $(WITH) node --test test/conformance/conformance.test.ts; \
	else CASE='$(CASE)' DIR='$(DIR)' $(WITH) node test/conformance/run.ts; fi

.PHONY: test-failures
test-failures: install ## Each failure and each pair: 15 minutes (root, iproute2)
	@$(NPM) run --silent test:failures

.PHONY: test-long
test-long: install ## What takes longer than CI may: fuzzing, damage (CACHEFS_SECONDS, CACHEFS_SEED)
	@$(NPM) run --silent test:long

.PHONY: gates
gates: install ## Types, lint, format, tidy rules: what takes seconds
	@$(NPM) run --silent check
	@$(NPM) run --silent lint
	@$(NPM) run --silent format:check
	@$(NPM) run --silent tidy

.PHONY: ok
ok: gates test ## The gates, then every test: what CI runs

.PHONY: bench
bench: install ## Compare with the disk below and other FUSE file systems (ARGS=--help)
	@$(WITH) node benchmarks/bench.ts $(ARGS)

.PHONY: bench-cold
bench-cold: install ## Reads of what only an S3 server has, beside the bare SDK
	@$(WITH) node benchmarks/cold/cold-bench.ts

.PHONY: bench-cluster
bench-cluster: install ## What a coordinator and peers cost and bring, beside one node alone
	@$(WITH) node benchmarks/cluster/cluster-bench.ts

.PHONY: bench-scale
bench-scale: install ## One node as what it has grows (ARGS="--files 10000,10000000")
	@$(WITH) node benchmarks/scale/scale-bench.ts $(ARGS)

.PHONY: bench-stores
bench-stores: install ## Changes of names per second, kept in SQLite and in PostgreSQL
	@$(WITH) node benchmarks/cluster/stores-bench.ts

.PHONY: bench-join
bench-join: install ## Nodes that join a coordinator together: time, and stalls of its event loop
	@$(WITH) node benchmarks/cluster/join-bench.ts $(ARGS)

.PHONY: bench-library
bench-library: install ## The library beside a plain directory and beside the bare SDK
	@$(WITH) node benchmarks/library/library-bench.ts

.PHONY: clean
clean: ## Remove everything that make put here
	rm -rf dist node_modules .tools
