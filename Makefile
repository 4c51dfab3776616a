# Lethe. `make help` lists what there is. Go and git are all that must be there
# before; Postgres' programs are installed when they are missing (scripts/need).

GO     ?= go
BIN    := bin/lethe
ONCE   ?=
# The race detector needs cgo and a C compiler; the binary itself is static.
export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/lethe, one static binary
	$(GO) build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/lethe

.PHONY: demo
demo: postgres build ## a shop, its data, the whole service and a mailbox; ONCE=1 runs through and exits
	$(BIN) demo $(if $(ONCE),--once)

.PHONY: test
test: postgres cc ## every test, with the race detector; needs nothing started by hand
	CGO_ENABLED=1 $(GO) build -race ./... # first, so that compiling takes no test's time
	CGO_ENABLED=1 $(GO) test -race -timeout 25m ./...
	CGO_ENABLED=1 $(GO) test -C internal/integration -race -timeout 5m ./...

.PHONY: lint
lint: ## go vet, golangci-lint, go mod tidy, govulncheck where it can reach its database
	@sh scripts/lint

.PHONY: soak
soak: postgres cc ## the long tests: a hundred kills, many more random cases
	LETHE_SOAK=1 CGO_ENABLED=1 $(GO) test -race -timeout 80m -run 'Kill|Soak|Property' ./...

.PHONY: bench
bench: postgres ## measurements; prints medians
	@GO='$(GO)' sh scripts/bench

.PHONY: screenshots
screenshots: postgres build ## take the pictures in docs/pictures again (needs chromium)
	$(GO) run ./scripts/screenshots

.PHONY: postgres cc
postgres cc:
	@sh scripts/need $@

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
