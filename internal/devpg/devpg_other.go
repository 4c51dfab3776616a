//go:build !unix

package devpg

import (
	"context"
	"errors"
)

// Options of a cluster; see the package's documentation on a unix system.
type Options struct {
	Durable  bool
	MaxConns int
	Settings map[string]string
	Dir      string
}

// A Server cannot be had on this system.
type Server struct{}

var errSystem = errors.New("a private Postgres needs Linux or macOS; here, use a database of your own (lethe serve)")

// Supervise does nothing here.
func Supervise() {}

// Start says that there is no private Postgres here.
func Start(context.Context, Options) (*Server, error) { return nil, errSystem }

// URL is empty here.
func (*Server) URL(string) string { return "" }

// CreateDatabase fails here.
func (*Server) CreateDatabase(context.Context, string, string) error { return errSystem }

// DropDatabase fails here.
func (*Server) DropDatabase(context.Context, string) error { return errSystem }

// Stop has nothing to do here.
func (*Server) Stop() error { return nil }
