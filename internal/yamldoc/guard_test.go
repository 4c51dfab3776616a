package yamldoc

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Files that are small and cost a YAML reader much are turned away at once, with
// a sentence and a place; what is admitted is read in seconds.
func TestHostileFilesEndSoon(t *testing.T) {
	t.Parallel()
	indented := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	var block, flow, explicit strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&block, "k%d: 1\n", i)
		fmt.Fprintf(&explicit, "? k%d\n", i)
		if flow.Len() < 1<<20-20 {
			fmt.Fprintf(&flow, "k%d: 1,", i)
		}
	}
	for name, c := range map[string]struct{ text, want string }{
		"80 kB of brackets":          {strings.Repeat("[", 80_000), "f.yaml:1:65: nested more than 64 levels deep"},
		"80 kB of braces":            {"a: " + strings.Repeat("{a: ", 20_000), "nested more than 64 levels deep"},
		"brackets line by line":      {strings.Repeat("[\n", 80_000), "nested more than 64 levels deep"},
		"dashes":                     {strings.Repeat("- ", 80_000), "nested more than 64 levels deep"},
		"65 levels":                  {indented(65), "f.yaml:65:66: nested more than 64 levels deep"},
		"a mapping of 100,000 keys":  {block.String(), "f.yaml:4001:6: more than 4000 keys in one mapping"},
		"the same on one line":       {"a: {" + flow.String() + "}", "more than 4000 keys in one mapping"},
		"the same with ?":            {explicit.String(), "more than 4000 keys in one mapping"},
		"one key 100,000 times":      {strings.Repeat("a: 1\n", 100_000), "more than 4000 keys in one mapping"},
		"a key in a list's mappings": {"l:\n" + strings.Repeat("- a: 1\n", 10_000), ""},
		"30,000 items":               {"l:\n" + strings.Repeat("- a\n", 30_000), ""},
		"items on one line":          {"l: [" + strings.Repeat("a,", 30_000) + "]", ""},
		"documents":                  {strings.Repeat("---\na: 1\n", 2_000), "one document a file: a second one begins here"},
		"one long word":              {"a: " + strings.Repeat("x", 1<<20-10), ""},
		"anchors":                    {"a: " + strings.Repeat("&a ", 30_000) + "1\n", "-"},
		"tags":                       {"a: " + strings.Repeat("!t ", 30_000) + "1\n", "-"},
		"quotes":                     {"a: " + strings.Repeat("'' ", 30_000) + "\n", "-"},
		"over 1 MiB":                 {strings.Repeat("#", 1<<20+1), "f.yaml:1:1: the file is larger than 1 MiB"},
		"tabs":                       {"a:\n\t- x\n", "f.yaml:2:1: a tab cannot indent in YAML; use spaces"},
		"NUL":                        {"a: \x00", "f.yaml:1:4: the file is not UTF-8 text; save it as UTF-8"},
		"UTF-16":                     {"\xff\xfea\x00", "f.yaml:1:1: the file is not UTF-8 text"},
		"Windows-1252":               {"a: hunter2\nb: é caf\xe9\n", "f.yaml:2:9: the file is not UTF-8 text"},
		"open quote":                 {"a: \"hunter2\n", "f.yaml:1:4: this is not YAML that can be read: this quotation mark is not closed"},
		"open brace":                 {"a: {b: hunter2\n", "f.yaml:1:4: this is not YAML that can be read: this brace is not closed"},
		"open bracket":               {"a: [hunter2\n", "f.yaml:1:4: this is not YAML that can be read: this bracket is not closed"},
		"wrong bracket":              {"a: {b: [hunter2}}\n", "f.yaml:1:16: this is not YAML that can be read: a comma or a closing bracket is missing"},
		"colon in a text":            {"a: b: hunter2\n", "f.yaml:1:4: this is not YAML that can be read: a text that holds a colon and a space needs quotes"},
		"one space too few":          {"a:\n  b: 1\n c: hunter2\n", "f.yaml:3:2: this is not YAML that can be read: the line is indented by too many or too few spaces"},
		"no space behind a colon":    {"l:\n- hunter2:1\n  b: 2\n", "f.yaml:2:3: this is not YAML that can be read: a key needs a colon and a space"},
		"a line without a colon":     {"a: 1\nhunter2:1\nb: 2\n", "f.yaml:2:1: this is not YAML that can be read: a key needs a colon and a space"},
		"reserved":                   {"a: @hunter2\n", "f.yaml:1:4: this is not YAML that can be read: a text that begins like this needs quotes"},
		"escape":                     {"a: \"hunter2\\d\"\n", "this is not YAML that can be read: in double quotes a backslash"},
		"nothing":                    {"", "the file is empty"},
		"two documents":              {"a: 1\n---\nb: 2\n", "one document a file: a second one begins here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			d := &Document{File: "f.yaml"}
			root := d.Open([]byte(c.text))
			said := fmt.Sprint(d.Problems)
			switch {
			case c.want == "-": // either answer will do, as long as it comes
			case c.want == "" && (root == nil || len(d.Problems) > 0):
				t.Errorf("a large file that is right should be read, got %.300s", said)
			case c.want != "" && (root != nil || !strings.Contains(said, c.want)):
				t.Errorf("expected %q, got %.300s", c.want, said)
			}
			if strings.Contains(said, "hunter2") {
				t.Errorf("a problem never quotes the file's values: %.300s", said)
			}
			// Generous, for busy machines and the race detector: what is to be caught
			// here takes tens of seconds without either.
			if took := time.Since(start); took > 25*time.Second {
				t.Errorf("expected an answer at once, it took %s", took)
			}
		})
	}
}

