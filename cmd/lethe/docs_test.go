package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// TestDocumentedMaps: the data maps that readers copy are maps.
func TestDocumentedMaps(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?s)```yaml\n(dataset:.*?)```")
	const name = "README.md" // docs/datamap.md has a test of its own
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	maps := block.FindAllStringSubmatch(string(text), -1)
	if len(maps) == 0 {
		t.Errorf("%s should show a data map", name)
	}
	for _, m := range maps {
		parsed, problems := datamap.Parse([]datamap.File{{Name: name, Data: []byte(m[1])}}, datamap.ParseOptions{Sources: []string{"shop"}})
		if len(problems) > 0 {
			t.Errorf("the map in %s should have no problems: %v", name, problems)
			continue
		}
		for _, kind := range []datamap.Kind{datamap.Access, datamap.Erasure} {
			if _, err := datamap.Compile(parsed, datamap.Builtin(kind), []string{"email"}); err != nil {
				t.Errorf("the map in %s should serve %s: %v", name, kind, err)
			}
		}
	}
}

// TestDocumentedFiles: links within the documents lead somewhere.
func TestDocumentedFiles(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	root := filepath.Join("..", "..")
	documents, _ := filepath.Glob(filepath.Join(root, "*.md"))
	more, _ := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	for _, d := range slices.Concat(documents, more) {
		text, err := os.ReadFile(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], "http") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(d), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", filepath.Base(d), m[1])
			}
		}
	}
}
