package importrule

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEachLibraryHasItsRoom: whoever wants to know how the queue, the mail
// server or the keys are used has one room to look in (DESIGN.md, "Folders").
func TestEachLibraryHasItsRoom(t *testing.T) {
	t.Parallel()
	rooms := map[string][]string{
		"github.com/riverqueue":          {"jobs", "migrations"},
		"riverqueue.com":                 {"jobs"},
		"github.com/robfig/cron":         {"jobs"},
		"github.com/wneessen/go-mail":    {"internal/mail"},
		"github.com/pressly/goose":       {"migrations"},
		"github.com/tink-crypto":         {"internal/keys"},
		"github.com/alecthomas/kong":     {"cmd/lethe"},
		"gocloud.dev":                    {"internal/archive", "internal/source/objects"},
		"github.com/rickar/cal":          {"dsar"},
		"github.com/alexedwards":         {"internal/web"},
		"github.com/emersion/go-smtp":    {"internal/mailbox"},
		"github.com/nyaruka":             {"internal/datamap"},
		"github.com/chromedp":            {"internal/browser", "scripts/screenshots"},
		"github.com/dop251/goja":         {"internal/layout"},
		"github.com/goccy/go-yaml":       {"internal/yamldoc", "internal/config", "internal/datamap", "retention"},
		"github.com/lethe-dsr/lethe/cmd": {},
	}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		room, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			for library, allowed := range rooms {
				if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.Contains(allowed, filepath.ToSlash(room)) {
					t.Errorf("%s should not import %s: it belongs into %v", path, imported, allowed)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
