package main

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table := newTable(&out, "what", "rows", "at", "")
	table.row("Žofie", "1,204", time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC), "")
	table.row("a\x1b[2Jb\nc", 7, time.Time{}, "late")
	table.flush()
	const want = `WHAT       ROWS  AT
Žofie     1,204  2026-11-01 09:00 UTC
a�[2Jb�c      7                        late
`
	if got := out.String(); got != want {
		t.Errorf("expected numbers to the right, no blanks at the ends of lines and nothing that steers a terminal:\n%q\ngot\n%q", want, got)
	}
}
