package dsar

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// The core knows neither the queue, nor HTTP, nor SMTP, nor the SQL of a
// source, nor retention (DESIGN.md, "Folders").
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".",
		module+"retention", module+"jobs", module+"cmd", module+"internal/web", module+"internal/mail",
		module+"internal/config", module+"internal/source/postgres", module+"internal/sample", module+"internal/pgtest",
		"net/http", "net/smtp", "github.com/riverqueue", "riverqueue.com", "github.com/wneessen",
	)
}
