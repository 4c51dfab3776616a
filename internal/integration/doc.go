// Package integration is a module of its own: tests against servers whose
// libraries the product does not link (toxiproxy, versitygw). Run by `make test`
// after the main module's, and by `go -C internal/integration test ./...`.
package integration
