// Package docs holds no code: its tests run the examples of datamap.md, so that
// what the page promises is what happens.
package docs_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A block is one fenced block of a page. Its info string says what it is: the
// language, what is done with it, the example that it belongs to, and arguments,
// as in "text find shop email=mara@shop.example". A reader is shown the first word only.
type block struct {
	lang, verb, of string
	args           []argument
	body           string
	line           int
}

type argument struct{ name, value string }

func (b block) arg(name string) string {
	for _, a := range b.args {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// blocks reads the fenced blocks of a page.
func blocks(t *testing.T, page string) (list []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var open *block
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			words := strings.Fields(fence)
			b := block{line: n}
			for i, w := range words {
				name, value, isArg := strings.Cut(w, "=")
				switch {
				case i == 0:
					b.lang = w
				case i == 1:
					b.verb = w
				case i == 2:
					b.of = w
				case isArg:
					b.args = append(b.args, argument{name, value})
				default:
					t.Errorf("%s:%d: expected NAME=VALUE, got %q", page, n, w)
				}
			}
			open = &b
		case isFence:
			list = append(list, *open)
			open = nil
		case open != nil:
			open.body += line
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: a block begins here and has no end", page, open.line)
	}
	return list
}

// TestEveryExampleOfThePage: maps, rules and policies are accepted and fit the
// page's own tables, and each outcome is the one that stands below them. Blocks
// run in the page's order, examples beside each other.
func TestEveryExampleOfThePage(t *testing.T) {
	t.Parallel()
	const page = "datamap.md"
	var names []string
	by := map[string][]block{}
	for _, b := range blocks(t, page) {
		if b.lang == "sh" {
			continue // commands, which are tried elsewhere
		}
		if b.verb == "" || b.of == "" {
			t.Errorf("%s:%d: every block but those of commands says what is done with it; this one is not run", page, b.line)
			continue
		}
		if !slices.Contains(names, b.of) {
			names = append(names, b.of)
		}
		by[b.of] = append(by[b.of], b)
	}
	if len(names) < 5 {
		t.Fatalf("expected the page's examples, found %v", names)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &example{}
			for _, b := range by[name] {
				e.at = fmt.Sprintf("%s:%d", page, b.line)
				run, known := verbs()[b.verb]
				if !known {
					t.Fatalf("%s: nobody knows how to run %q", e.at, b.verb)
				}
				run(e, t, b)
			}
			if e.outcomes == 0 {
				t.Errorf("expected example %s to show what comes of it", name)
			}
		})
	}
}

// same holds lines to lines, without a regard for how columns are spaced.
func (e *example) same(t *testing.T, want string, got []string) {
	t.Helper()
	e.outcomes++
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	for i, line := range got {
		got[i] = strings.Join(strings.Fields(line), " ")
	}
	if !slices.Equal(lines, got) {
		t.Errorf("%s: the page says\n%s\nand it is\n%s", e.at, strings.Join(lines, "\n"), strings.Join(got, "\n"))
	}
}
