# Baton. `make` alone prints the targets; CI calls `make ci` and nothing else.

GO       ?= go
LINT     := $(GO) tool -modfile=tools/lint/go.mod
BIN      := bin/baton

# Packages whose tests start goroutines: the ones worth the race detector.
RACE     ?= . ./actors/... ./api/... ./batontest/... ./cluster ./cluster/memory ./cluster/port ./cluster/raft ./cluster/swim ./cluster/consul/... ./handoff/session/... ./store/... ./examples/... ./cmd/... ./test/dynamic/... ./test/netfault
TESTFLAGS ?=
FUZZTIME ?= 5s
SEEDS    ?= 20
SOAK     ?= 30m
B        ?=

SHELL       := bash
.SHELLFLAGS := -o pipefail -c

.DEFAULT_GOAL := help
.PHONY: help build fmt check generate test race consul mutants model fuzz demo smoke ci bench soak clean

help: ## print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/baton, one static binary
	CGO_ENABLED=0 $(GO) build -buildvcs=auto -o $(BIN) ./cmd/node

fmt: ## format every Go file
	$(LINT) gofumpt -w .

check: ## format, vet, staticcheck, layers and house rules, generated code
	@unformatted="$$($(LINT) gofumpt -l .)"; \
	if [ -n "$$unformatted" ]; then echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(LINT) staticcheck ./...
	$(GO) test ./test/layers/ ./tools/...

generate: ## regenerate the protobuf code
	$(GO) generate ./...

test: ## everything Go alone can run (under 12 minutes on two cores)
	$(GO) test -timeout 12m $(TESTFLAGS) ./...
	$(GO) test -tags inject -timeout 5m $(TESTFLAGS) -run 'TestPark|TestFail' ./inject ./test/quorum

race: ## the packages with goroutines under the race detector
	$(GO) test -race -timeout 20m $(TESTFLAGS) $(RACE)

consul: ## build the Consul server that tests of cluster/consul start (minutes, once)
	$(GO) test -count=1 -v -run '^TestBinary$$' -timeout 30m ./cluster/consul/consultest

mutants: ## break the code in known ways and expect the tests to go red
	$(GO) test -count=1 -timeout 10m ./test/mutants/

model: ## check the models of the protocols, every order of steps (Spin is fetched once)
	$(GO) test -count=1 -v -timeout 10m ./test/model

fuzz: ## fuzz every decoder for FUZZTIME (5s) each
	@$(GO) test -list '^Fuzz' ./... | awk '/^Fuzz/ {names[++n]=$$1} /^ok/ {for (i=1; i<=n; i++) print $$2, names[i]; n=0}' | \
	while read -r pkg name; do \
		echo "fuzz $$pkg $$name $(FUZZTIME)"; \
		$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
	done

demo: build ## a MapReduce job over the Go sources while a node joins
	$(BIN) demo

smoke: build ## a small demo on both engines
	$(BIN) demo --input test --seed 1
	$(BIN) demo --input test --seed 1 --engine pebble --json

ci: ## what CI runs: check, race, mutants, smoke, test with all fuzz corpora (under 30 minutes, warm)
	$(MAKE) check
	$(MAKE) race
	$(MAKE) mutants
	$(MAKE) smoke
	$(MAKE) test

bench: ## the benchmarks, each beside its limit; `make bench B=B6` runs one
	$(GO) run ./test/bench -only '$(B)' -out bench/results.jsonl

soak: build ## fuzzers for a minute each, clusters of processes under faults, and the demo SEEDS (20) times with different seeds on both engines
	$(MAKE) fuzz FUZZTIME=60s
	BATON_SOAK=1 $(GO) test -count=1 -v -timeout 60m ./test/model
	BATON_SOAK=1 $(GO) test -count=1 -v -timeout 60m -run '^TestHandoff_leavesNothing$$' .
	BATON_E2E_SOAK=$(SOAK) $(GO) test -count=1 -timeout 3h -parallel 4 -v ./test/e2e
	@for seed in $$(seq 1 $(SEEDS)); do for engine in memory pebble; do \
		echo "seed $$seed, engine $$engine"; \
		$(BIN) demo --seed $$seed --engine $$engine --json | tail -n 1 || exit 1; \
	done; done
	$(GO) test -count=1 -timeout 60m ./test/matrix -long
	$(GO) test -count=1 -timeout 4h ./test/sim -long -v -run 'TestChaos|TestFleet|TestSoak|TestWorld_sameSeed'

clean: ## remove what was built
	rm -rf bin
