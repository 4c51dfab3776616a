package retention

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A part is one selection of a rule in one source. Most rules have one; a rule
// over cookies and local storage has one for each, a rule on a withheld category
// one for each collection that holds it.
type part struct {
	source string
	sel    source.Selection // without Before and holds, which are of the moment
}

// plan is a rule made ready to run: its parts, and the digest of what they mean.
type plan struct {
	rule   Rule
	parts  []part
	digest string
}

// makePlan resolves a rule against the map, the catalogue and the controllers.
func makePlan(r Rule, m *datamap.Map, controllers []Controller) plan {
	p := plan{rule: r}
	switch {
	case r.Withheld != "":
		p.parts = withheldParts(r, m, controllers)
	case len(r.Lifetimes) > 0:
		p.parts = lifetimeParts(r)
	default:
		p.parts = []part{{r.Collection.Dataset.Source, base(r)}}
	}
	p.digest = digest(r, p.parts)
	return p
}

func base(r Rule) source.Selection {
	s := source.Selection{
		Collection: r.Collection, Where: r.Where, WhereNot: r.WhereNot,
		Unless: r.Unless, Then: r.Then, Columns: r.Columns,
		ValueColumn: r.ValueColumn, ValueIn: r.ValueIn,
	}
	if !r.Keep.IsZero() {
		s.StartsAt = r.StartsAt
	}
	return s
}

// lifetimeParts selects by name and storage, one part for each storage: the
// catalogue's pairs do not multiply out.
func lifetimeParts(r Rule) []part {
	var parts []part
	for _, st := range []Storage{Cookie, LocalStorage} {
		var names []string
		for _, l := range r.Lifetimes {
			if l.Storage == st && !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
		if len(names) == 0 {
			continue
		}
		s := selectNames(base(r), r.NameColumn, r.StorageColumn, st, names)
		parts = append(parts, part{r.Collection.Dataset.Source, s})
	}
	return parts
}

// selectNames narrows a selection to documented names, and leaves out what
// belongs to more specific ones that are not among them.
func selectNames(s source.Selection, nameColumn, storageColumn string, st Storage, names []string) source.Selection {
	var not []string
	for _, name := range names {
		for _, other := range moreSpecific(name) {
			if !slices.Contains(names, other) && !slices.Contains(not, other) {
				not = append(not, other)
			}
		}
	}
	s.Where = with(s.Where, nameColumn, names...)
	s.Where = with(s.Where, storageColumn, string(st))
	if len(not) > 0 {
		// WhereNot is ANDed over its columns: a condition of the rule's own would
		// weaken this one, so ParseRules takes no where_not beside a lifetime.
		s.WhereNot = with(nil, nameColumn, not...)
	}
	return s
}

// with copies a condition and adds a column to it.
func with(where map[string][]*string, column string, values ...string) map[string][]*string {
	out := make(map[string][]*string, len(where)+1)
	for k, v := range where {
		out[k] = v
	}
	for _, v := range values {
		out[column] = append(out[column], &v)
	}
	return out
}

// withheldParts empties a category in each collection that maps it, in the rows
// of those controllers that withhold it. Where rows do not name their controller
// it can only be done for the one controller that there is.
func withheldParts(r Rule, m *datamap.Map, controllers []Controller) []part {
	var scopes []string
	for _, c := range controllers {
		if slices.ContainsFunc(c.Withhold, func(w string) bool { return datamap.CategoryMatches(w, r.Withheld) }) {
			scopes = append(scopes, c.Scope)
		}
	}
	if len(scopes) == 0 {
		return nil
	}
	slices.Sort(scopes)
	var parts []part
	for _, f := range withheldFields(m, r.Collection, r.Withheld) {
		c := f.Collection
		s := source.Selection{Collection: c, Then: r.Then, Scopes: scopes}
		if c.Controller == "" {
			if len(controllers) != 1 {
				continue
			}
			s.Scopes = nil
		}
		if n := len(parts); n > 0 && parts[n-1].sel.Collection == c {
			parts[n-1].sel.Columns = append(parts[n-1].sel.Columns, source.ColumnChange{Column: f.Name})
			continue
		}
		s.Columns = []source.ColumnChange{{Column: f.Name}}
		parts = append(parts, part{c.Dataset.Source, s})
	}
	return parts
}

// digest is the hex SHA-256 of all that decides what a rule does. Its schedule,
// brake and description may change without a new approval; the controllers that
// withhold and the catalogue may not.
func digest(r Rule, parts []part) string {
	type meaning struct {
		Source, Collection, StartsAt, Keep, Then, Value string
		Where, WhereNot                                 map[string][]*string
		Scopes, ValueIn                                 []string
		Columns                                         []source.ColumnChange
		Unless                                          string
		Link                                            map[string]string
		UnlessWhere                                     map[string][]*string
	}
	list := make([]meaning, 0, len(parts))
	for _, p := range parts {
		s := p.sel
		x := meaning{Source: p.source, Collection: s.Collection.FullName(), StartsAt: s.StartsAt, Keep: r.Keep.String(),
			Then: string(s.Then), Value: s.ValueColumn, Where: s.Where, WhereNot: s.WhereNot, Scopes: s.Scopes,
			ValueIn: s.ValueIn, Columns: s.Columns}
		if s.Unless != nil {
			x.Unless, x.Link, x.UnlessWhere = s.Unless.Collection.FullName(), s.Unless.Link, s.Unless.Where
		}
		list = append(list, x)
	}
	b, err := json.Marshal(list) // maps are written with sorted keys
	if err != nil {
		panic("retention: a rule cannot be written as JSON: " + err.Error()) // strings and maps of strings only
	}
	sum := sha256.Sum256(append([]byte("lethe rule 1\n"), b...))
	return hex.EncodeToString(sum[:])
}

// cutoff of a rule at a moment; the zero time when it has no period.
func (p plan) cutoff(now time.Time) time.Time {
	if p.rule.Keep.IsZero() {
		return time.Time{}
	}
	return Cutoff(now, p.rule.Keep)
}

// at is a part's selection as of a moment.
func (p plan) at(i int, now time.Time) source.Selection {
	s := p.parts[i].sel
	if s.StartsAt != "" {
		s.Before = p.cutoff(now)
	}
	return s
}
