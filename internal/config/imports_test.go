package config

import (
	"testing"

	"github.com/lethe-dsr/lethe/internal/importrule"
)

// The configuration knows no other part: cmd hands each what it needs.
func TestImports(t *testing.T) {
	t.Parallel()
	const module = "github.com/lethe-dsr/lethe/"
	importrule.Only(t, ".", module+"dsar", module+"retention", module+"jobs", module+"cmd", module+"migrations",
		module+"internal/web", module+"internal/mail", module+"internal/source", module+"internal/datamap", "github.com/jackc", "net/http")
}
