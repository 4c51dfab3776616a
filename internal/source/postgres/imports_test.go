package postgres_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// A source knows the map and the database, and nobody who uses it.
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".", module+"cmd", module+"dsar", module+"retention", module+"jobs", module+"migrations", module+"examples",
		module+"internal/web", module+"internal/mail", module+"internal/archive", module+"internal/ledger", module+"internal/config",
		module+"internal/pgtest", "github.com/riverqueue", "github.com/robfig/cron", "net/http", "net/smtp")
}
