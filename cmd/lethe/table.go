package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// table prints aligned columns: a header of capitals, two blanks between
// columns, numbers to the right. Values may be anybody's, so control characters
// never reach the terminal. On a terminal the last column is broken to fit; in a
// pipe each row is one line.
type table struct {
	out    io.Writer
	width  int // of the terminal; 0: none
	headed bool
	rows   [][]string
	none   string // said in place of the header where no row stands below it
}

func newTable(out io.Writer, header ...string) *table {
	t := &table{out: out, width: terminalWidth(out), headed: len(header) > 0}
	if t.headed {
		cells := make([]any, len(header))
		for i, h := range header {
			cells[i] = strings.ToUpper(h)
		}
		t.row(cells...)
	}
	return t
}

func (t *table) row(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		text := fmt.Sprint(c)
		if at, ok := c.(time.Time); ok {
			text = instant(at)
		}
		line[i] = printable(text)
	}
	t.rows = append(t.rows, line)
}

func (t *table) flush() {
	if t.none != "" && t.headed && len(t.rows) == 1 {
		t.rows = [][]string{{t.none}}
	}
	var widths []int
	for _, line := range t.rows {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	last, room, apart := t.fit(widths)
	for _, line := range t.rows {
		var b strings.Builder
		var more []string
		for i, cell := range line {
			if i == last {
				more = broken(cell, room)
				if !apart && len(more) > 0 {
					b.WriteString(more[0])
					more = more[1:]
				}
				continue
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.numbers(i) {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
			b.WriteString("  ")
		}
		if first := strings.TrimRight(b.String(), " "); first != "" || len(more) == 0 {
			fmt.Fprintln(t.out, first)
		}
		for _, text := range more {
			fmt.Fprintln(t.out, strings.Repeat(" ", t.width-room)+text)
		}
	}
	t.rows = nil
}

// fit says which column is broken, to how many characters, and whether it stands
// on lines of its own because beside the others there is too little room. It is
// none (-1) where everything fits, or nothing would.
func (t *table) fit(widths []int) (last, room int, apart bool) {
	const least, indent = 30, 4
	last = len(widths) - 1
	if t.width < least || last < 1 || t.numbers(last) {
		return -1, 0, false
	}
	before := 0
	for _, w := range widths[:last] {
		before += w + 2
	}
	switch {
	case before+widths[last] <= t.width:
		return -1, 0, false
	case t.width-before >= least:
		return last, t.width - before, false
	}
	return last, max(t.width-indent, least), true
}

// broken is a text in lines of at most so many characters, but for words that are longer.
func broken(text string, room int) (lines []string) {
	for _, word := range strings.Fields(text) {
		if n := len(lines) - 1; n >= 0 && utf8.RuneCountInString(lines[n])+1+utf8.RuneCountInString(word) <= room {
			lines[n] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

// numbers tells whether a column below its header holds nothing else. The first
// one names the line, and stays on the left.
func (t *table) numbers(column int) bool {
	some := false
	if column == 0 {
		return false
	}
	for n, line := range t.rows {
		if n == 0 && t.headed || column >= len(line) || line[column] == "" {
			continue
		}
		if strings.Trim(line[column], "0123456789,.-") != "" {
			return false
		}
		some = true
	}
	return some
}

// printable replaces what would steer a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\ufffd'
		}
		return r
	}, text)
}
