package archive

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// given writes an archive of one table and returns its files.
func given(t *testing.T, table Table) (Manifest, map[string]string) {
	t.Helper()
	var buf bytes.Buffer
	m, err := Write(t.Context(), &buf, Letter{Kind: "access", RequestID: 3, MadeAt: time.Unix(0, 0), ReceivedAt: time.Unix(0, 0)}, "digest", []Table{table})
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[f.Name]; twice {
			t.Errorf("expected %s once", f.Name)
		}
		files[f.Name] = string(content)
	}
	return m, files
}

func rowsOf(rows ...[]any) func(context.Context, func([]any) error) error {
	return func(_ context.Context, yield func([]any) error) error {
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestFilesThatRowsName(t *testing.T) {
	t.Parallel()
	table := Table{
		Dataset: "desk", Collection: "papers", Fields: []Column{{Name: "id"}, {Name: "scan", Store: "attic"}},
		Rows: rowsOf(
			[]any{int64(1), "a/../../etc/passwd"}, []any{int64(2), nil}, []any{int64(3), ""}, []any{int64(4), "con"},
			[]any{int64(5), json.RawMessage(`["x/Photo <1>.jpg", null, "y/gone.pdf"]`)}, []any{int64(6), "con"}, []any{int64(7), int64(77)},
		),
		Open: func(_ context.Context, store, key string) (io.ReadCloser, error) {
			if strings.HasSuffix(key, "gone.pdf") {
				return nil, ErrNoFile
			}
			return io.NopCloser(strings.NewReader(store + " has " + key)), nil
		},
	}
	m, files := given(t, table)
	for name, content := range map[string]string{
		"files/attic/1-passwd":        "attic has a/../../etc/passwd",
		"files/attic/2-_con":          "attic has con",
		"files/attic/3-Photo _1_.jpg": "attic has x/Photo <1>.jpg",
		"files/attic/5-_con":          "attic has con",
		"files/attic/6-77":            "attic has 77",
	} {
		if files[name] != content {
			t.Errorf("expected %s to hold %q, got %q", name, content, files[name])
		}
		if !strings.Contains(files["index.html"], "6-77") {
			t.Error("expected the page to link the files")
		}
		listed := false
		for _, f := range m.Files {
			if sum := sha256.Sum256([]byte(content)); f.Name == name {
				listed = f.Size == int64(len(content)) && f.SHA256 == hex.EncodeToString(sum[:]) && f.Of == "desk.papers.scan" && f.Row > 0
			}
		}
		if !listed {
			t.Errorf("expected the manifest to list %s with size, hash, field and row", name)
		}
	}
	if m.Missing != 1 {
		t.Errorf("expected one missing file, got %d", m.Missing)
	}
	for _, name := range []string{"index.html", "letter.txt"} {
		if !strings.Contains(strings.Join(strings.Fields(files[name]), " "), "1 file that an entry names was not found") {
			t.Errorf("expected %s to say that a file is missing", name)
		}
	}
	if !strings.Contains(files["index.html"], "The file was not found") {
		t.Error("expected the page to say at its row that a file is missing")
	}
}

// More keys than are held at once: the rows are read again, and every file is there once.
func TestManyFilesThatRowsName(t *testing.T) {
	t.Parallel()
	const many = 2*keysInMemory + 5
	readings := 0
	table := Table{
		Dataset: "desk", Collection: "papers", Fields: []Column{{Name: "scan", Store: "attic"}},
		Rows: func(_ context.Context, yield func([]any) error) error {
			readings++
			for i := range many {
				if err := yield([]any{fmt.Sprintf("f%d", i)}); err != nil {
					return err
				}
			}
			return nil
		},
		Open: func(_ context.Context, _, key string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(key)), nil
		},
	}
	_, files := given(t, table)
	for i := range many {
		key := fmt.Sprintf("f%d", i)
		if got := files[fmt.Sprintf("files/attic/%d-%s", i+1, key)]; got != key {
			t.Fatalf("expected file %d to be there, got %q", i, got)
		}
	}
	if readings > 4 {
		t.Errorf("expected at most four readings of the rows, got %d", readings)
	}
}

// A store that fails fails the archive: half of it would pass for the whole.
func TestStoreThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("store attic: reading failed")
	table := Table{
		Dataset: "desk", Collection: "papers", Fields: []Column{{Name: "scan", Store: "attic"}}, Rows: rowsOf([]any{"secret/key"}),
		Open: func(context.Context, string, string) (io.ReadCloser, error) { return nil, broken },
	}
	_, err := Write(t.Context(), io.Discard, Letter{Kind: "access"}, "digest", []Table{table})
	if !errors.Is(err, broken) || strings.Contains(fmt.Sprint(err), "secret") {
		t.Errorf("expected the store's error and no key, got %v", err)
	}
}

// An array's keys are those that an erasure takes one by one, however deep they lie.
func TestKeysOf(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`["a","b"]`:                         "a b",
		`[["a",null],["b","c"]]`:            "a b c",
		`[[[" "],[""]],[["d"],["\u00e9"]]]`: "d é",
		`[17,9007199254740993]`:             "17 9007199254740993",
		`[]`:                                "",
		`null`:                              "",
	} {
		if got := strings.Join(keysOf(json.RawMessage(value)), " "); got != want {
			t.Errorf("expected %q of %s, got %q", want, value, got)
		}
	}
}
