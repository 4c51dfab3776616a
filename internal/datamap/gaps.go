package datamap

import (
	"slices"
	"strings"
)

// Gaps lists what a map does not say and a letter under Art. 15(1) or an export
// under Art. 20 needs: purposes (a), the source of the data (g), the legal
// basis. They are no errors of the map, which a walk can follow without them;
// `lethe check` and `lethe datamap check` show them.
func Gaps(m *Map) []Problem {
	var list []Problem
	for _, c := range m.collections() {
		var fields []*Field
		for _, f := range c.AllFields() {
			if slices.ContainsFunc(f.whole, func(k string) bool { return CategoryMatches(personal, k) }) {
				fields = append(fields, f)
			}
		}
		if c.Skip || len(fields) == 0 {
			continue
		}
		missing := func(has func(*Field) bool) bool { return !slices.ContainsFunc(fields, has) }
		var lacks []string
		if missing(func(f *Field) bool { return f.Legal.Basis != "" }) {
			lacks = append(lacks, "its legal basis (lethe: {basis: …})")
		}
		if missing(func(f *Field) bool { return len(f.Uses) > 0 }) {
			lacks = append(lacks, "what it is used for (data_uses)")
		}
		if missing(func(f *Field) bool { return f.Legal.Origin != "" || f.ProvidedBy == "subject" }) {
			lacks = append(lacks, "where it comes from (lethe: {origin: …})")
		}
		if len(lacks) > 0 {
			list = append(list, Problem{Pos: c.Pos, Warning: true, Message: c.FullName() + " does not say " + strings.Join(lacks, ", ") + ": letters will lack it"})
		}
	}
	for _, f := range MentionFields(m) {
		if f.Why != "" {
			list = append(list, Problem{Pos: f.Field.Pos, Warning: true, Message: f.Why})
		}
	}
	return list
}
