package draft

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// known is what a map says of the database already, for an update: what it has
// is not judged again, and what is new is judged by what the map does with the
// tables that it hangs on. The zero known knows nothing, as a first draft does.
type known struct {
	collections map[string]*datamap.Collection // by Table.FullName
	datasets    []*datamap.Dataset             // of the source
	reached     map[*datamap.Collection]bool
	ignored     map[string]bool                     // full names of tables, and of columns behind them
	tables      map[*datamap.Dataset]map[string]int // how many of each schema
	db          *Database
	where       map[[2]string]bool
}

// knownOf finds what a map says of the tables of one source.
func knownOf(db *Database, m *datamap.Map, source string) *known {
	k := &known{collections: map[string]*datamap.Collection{}, reached: map[*datamap.Collection]bool{}, ignored: map[string]bool{},
		tables: map[*datamap.Dataset]map[string]int{}, db: db, where: db.places()}
	if m == nil {
		return k
	}
	reach := map[string]bool{}
	for _, list := range datamap.Reach(m) {
		for _, name := range list {
			reach[name] = true
		}
	}
	for _, d := range m.Datasets {
		if d.Source != source {
			continue
		}
		k.datasets, k.tables[d] = append(k.datasets, d), map[string]int{}
		for _, c := range d.Collections {
			k.reached[c] = reach[c.FullName()]
			if schema := db.schemaOf(d, c.Name, k.where); schema != "" && k.collections[schema+"."+c.Name] == nil {
				k.collections[schema+"."+c.Name] = c
				k.tables[d][schema]++
			}
		}
		for _, name := range d.Ignored {
			table, column, ofColumn := strings.Cut(name, ".")
			full := cmp.Or(db.schemaOf(d, table, k.where), d.Schema) + "." + table
			if ofColumn {
				full += "." + column
			}
			k.ignored[full] = true
		}
	}
	return k
}

// places are the relations that are there, described or not.
func (db *Database) places() map[[2]string]bool {
	all := make(map[[2]string]bool, len(db.Tables)+len(db.Others))
	for _, t := range db.Tables {
		all[[2]string{t.Schema, t.Name}] = true
	}
	for _, o := range db.Others {
		all[o] = true
	}
	return all
}

// schemaOf is the schema of a dataset's table: the dataset's, else the first of
// the search path that has one of that name; "" where none has.
func (db *Database) schemaOf(d *datamap.Dataset, table string, where map[[2]string]bool) string {
	schemas := db.Path
	if d.Schema != "" {
		schemas = []string{d.Schema}
	}
	for _, s := range schemas {
		if where[[2]string{s, table}] {
			return s
		}
	}
	return ""
}

func (k *known) collection(t *Table) *datamap.Collection { return k.collections[t.FullName()] }

// has tells whether the map has a column.
func (k *known) has(t *Table, column string) bool {
	c := k.collection(t)
	return c != nil && c.Field(column) != nil
}

// hasAll tells whether the map has columns of a table.
func (k *known) hasAll(t *Table, columns []string) bool {
	return !slices.ContainsFunc(columns, func(name string) bool { return !k.has(t, name) })
}

// leaves tells whether the map leaves a table or column out on purpose. What
// stands in the map is not left out, whatever the list says.
func (k *known) leaves(t *Table, column string) bool {
	switch {
	case column != "":
		return k.ignored[t.FullName()+"."+column] && !k.has(t, column)
	default:
		return k.ignored[t.FullName()] && k.collection(t) == nil
	}
}

// skipped tells whether the map says that a table is not walked.
func (k *known) skipped(t *Table) bool {
	c := k.collection(t)
	return c != nil && c.Skip
}

// seeded tells whether the map recognises a person in a table.
func (k *known) seeded(t *Table) bool {
	return k.collection(t).Seeded()
}

// dataset is where a new table goes: to the dataset that has most of its schema's
// tables, and where its name means this table; nil where there is none.
func (k *known) dataset(t *Table) *datamap.Dataset {
	var best *datamap.Dataset
	most := -1
	for _, d := range k.datasets {
		n := k.tables[d][t.Schema]
		if n == 0 && d.Schema != t.Schema || k.db.schemaOf(d, t.Name, k.where) != t.Schema {
			continue
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

// heed puts what the map says in the place of what a draft would say: for links
// whose ends it has, for tables that it masks or deletes, for where it goes.
func (d *drafting) heed() {
	tables := map[*datamap.Collection]*Table{}
	for _, t := range d.db.Tables {
		if c := d.known.collection(t); c != nil {
			tables[c] = t
		}
		for _, l := range d.links[t] {
			l.old = d.known.hasAll(l.child, l.columns) && d.known.hasAll(l.parent, l.references)
			if l.old {
				l.from, l.to = d.known.follows(l)
				l.why = ""
			}
		}
	}
	// References of the map that no foreign key and no name tells of lead on as well.
	for _, t := range d.db.Tables {
		c := d.known.collection(t)
		if c == nil {
			continue
		}
		for _, f := range c.Fields {
			for _, r := range f.References {
				p := tables[r.Target.Collection]
				if p == nil || r.Target.Parent != nil || p == t {
					continue
				}
				l := &link{child: t, parent: p, columns: []string{f.Name}, references: []string{r.Target.Name}, old: true}
				l.from, l.to = r.Direction != datamap.To, r.Direction != datamap.From
				d.links[t] = append(d.links[t], l)
			}
		}
	}
}

// follows tells which way the map follows a link.
func (k *known) follows(l *link) (from, to bool) {
	c, p := k.collection(l.child).Field(l.columns[0]), k.collection(l.parent).Field(l.references[0])
	for _, r := range c.References {
		if r.Target == p {
			from, to = from || r.Direction != datamap.To, to || r.Direction != datamap.From
		}
	}
	for _, r := range p.References {
		if r.Target == c {
			from, to = from || r.Direction != datamap.From, to || r.Direction != datamap.To
		}
	}
	return from, to
}
