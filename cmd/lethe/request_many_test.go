package main

import (
	"strings"
	"testing"
)

// What is wrong with a first line is said without a word of it: it may be somebody's.
func TestFirstLinesThatNameNoColumns(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ says, cells string }{
		{"", "kind|email|field:order"},
		{"", "Kind|E-mail|"},
		{"UTF-8", "\xff\xfek\x00i\x00n\x00d\x00|e\x00m\x00a\x00i\x00l\x00"},
		{"UTF-8", "kind|name|Ren\xe9 Berg"},
		{"carriage return", "kind|email\raccess|Anna Berg\raccess|anna@x.example\r"},
		{"names the columns", "kind|Anna Berg|anna@x.example"},
	} {
		got := noHeader(strings.Split(x.cells, "|"))
		if (got == "") != (x.says == "") || !strings.Contains(got, x.says) || strings.Contains(got, "Berg") || strings.Contains(got, "anna") {
			t.Errorf("expected %q to be told with %q, got %q", x.cells, x.says, got)
		}
	}
}
