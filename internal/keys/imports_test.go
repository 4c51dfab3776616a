package keys_test

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".", "github.com/lethe-dsr/lethe", "github.com/jackc/pgx", "github.com/riverqueue", "net/http")
}
