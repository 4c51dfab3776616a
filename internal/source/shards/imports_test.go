package shards_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// Shards know Postgres sources and the map, and nobody who uses them.
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".", module+"cmd", module+"dsar", module+"retention", module+"jobs", module+"migrations", module+"examples",
		module+"internal/web", module+"internal/mail", module+"internal/archive", module+"internal/ledger", module+"internal/config",
		module+"internal/pgtest", "github.com/riverqueue", "github.com/robfig/cron", "net/http", "net/smtp")
}
