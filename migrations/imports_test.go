package migrations_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe/dsar", "github.com/lethe-dsr/lethe/retention", "github.com/lethe-dsr/lethe/jobs",
		"github.com/lethe-dsr/lethe/cmd", "github.com/lethe-dsr/lethe/internal/web", "net/http")
}