// Places are the same whatever the lines end in, also behind texts of several lines.
func TestPlacesInFilesOfWindows(t *testing.T) {
	t.Parallel()
	const text = "a: |\n  one\n  two\nb: \"one\n  two\"\nc: >-\n  one\n\n  two\nd:\n  - x # y\n  - {e: 1}\n"
	places := func(text string) (all []string) {
		d := &Document{File: "f.yaml"}
		for _, e := range d.Entries(d.Open([]byte(text)), "the file") {
			at := e.Key.GetToken().Position
			all = append(all, fmt.Sprintf("%s %d:%d %s", e.Name, at.Line, at.Column, strings.ReplaceAll(e.Value.String(), "\r", "CR")))
		}
		return all
	}
	want := places(text)
	if len(want) != 4 || !strings.HasPrefix(want[3], "d 10:1") {
		t.Fatalf("expected four keys, the last in line 10, got %q", want)
	}
	for name, other := range map[string]string{"Windows": strings.ReplaceAll(text, "\n", "\r\n"), "a mark": "\xef\xbb\xbf" + text, "in part": strings.Replace(text, "one\n", "one\r\n", 2)} {
		if got := places(other); !slices.Equal(got, want) {
			t.Errorf("%s: expected %q, got %q", name, want, got)
		}
	}
}

// Tabs inside a block of text are text; before keys, also after such a block, they are not.
func TestTabsInText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: |\n  one\n  \ttwo\n\n  three\nb: 1\n":   "",
		"l:\n- a: >-\n    one\n    \ttwo\n  b: 1\n": "",
		"a: |2 # kept\n  \tone\nb: 1\n":             "",
		"a: |\n  one\n\tb: 1\n":                     "f.yaml:3:1: a tab cannot indent",
		"a: |\n  one\nb:\n  \tc: 1\n":               "f.yaml:4:3: a tab cannot indent",
		"a: x|\n  \tb: 1\n":                         "f.yaml:2:3: a tab cannot indent",
		"l:\n- a: |\n    one\n- b:\n  \tc: 1\n":     "f.yaml:5:3: a tab cannot indent",
	} {
		d := &Document{File: "f.yaml"}
		root := d.Open([]byte(text))
		if said := fmt.Sprint(d.Problems); (want == "") != (root != nil && len(d.Problems) == 0) || !strings.Contains(said, want) {
			t.Errorf("%q: expected %q, got %s", text, want, said)
		}
	}
}

// An alias is not followed, so it cannot multiply; the reader that meets one says so.
func TestAliasesMergeKeysAndTagsAreRefusedWhereTheyStand(t *testing.T) {
	t.Parallel()
	const bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: !!int x\ne: {<<: *a}\n"
	d := &Document{File: "f.yaml"}
	for _, e := range d.Entries(d.Open([]byte(bomb)), "the file") {
		if e.Name == "e" {
			d.Entries(e.Value, e.Name)
			continue
		}
		d.Texts(e.Value, e.Name)
	}
	said := fmt.Sprint(d.Problems)
	for _, want := range []string{
		"f.yaml:1:4: a: anchors and aliases are not read here; write the value out",
		"f.yaml:3:5: c: anchors and aliases are not read here; write the value out",
		"f.yaml:4:4: d: tags are not read here",
		"f.yaml:5:5: e: merge keys are not read here; write the keys out",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("expected %q among %s", want, said)
		}
	}
}

func TestAKeyThatStandsTwice(t *testing.T) {
	t.Parallel()
	d := &Document{File: "f.yaml"}
	if got := d.Entries(d.Open([]byte("password: hunter2\nb: 1\npassword: hunter3\n")), "the file"); len(got) != 2 {
		t.Errorf("the first of two equal keys should be kept, got %d keys", len(got))
	}
	if got, want := fmt.Sprint(d.Problems), "[f.yaml:3:1: the file: password stands twice; the first is in line 1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestProblemsHaveAnEnd(t *testing.T) {
	t.Parallel()
	d := &Document{File: "f.yaml"}
	for range 10_000 {
		d.Say(nil, "wrong")
	}
	if n := len(d.Problems); n != maxProblems+1 || d.Problems[n-1].Message != "and more problems, which are not listed" {
		t.Errorf("after %d problems one should say that there are more, got %d, the last %q", maxProblems, n, d.Problems[n-1].Message)
	}
}
