package importrule

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, src := range map[string]string{
		"a.go":      "package a\n\nimport (\n\t_ \"fmt\"\n\t_ \"github.com/some/one\"\n)\n",
		"a_test.go": "package a\n\nimport _ \"github.com/other/two\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Names that only begin alike, and what tests import, are none of its business.
	Only(t, dir, "github.com/some/on", "github.com/other", "net/http", "f")
}
