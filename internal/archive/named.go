package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Files that rows name go in after their collection's data, one after the other:
// entries of a ZIP follow each other. Their keys are kept from the first reading
// of the rows as long as they are few; of more, the rows are read again, piece
// by piece, so that memory stays bounded.

// ErrNoFile is what Table.Open returns for a file that is not there: the
// archive says so, and goes on.
var ErrNoFile = errors.New("there is no such file")

// keysInMemory is how many keys of one collection are held at once.
const keysInMemory = 10_000

// A namedFile is one file that a row names, or a long value of it.
type namedFile struct {
	row   int64 // counts from 0
	field int
	key   string
	long  *inFile
}

// A cellFile is a file as the page shows it beside its row.
type cellFile struct {
	Path    string // empty: it was not there
	Missing bool
}

// A keyList takes in what rows name: those from skip on, as long as there is room.
type keyList struct {
	fields []int // that name files
	skip   int64
	most   int
	seen   int64
	list   []namedFile
}

func newKeys(t Table, skip int64) *keyList {
	k := &keyList{skip: skip, most: keysInMemory}
	for i, f := range t.Fields {
		if f.Store != "" && t.Open != nil {
			k.fields = append(k.fields, i)
		}
	}
	return k
}

// full tells whether nothing more goes in.
func (k *keyList) full() bool { return len(k.list) == k.most }

func (k *keyList) add(row int64, values []any) {
	for _, i := range k.fields {
		for _, key := range keysOf(values[i]) {
			k.put(namedFile{row: row, field: i, key: key})
		}
	}
	for i, v := range values {
		if long, ok := v.(inFile); ok {
			k.put(namedFile{row: row, field: i, long: &long})
		}
	}
}

func (k *keyList) put(f namedFile) {
	if k.seen >= k.skip && !k.full() {
		k.list = append(k.list, f)
	}
	k.seen++
}

// keysOf are the keys in a value: one, or those of an array. Blank ones name nothing.
func keysOf(value any) (list []string) {
	switch v := value.(type) {
	case string:
		list = []string{v}
	case json.RawMessage:
		list = keysWithin(v)
	case nil, inFile:
		return nil
	default:
		s, _, null, err := text(value)
		if err != nil || null {
			return nil
		}
		list = []string{s}
	}
	named := list[:0]
	for _, key := range list {
		if strings.TrimSpace(key) != "" {
			named = append(named, key)
		}
	}
	return named
}

// keysWithin are the texts and numbers in an array, of whatever depth.
func keysWithin(value json.RawMessage) (list []string) {
	var many []json.RawMessage
	var one string
	var number json.Number
	switch {
	case json.Unmarshal(value, &many) == nil:
		for _, v := range many {
			list = append(list, keysWithin(v)...)
		}
	case json.Unmarshal(value, &one) == nil:
		list = []string{one}
	case json.Unmarshal(value, &number) == nil:
		list = []string{number.String()}
	}
	return list
}

// errEnough ends a reading that has brought as many keys as fit.
var errEnough = errors.New("enough")

// namedFiles writes all files that a collection's rows name. first are the keys of
// its first reading.
func (a *writing) namedFiles(ctx context.Context, t Table, p *preview, first *keyList) error {
	total := first.seen
	for part := first; ; {
		for _, f := range part.list {
			write := a.named
			if f.long != nil {
				write = a.long
			}
			if err := write(ctx, t, p, f); err != nil {
				return fmt.Errorf("a file of row %d: %w", f.row+1, err)
			}
		}
		next := part.skip + int64(len(part.list))
		if next >= total || len(part.list) == 0 {
			return nil
		}
		part = newKeys(t, next)
		row := int64(0)
		err := t.Rows(ctx, func(values []any) error {
			part.add(row, values)
			row++
			if part.full() {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
}

// named writes one file as files/<store>/<n>-<name>, and links it from its row.
func (a *writing) named(ctx context.Context, t Table, p *preview, f namedFile) error {
	column := t.Fields[f.field]
	a.number++
	r, err := t.Open(ctx, column.Store, f.key)
	if errors.Is(err, ErrNoFile) {
		p.Missing++
		p.link(f, cellFile{Missing: true})
		return nil
	}
	if err != nil {
		return err
	}
	name := a.names.unique("files/"+safe(column.Store), fmt.Sprintf("%d-%s", a.number, FileName(f.key)))
	err = a.stored(name, func(w io.Writer) (int64, error) {
		_, err := io.Copy(w, r)
		return 0, err
	})
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	a.belongs(t, p, f)
	return nil
}

// belongs notes whose the file is that was written last.
func (a *writing) belongs(t Table, p *preview, f namedFile) {
	last := &a.files[len(a.files)-1]
	last.Of, last.Row = t.name()+"."+t.Fields[f.field].Name, f.row+1
	p.Files++
	p.link(f, cellFile{Path: last.Name})
}

// link puts a file beside its row, where the page shows the row.
func (p *preview) link(f namedFile, c cellFile) {
	if f.row < int64(len(p.Shown)) {
		cell := &p.Shown[f.row][f.field]
		cell.Files = append(cell.Files, c)
	}
}

// withFiles is what the letter adds of a collection's files.
func (p *preview) withFiles() string {
	if p.Files == 0 {
		return ""
	}
	return "; with " + counted(p.Files, "file", "files") + " in the folder files (manifest.json says which belongs to which entry)"
}

// missing counts, over all collections, the files that were not there.
func (d document) missing() (n int64) {
	for _, t := range d.Tables {
		n += t.Missing
	}
	return n
}
