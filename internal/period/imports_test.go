package period

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// Arithmetic only: nothing of Lethe's own, no database, no I/O.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".", "github.com/lethe-dsr/lethe", "github.com/jackc", "os", "io", "net", "log")
}
