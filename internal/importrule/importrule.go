// Package importrule holds a package to the import rules of the design: each
// package's imports_test.go says what it must not import. Only tests use it.
package importrule

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Only checks that the non-test Go files of dir import none of the forbidden
// import paths, nor anything below them ("github.com/riverqueue" stands for
// the whole organisation). A path led by "!" is allowed in spite of the others.
func Only(t *testing.T, dir string, forbidden ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatalf("read the package's folder: %v", err)
	}
	files := 0
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatalf("parse %s: %v", name, err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("parse an import of %s: %v", name, err)
			}
			if slices.Contains(forbidden, "!"+path) {
				continue
			}
			for _, bad := range forbidden {
				if path == bad || strings.HasPrefix(path, strings.TrimSuffix(bad, "/")+"/") {
					t.Errorf("%s imports %s: the design keeps this package free of %s", name, path, bad)
				}
			}
		}
	}
	if files == 0 {
		t.Fatalf("expected Go files in %s, found none: the rule would hold nothing", dir)
	}
}
