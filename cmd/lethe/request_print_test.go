package main

import (
	"strings"
	"testing"

	"github.com/lethe-dsr/lethe/internal/source"
)

// What stays because another row names it has a column where there is some.
func TestFindingsThatStay(t *testing.T) {
	t.Parallel()
	list := []source.Finding{{Source: "shop", Collection: "shop.orders", Rows: 4, Erased: 1, Kept: 3}}
	printed := func() []string {
		var out strings.Builder
		printFindings(&out, list, false)
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	if lines := printed(); strings.Contains(strings.ToLower(lines[0]), "stays") {
		t.Errorf("expected no column for what stays where nothing does, got %q", lines[0])
	}
	list = []source.Finding{{Source: "shop", Collection: "shop.orders", Rows: 4, Erased: 1, Stays: 3}}
	lines := printed()
	if head, row := strings.Fields(strings.ToLower(lines[0])), strings.Fields(lines[1]); head[len(head)-1] != "stays" || row[len(row)-1] != "3" {
		t.Errorf("expected a column for the three orders that stay, got %q", lines)
	}
	list = append(list, source.Finding{Source: "shop", Collection: "shop.wishes"})
	if lines = printed(); len(lines) != 3 || lines[2] != "Nothing in shop.wishes." {
		t.Errorf("expected a collection with nothing to be no row of the table, got %q", lines)
	}
}
