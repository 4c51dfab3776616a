package draft

import (
	"fmt"
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// gone lists what the map has and the database has not. What lies in a schema
// that was not looked at is not told of, nor are the columns of what is there
// and was not described, a partition for one.
func (k *known) gone(db *Database) []Gone {
	tables := map[string]*Table{}
	for _, t := range db.Tables {
		tables[t.FullName()] = t
	}
	var all []Gone
	for _, d := range k.datasets {
		for _, c := range d.Collections {
			schema := db.schemaOf(d, c.Name, k.where)
			if schema == "" {
				if db.looked(d) {
					all = append(all, Gone{Pos: c.Pos, Collection: c.FullName()})
				}
				continue
			}
			t := tables[schema+"."+c.Name]
			if t == nil {
				continue
			}
			for _, f := range c.Fields {
				if t.Column(f.Name) == nil && !slices.Contains(t.Unread, f.Name) {
					all = append(all, Gone{Pos: f.Pos, Collection: c.FullName(), Field: f.Name})
				}
			}
		}
	}
	return all
}

// looked tells whether every schema in which a dataset's tables may lie was looked at.
func (db *Database) looked(d *datamap.Dataset) bool {
	schemas := db.Path
	if d.Schema != "" {
		schemas = []string{d.Schema}
	}
	return len(db.Only) == 0 || !slices.ContainsFunc(schemas, func(s string) bool { return !slices.Contains(db.Only, s) })
}

// settle holds the map as it was against what it is with the additions: all that
// was there is there unchanged, and what is new is what was to be added. It
// gives the additions their places.
func (u *Update) settle(before, after *datamap.Map) error {
	had, has := before.Elements(), after.Elements()
	for name, was := range had {
		if is, ok := has[name]; !ok || is.Text != was.Text {
			return u.byHand(was.Pos.File, fmt.Errorf("%s would not be read as before", name))
		}
	}
	extra := len(has) - len(had)
	for i := range u.Added {
		a := &u.Added[i]
		name := a.Collection
		if a.Field != "" {
			name += "." + a.Field
		}
		is, ok := has[name]
		if _, stood := had[name]; !ok || stood {
			return u.byHand(a.Pos.File, fmt.Errorf("%s would not be read", name))
		}
		a.Pos = is.Pos
		extra -= 1 + is.Fields
	}
	news := map[string]bool{}
	for _, d := range before.Datasets {
		news[d.Key] = true
	}
	for _, d := range after.Datasets {
		if !news[d.Key] {
			extra--
		}
	}
	if extra != 0 {
		return u.byHand(u.Files[0].Name, fmt.Errorf("%d more entries would be read than were added", extra))
	}
	return nil
}
