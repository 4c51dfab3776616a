package archive

import (
	"strings"
	"unicode/utf8"
)

// What index.html shows of the data. The page is written after all data files,
// so what it shows waits in memory, and is bounded three ways.
const (
	previewRows = 200     // rows of one collection
	previewCell = 4000    // bytes of one cell
	previewSize = 1 << 20 // bytes of one collection
	previewRoom = 8 << 20 // bytes of all collections together
)

// A preview is a collection as index.html shows it.
type preview struct {
	Table
	Base  string // path without extension
	Rows  int64  // in the files
	Shown [][]cell
	// Files that its rows name: given, and not found.
	Files, Missing int64
	size           int
	full           bool
}

// A cell is one value, as text.
type cell struct {
	Text  string
	Null  bool
	Cut   bool // the text goes on in the files
	Files []cellFile
}

func newPreview(t Table, base string) *preview { return &preview{Table: t, Base: base} }

// More is how many rows are only in the files.
func (p *preview) More() int64 { return p.Rows - int64(len(p.Shown)) }

// Heading is the collection's title.
func (p *preview) Heading() string { return p.title() }

// Anchor is the heading's id in the page.
func (p *preview) Anchor() string {
	return strings.ReplaceAll(strings.TrimPrefix(p.Base, "data/"), "/", "-")
}

func (p *preview) add(values []any, room *int) error {
	if p.full || len(p.Shown) == previewRows {
		p.full = true
		return nil
	}
	row := make([]cell, len(values))
	size := 0
	for i, v := range values {
		s, _, null, err := text(v)
		if err != nil {
			return err
		}
		c := cell{Null: null, Text: s}
		if len(s) > previewCell {
			c.Text, c.Cut = strings.Clone(cutText(s, previewCell)), true
		}
		row[i] = c
		size += len(c.Text) + 64
	}
	if p.size+size > previewSize || *room < size {
		p.full = true
		return nil
	}
	p.size += size
	*room -= size
	p.Shown = append(p.Shown, row)
	return nil
}

// cutText cuts s to at most n bytes, between two characters.
func cutText(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
