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
	"hash"
	"io"
	"time"
)

// csvInMemory is how much of a collection's CSV is kept while its JSON is being
// written, so that small collections are read once. A larger one is read again:
// entries of a ZIP follow each other, and both cannot be open at once.
const csvInMemory = 1 << 20

// Write streams the ZIP: data files first, then files handed over as they are,
// index.html, letter.txt, manifest.json. Memory is bounded whatever the number of
// rows. The caller's w is not closed; after an error what was written to it is worthless.
func Write(ctx context.Context, w io.Writer, l Letter, mapDigest string, tables []Table, files ...Attached) (Manifest, error) {
	z := newZip(w)
	a := &writing{zip: z, madeAt: l.MadeAt.UTC(), names: newNames()}
	room := previewRoom
	previews := make([]*preview, 0, len(tables))
	for _, t := range tables {
		p, err := a.table(ctx, t, &room)
		if err != nil {
			return Manifest{}, fmt.Errorf("archive of request %d: collection %s: %w", l.RequestID, t.name(), err)
		}
		previews = append(previews, p)
	}
	attached, err := a.attachAll(ctx, l.RequestID, files)
	if err != nil {
		return Manifest{}, err
	}
	doc := document{Letter: l, Tables: previews, Attached: attached}
	for _, part := range []struct {
		name  string
		write func(io.Writer, document) error
	}{{"index.html", writeIndex}, {"letter.txt", writeLetter}} {
		if err := a.file(part.name, func(w io.Writer) (int64, error) { return 0, part.write(w, doc) }); err != nil {
			return Manifest{}, fmt.Errorf("archive of request %d: %s: %w", l.RequestID, part.name, err)
		}
	}
	m := Manifest{
		Request: l.RequestID, Kind: l.Kind, Controller: l.Controller.Name,
		MadeAt: a.madeAt, MapDigest: mapDigest, Files: a.files, Missing: doc.missing(),
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Manifest{}, fmt.Errorf("archive of request %d: manifest: %w", l.RequestID, err)
	}
	err = a.file("manifest.json", func(w io.Writer) (int64, error) {
		_, err := w.Write(append(text, '\n'))
		return 0, err
	})
	if err != nil {
		return Manifest{}, fmt.Errorf("archive of request %d: manifest: %w", l.RequestID, err)
	}
	if err := z.Close(); err != nil {
		return Manifest{}, fmt.Errorf("archive of request %d: finish: %w", l.RequestID, err)
	}
	return m, nil
}

// writing is one archive under way.
type writing struct {
	zip    *zip.Writer
	madeAt time.Time
	names  *names
	files  []File
	number int64 // of files that rows name, so far
}

// file adds one entry and notes its size, rows and hash. One of some hundred
// bytes is stored: compressing it costs more than it saves.
func (a *writing) file(name string, content func(io.Writer) (rows int64, err error)) error {
	return a.entry(&entry{a: a, name: name, method: zip.Deflate, small: make([]byte, 0, smallFile)}, content)
}

// stored adds one as it is: pictures and documents are compressed already.
func (a *writing) stored(name string, content func(io.Writer) (rows int64, err error)) error {
	return a.entry(&entry{a: a, name: name, method: zip.Store}, content)
}

func (a *writing) entry(e *entry, content func(io.Writer) (rows int64, err error)) error {
	m := &measured{w: e, sum: sha256.New()}
	rows, err := content(m)
	if err == nil {
		err = e.begin(zip.Store) // unless it was: it is small
	}
	if err != nil {
		return err
	}
	a.files = append(a.files, File{Name: e.name, Size: m.n, Rows: rows, SHA256: hex.EncodeToString(m.sum.Sum(nil))})
	return nil
}

// smallFile is what is kept back of a file before it is begun, in bytes.
const smallFile = 1 << 10

// An entry of the ZIP is begun once it is known whether it is small.
type entry struct {
	a      *writing
	name   string
	method uint16
	small  []byte    // what has been written, up to its capacity
	w      io.Writer // nil: not begun
}

func (e *entry) Write(p []byte) (int, error) {
	if e.w == nil && len(e.small)+len(p) <= cap(e.small) {
		e.small = append(e.small, p...)
		return len(p), nil
	}
	if err := e.begin(e.method); err != nil {
		return 0, err
	}
	return e.w.Write(p)
}

// begin begins the entry, if it has not begun.
func (e *entry) begin(method uint16) (err error) {
	if e.w != nil {
		return nil
	}
	// The time is the archive's own, not the machine's: the same data give the same bytes.
	e.w, err = e.a.zip.CreateHeader(&zip.FileHeader{Name: e.name, Method: method, Modified: e.a.madeAt})
	if err != nil {
		return err
	}
	_, err = e.w.Write(e.small)
	return err
}

// measured counts and hashes what goes through it.
type measured struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (m *measured) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += int64(n)
	m.sum.Write(p[:n])
	return n, err
}

// errChanged: the two readings of a collection differ, so its snapshot is none.
var errChanged = errors.New("its rows changed between two readings")

// table writes a collection's two files, and keeps its first rows for index.html.
func (a *writing) table(ctx context.Context, t Table, room *int) (*preview, error) {
	base := a.names.base(t.Dataset, t.Collection)
	t.Rows = a.apart(t, base)
	p := newPreview(t, base)
	header := csvHeader(t.Fields)
	var (
		kept  = bytes.NewBuffer(header)
		whole = true // kept holds all of the CSV
		rows  int64
		files = newKeys(t, 0)
	)
	err := a.file(base+".json", func(w io.Writer) (int64, error) {
		out := newJSONRows(w, t.Fields)
		var line []byte
		err := t.Rows(ctx, func(values []any) error {
			if len(values) != len(t.Fields) {
				return fmt.Errorf("a row has %d values for %d fields", len(values), len(t.Fields))
			}
			if err := out.row(values); err != nil {
				return err
			}
			files.add(rows, values)
			rows++
			if err := p.add(values, room); err != nil {
				return err
			}
			if !whole {
				return nil
			}
			var err error
			if line, err = appendCSVRow(line[:0], t.Fields, values); err != nil {
				return err
			}
			if kept.Len()+len(line) > csvInMemory {
				whole, kept = false, nil
				return nil
			}
			kept.Write(line)
			return nil
		})
		if err != nil {
			return rows, err
		}
		return rows, out.close()
	})
	if err != nil {
		return nil, err
	}
	p.Rows = rows
	err = a.file(base+".csv", func(w io.Writer) (int64, error) {
		if whole {
			_, err := w.Write(kept.Bytes())
			return rows, err
		}
		again, err := secondReading(ctx, w, t, header)
		if err == nil && again != rows {
			err = errChanged
		}
		return again, err
	})
	if err != nil {
		return nil, err
	}
	return p, a.namedFiles(ctx, t, p, files)
}

// secondReading writes the CSV of a collection too large to have been kept.
func secondReading(ctx context.Context, w io.Writer, t Table, header []byte) (rows int64, err error) {
	if _, err := w.Write(header); err != nil {
		return 0, err
	}
	var line []byte
	err = t.Rows(ctx, func(values []any) error {
		if len(values) != len(t.Fields) {
			return fmt.Errorf("a row has %d values for %d fields", len(values), len(t.Fields))
		}
		if line, err = appendCSVRow(line[:0], t.Fields, values); err != nil {
			return err
		}
		rows++
		_, err := w.Write(line)
		return err
	})
	return rows, err
}
