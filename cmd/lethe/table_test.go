package main

import (
	"strings"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/dsar"
	"github.com/lethe-dsr/lethe/internal/source"
)

// On a terminal a row that is too long is broken in its last column, beside the
// others where there is room, else below them.
func TestTableOnATerminal(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{
		60: `STATE     PART    FINDING
doubtful  source  no index serves the look-up by email, so
                  each request reads the whole table
right     keys
`,
		40: `STATE     PART
    FINDING
doubtful  source
    no index serves the look-up by
    email, so each request reads the
    whole table
right     keys
`,
		20: `STATE     PART    FINDING
doubtful  source  no index serves the look-up by email, so each request reads the whole table
right     keys
`,
		200: `STATE     PART    FINDING
doubtful  source  no index serves the look-up by email, so each request reads the whole table
right     keys
`,
	} {
		var out strings.Builder
		table := newTable(&out, "state", "part", "finding")
		table.width = width
		table.row("doubtful", "source", "no index serves the look-up by email, so each request reads the whole table")
		table.row("right", "keys", "")
		table.flush()
		if got := out.String(); got != want {
			t.Errorf("expected in %d columns\n%s\ngot\n%s", width, want, got)
		}
	}
}

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

// Key and text of a mention are what strangers wrote.
func TestMentionOnATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	printMention(&out, dsar.Mention{ID: 4, Collection: "shop.notes", Key: "a\x1b[2J"}, source.MentionText{Text: "b\x1b[2J\nc", Spans: [][2]int{{0, 1}}}, true)
	if want := "\nMention 4, shop.notes:a\ufffd[2J\n  »b«\ufffd[2J\n  c\n"; out.String() != want {
		t.Errorf("expected %q, got %q", want, out.String())
	}
}

func TestATableWithoutRowsSaysSo(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table := newTable(&out, "what", "rows")
	table.none = "Nothing is kept."
	table.flush()
	if got := out.String(); got != "Nothing is kept.\n" {
		t.Errorf("expected a sentence in place of a header, got %q", got)
	}
}
