package web

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// The pages know requests, retention and the control database, and nothing of
// the queue, of mail, or of the sources' SQL.
func TestImports(t *testing.T) {
	t.Parallel()
	importrule.Only(t, ".",
		"github.com/lethe-dsr/lethe/jobs",
		"github.com/lethe-dsr/lethe/cmd",
		"github.com/lethe-dsr/lethe/internal/mail",
		"github.com/lethe-dsr/lethe/internal/source/postgres",
		"github.com/lethe-dsr/lethe/internal/sample",
		"github.com/lethe-dsr/lethe/internal/pgtest",
		"github.com/riverqueue",
		"riverqueue.com",
		"github.com/robfig/cron",
		"github.com/wneessen/go-mail",
		"github.com/tink-crypto",
	)
}
