package pg_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".", "github.com/lethe-dsr/lethe", "github.com/riverqueue", "net/http")
}
