package objects

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// A store knows keys and files, and nobody who uses it.
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".", module+"cmd", module+"dsar", module+"retention", module+"jobs", module+"migrations",
		module+"internal/web", module+"internal/mail", module+"internal/archive", module+"internal/config", module+"internal/pg",
		module+"internal/source/postgres", "github.com/jackc/pgx", "github.com/riverqueue", "net/http", "net/smtp")
}
