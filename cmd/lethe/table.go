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
// never reach the terminal.
type table struct {
	out    io.Writer
	headed bool
	rows   [][]string
}

func newTable(out io.Writer, header ...string) *table {
	t := &table{out: out, headed: len(header) > 0}
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
	var widths []int
	for _, line := range t.rows {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range t.rows {
		var b strings.Builder
		for i, cell := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.numbers(i) {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
			b.WriteString("  ")
		}
		fmt.Fprintln(t.out, strings.TrimRight(b.String(), " "))
	}
	t.rows = nil
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
