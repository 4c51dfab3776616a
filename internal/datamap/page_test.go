package datamap

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryKeyIsOnThePage: docs/datamap.md has a line for each key that the
// parser knows, says of each that has no effect why, and names none that it does not know.
func TestEveryKeyIsOnThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/datamap.md")
	if err != nil {
		t.Fatal(err)
	}
	_, all, _ := strings.Cut(string(page), "\n## Every key\n")
	all, _, _ = strings.Cut(all, "\n## ")
	code := regexp.MustCompile("`([^`]+)`")
	seen := map[string]bool{}
	for _, section := range strings.Split(all, "\n### ")[1:] {
		what, table, _ := strings.Cut(section, "\n")
		i := slices.IndexFunc(levels(), func(k levelKeys) bool { return k.what == what })
		if i < 0 {
			t.Errorf("the page has a table of %q, and the parser knows no such level", what)
			continue
		}
		level := levels()[i]
		seen[what] = true
		var read, unused []string
		for line := range strings.Lines(table) {
			cells := strings.Split(strings.TrimSpace(line), "|")
			if len(cells) < 4 || cells[1] == " key " || strings.HasPrefix(cells[1], "---") {
				continue
			}
			if strings.Contains(cells[1], "describe only") {
				for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
					unused = append(unused, m[1])
				}
				continue
			}
			for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
				read = append(read, m[1])
				if why := level.idle[m[1]]; why != "" && !strings.Contains(cells[2], "without effect, because "+why) {
					t.Errorf("%s: %s: the page should say that it is without effect, because %s", what, m[1], why)
				}
			}
		}
		for kind, lists := range map[string][2][]string{
			"read": {slices.Concat(level.read, slices.Collect(maps.Keys(level.idle))), read}, "describing": {level.unused, unused},
		} {
			for _, key := range lists[0] {
				if !slices.Contains(lists[1], key) {
					t.Errorf("%s: the %s key %s has no line on the page", what, kind, key)
				}
			}
			for _, key := range lists[1] {
				if !slices.Contains(lists[0], key) {
					t.Errorf("%s: the page has a line for the %s key %s, which the parser does not know so", what, kind, key)
				}
			}
		}
	}
	for _, level := range levels() {
		if !seen[level.what] {
			t.Errorf("the page has no table of %s", level.what)
		}
	}
}

// TestEveryStrategyIsOnThePage: so are the masking strategies.
func TestEveryStrategyIsOnThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/datamap.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range strategies() {
		if !strings.Contains(string(page), "\n| `"+s+"` |") {
			t.Errorf("docs/datamap.md should have a line for the masking strategy %s", s)
		}
	}
}
