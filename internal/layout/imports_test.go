package layout

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// A layout is arithmetic: nothing of Lethe's own, no files, no network, no clock.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe", "github.com/jackc", "database/sql", "github.com/riverqueue",
		"os", "io", "time", "net", "log", "math/rand", "crypto/rand",
	)
}
