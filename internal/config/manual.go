package config

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// What a person's desk has where the file does not say.
const (
	deskDays  = 10
	deskLimit = 50_000_000
)

// manual reads a source that is a person.
func (r *reader) manual(n ast.Node, what string) *Manual {
	m := &Manual{Days: deskDays, Limit: deskLimit}
	r.mapping(n, what, map[string]field{
		"owner":       must(r.line(&m.Owner)),
		"mail":        must(r.address(&m.Mail)),
		"holds":       must(r.line(&m.Holds)),
		"days":        r.number(&m.Days, 1, 60),
		"limit":       r.size(&m.Limit, 1_000, 2_000_000_000),
		"controllers": r.list(&m.Controllers),
	})
	return m
}

// knownControllers checks whose data the desks hold, once both have been read.
func (r *reader) knownControllers(n ast.Node) {
	for _, s := range r.c.Sources {
		if s.Manual == nil {
			continue
		}
		for _, key := range s.Manual.Controllers {
			if !slices.ContainsFunc(r.c.Controllers, func(c Controller) bool { return c.Key == key }) {
				r.Say(n, "sources: %s: manual: controllers: there is no controller %s in this file", s.Name, key)
			}
		}
	}
}

// line reads a text of one line that says something: it stands in letters and subjects.
func (r *reader) line(into *string) field {
	return field{read: func(n ast.Node, what string) {
		s, ok := r.value(n, what, false)
		s = strings.TrimSpace(s)
		if ok && (s == "" || len(s) > 200 || strings.ContainsAny(s, "\r\n")) {
			r.Say(n, "%s: one line of words expected, at most 200 characters", what)
			return
		}
		*into = s
	}}
}

// size reads a number of bytes: 50MB, 800 kB, 2GB, by thousands as disks and mail programs count.
func (r *reader) size(into *int64, least, most int64) field {
	return field{read: func(n ast.Node, what string) {
		s, _ := r.value(n, what, false)
		number, unit := strings.TrimSpace(s), int64(1)
		for _, u := range []struct {
			name  string
			bytes int64
		}{{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
			if rest, found := strings.CutSuffix(number, u.name); found {
				number, unit = strings.TrimSpace(rest), u.bytes
				break
			}
		}
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil || v < 0 || v > math.MaxInt64/unit || v*unit < least || v*unit > most {
			r.Say(n, "%s: a size from 1kB to 2GB expected, such as 50MB", what)
			return
		}
		*into = v * unit
	}}
}
