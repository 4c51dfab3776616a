package objects

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source/sourcetest"
)

// A folder keeps what every store of files promises; a bucket does in internal/integration.
func TestConformance(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Subject {
		dir := filepath.Join(t.TempDir(), "files")
		add := func(t *testing.T, key, content string) {
			t.Helper()
			path := filepath.Join(dir, filepath.FromSlash(key))
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for key, content := range sourcetest.Contents() {
			add(t, key, content)
		}
		s, err := New(sourcetest.Name, "file://"+dir)
		if err != nil {
			t.Fatal(err)
		}
		move := func(t *testing.T, from, to string) {
			t.Helper()
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		return sourcetest.Subject{
			Files: s, Add: add, Close: func() { _ = s.Close() },
			Has: func(t *testing.T, key string) bool {
				t.Helper()
				_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(key)))
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				return err == nil
			},
			Break: func(t *testing.T) { t.Helper(); move(t, dir, dir+"-away") },
			Mend:  func(t *testing.T) { t.Helper(); move(t, dir+"-away", dir) },
		}
	})
}
