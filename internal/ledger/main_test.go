package ledger_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe/dsar", "github.com/lethe-dsr/lethe/retention", "github.com/lethe-dsr/lethe/jobs",
		"github.com/lethe-dsr/lethe/cmd", "github.com/lethe-dsr/lethe/internal/web", "github.com/riverqueue", "net/http")
}
