package planview

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// A picture comes of a plan and a layout, and of nothing else.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe", "!github.com/lethe-dsr/lethe/internal/datamap", "!github.com/lethe-dsr/lethe/internal/layout",
		"github.com/dop251/goja", "github.com/jackc", "database/sql", "github.com/riverqueue",
		"os", "time", "net", "log", "math/rand", "crypto/rand",
	)
}
