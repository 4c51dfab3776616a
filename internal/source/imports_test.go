package source

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// Words only: no database, no clock beyond its types, none of its users.
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".", module+"dsar", module+"retention", module+"jobs", module+"cmd", module+"migrations",
		module+"internal/pg", module+"internal/web", "github.com/jackc", "database/sql", "net/http")
}
