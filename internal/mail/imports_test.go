package mail

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

func TestImports(t *testing.T) {
	t.Parallel()
	const ours = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".",
		ours+"cmd", ours+"retention", ours+"jobs", ours+"internal/web", ours+"internal/mailbox", ours+"internal/pg", ours+"internal/source/postgres",
		"github.com/jackc/pgx", "github.com/riverqueue", "github.com/emersion", "net/http")
}
