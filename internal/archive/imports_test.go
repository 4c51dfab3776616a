package archive

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

func TestImports(t *testing.T) {
	t.Parallel()
	const ours = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".",
		ours+"cmd", ours+"dsar", ours+"retention", ours+"jobs", ours+"internal/web", ours+"internal/mail",
		ours+"internal/source", ours+"internal/datamap", ours+"internal/pg",
		"github.com/jackc/pgx", "github.com/riverqueue", "github.com/wneessen", "net/http", "net/smtp")
}
