package draft_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// Rules only: no database, no files, and of Lethe's own nothing but the map.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe", "!github.com/lethe-dsr/lethe/internal/datamap", "!github.com/lethe-dsr/lethe/internal/yamldoc",
		"github.com/jackc", "database/sql", "os", "net/http", "log", "math/rand", "crypto/rand")
}
