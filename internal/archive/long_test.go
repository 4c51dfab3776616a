package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// long is a value that comes in pieces.
func long(ending string, pieces ...string) Long {
	return Long{Ending: ending, Read: func(_ context.Context, yield func([]byte) error) error {
		for _, p := range pieces {
			if err := yield([]byte(p)); err != nil {
				return err
			}
		}
		return nil
	}}
}

func TestLongValuesStandInFiles(t *testing.T) {
	t.Parallel()
	m, files := given(t, Table{
		Dataset: "shop", Collection: "people", Fields: []Column{{Name: "id"}, {Name: "a photo"}, {Name: "a/photo"}},
		Rows: func(ctx context.Context, yield func([]any) error) error {
			return rowsOf([]any{int64(1), long("bin", "\x00\xff", "\x01"), `\x00`}, []any{int64(2), nil, long("txt", "=1+", "1")})(ctx, yield)
		},
	})
	for name, content := range map[string]string{
		"files/shop/people/a_photo/1.bin":     "\x00\xff\x01",
		"files/shop/people/a_photo (2)/2.txt": "=1+1",
		"data/shop/people.json": `[
  {"id": 1, "a photo": {"file": "files/shop/people/a_photo/1.bin"}, "a/photo": "\\x00"},
  {"id": 2, "a photo": null, "a/photo": {"file": "files/shop/people/a_photo (2)/2.txt"}}
]
`,
		"data/shop/people.csv": "id,a photo,a/photo\r\n1,files/shop/people/a_photo/1.bin,\\x00\r\n2,,files/shop/people/a_photo (2)/2.txt\r\n",
	} {
		if files[name] != content {
			t.Errorf("expected %s to be %q, got %q", name, content, files[name])
		}
	}
	for _, want := range []string{`href="files/shop/people/a_photo/1.bin"`, `href="files/shop/people/a_photo%20%282%29/2.txt"`} {
		if !strings.Contains(files["index.html"], want) {
			t.Errorf("expected the page to link %s", want)
		}
	}
	for _, f := range m.Files {
		if f.Name == "files/shop/people/a_photo/1.bin" && (f.Of != "shop.people.a photo" || f.Row != 1 || f.Size != 3) {
			t.Errorf("expected the manifest to say whose the file is, got %+v", f)
		}
	}
}

// Of more long values than are remembered the rows are read again, and each has its own place.
func TestManyLongValues(t *testing.T) {
	t.Parallel()
	const rows = keysInMemory + 2
	_, files := given(t, Table{
		Dataset: "shop", Collection: "people", Fields: []Column{{Name: "text"}},
		Rows: func(_ context.Context, yield func([]any) error) error {
			for i := range rows {
				if err := yield([]any{long("txt", fmt.Sprint(i+1))}); err != nil {
					return err
				}
			}
			return nil
		},
	})
	for i := 1; i <= rows; i++ {
		if name := fmt.Sprintf("files/shop/people/text/%d.txt", i); files[name] != fmt.Sprint(i) {
			t.Fatalf("expected %s to hold its own value, got %q", name, files[name])
		}
	}
}

func TestLongValueThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := Write(t.Context(), failing{}, letter(), "digest", []Table{{
		Dataset: "shop", Collection: "people", Fields: []Column{{Name: "text"}},
		Rows: rowsOf([]any{Long{Ending: "txt", Read: func(context.Context, func([]byte) error) error { return broken }}}),
	}})
	if !errors.Is(err, broken) {
		t.Errorf("expected the reading's own error, got %v", err)
	}
}
