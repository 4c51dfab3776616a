package datamap

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// The package is pure: no database, no clock, no I/O, and nothing of Lethe's own
// but the reading of YAML and the arithmetic of periods, which are as pure.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe", "!github.com/lethe-dsr/lethe/internal/yamldoc",
		"!github.com/lethe-dsr/lethe/internal/period",
		"github.com/jackc", "database/sql", "github.com/riverqueue",
		"os", "io", "time", "net", "log", "math/rand", "crypto/rand",
	)
}
