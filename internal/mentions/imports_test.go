package mentions_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// Texts only: nothing of Lethe's own, no database.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".", "github.com/lethe-dsr/lethe/", "github.com/jackc", "database/sql", "net/http")
}
