package yamldoc

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// The package is pure, as the data map that shares its guard has to be.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe",
		"github.com/jackc", "database/sql", "github.com/riverqueue",
		"os", "io", "time", "net", "log", "math/rand", "crypto/rand",
	)
}
