package main

import "testing"

// A tenant without a configuration stands in every table of a schema: that is one
// finding, and what stands in few is told of each.
func TestStrangersAreToldOnce(t *testing.T) {
	t.Parallel()
	list := []stranger{{[]string{"a.one"}, []string{"2"}}, {[]string{"a.two"}, []string{"2"}}, {[]string{"a.odd"}, []string{"2", "3"}}, {[]string{"a.three"}, []string{"2"}}}
	if got := together(list); len(got) != 4 || got[2].subject() != ": a.odd" || got[2].sentence() != "it holds rows of 2 controllers without a configuration: 2, 3" {
		t.Errorf("expected three collections to be told one by one, got %v", got)
	}
	got := together(append(list, stranger{[]string{"a.four"}, []string{"2"}}))
	const want = "4 collections hold rows of 1 controller without a configuration: 2 (a.one, a.two, a.three, a.four)"
	if len(got) != 2 || got[0].subject() != "" || got[0].sentence() != want || got[1].subject() != ": a.odd" {
		t.Errorf("expected %q and the odd one, got %v", want, got)
	}
}
