package postgres_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/internal/source"
)

// persons are those whose rows are drawn: each has an identity of each type.
const persons = 5

func identityOf(typ string, who int, column string) string {
	switch typ {
	case "email":
		return fmt.Sprintf("p%d@x.example", who)
	case "phone":
		return fmt.Sprintf("+42055510%d", who)
	}
	switch column {
	case "uuid":
		return fmt.Sprintf("00000000-0000-4000-9000-%012d", who)
	case "int":
		return strconv.Itoa(900 + who)
	}
	return fmt.Sprintf("visitor-%d", who)
}

// contents draws the rows: each belongs to a person, and mostly so does what it names.
func (d drawer) contents(s *scheme) contents {
	c := make(contents, len(s.tables))
	whose := make([][]int, len(s.tables))
	faithful := of(d, 4, 20, 100)
	for _, t := range s.tables {
		n := 2 + d.IntN(9)
		switch {
		case d.one(6):
			n = d.IntN(40)
		case d.one(12):
			n = 0
		}
		for j := range n {
			r := make(record, len(t.columns))
			who := d.IntN(persons)
			for i, col := range t.columns {
				r[i] = d.value(t, i, col, who)
			}
			d.keyOf(t, r, j)
			c[t.i], whose[t.i] = append(c[t.i], r), append(whose[t.i], who)
		}
	}
	pick := func(who int, parent int, at int) (record, bool) {
		for range 12 {
			if len(c[parent]) == 0 {
				break
			}
			p := d.IntN(len(c[parent]))
			if whose[parent][p] == who || d.one(faithful) {
				return c[parent][p], true
			}
		}
		return nil, false
	}
	for _, k := range s.keys {
		d.follow(s, c, k, whose, pick)
	}
	for _, r := range s.ties {
		for _, ends := range [][2]spot{{r.on, r.names}, {r.names, r.on}} {
			child, parent := ends[0], ends[1]
			if !s.free(child) || s.tables[child.t].columns[child.c].identity != "" {
				continue
			}
			for j, row := range c[child.t] {
				p, ok := pick(whose[child.t][j], parent.t, parent.c)
				switch {
				case ok && !d.one(12):
					row[child.c] = p[parent.c]
				case !s.tables[child.t].columns[child.c].notNull && !d.one(3):
					row[child.c] = none
				}
			}
			break
		}
	}
	s.mend(c)
	return c
}

// free tells whether a column is neither part of a key nor of a foreign key.
func (s *scheme) free(at spot) bool {
	return !slices.Contains(s.tables[at.t].pk, at.c) && !slices.ContainsFunc(s.keys, func(k *foreign) bool {
		return k.child == at.t && slices.Contains(k.columns, at.c)
	})
}

func (d drawer) follow(s *scheme, c contents, k *foreign, whose [][]int, pick func(who, parent, at int) (record, bool)) {
	t, pk := s.tables[k.child], s.tables[k.parent].pk
	for j, row := range c[k.child] {
		p, ok := pick(whose[k.child][j], k.parent, 0)
		notNull := t.columns[k.columns[0]].notNull
		if !ok && notNull && len(c[k.parent]) > 0 {
			p, ok = of(d, c[k.parent]...), true
		}
		for i, at := range k.columns {
			row[at] = none
			if ok && (notNull || !d.one(10)) {
				row[at] = p[pk[i]]
			}
		}
	}
}

// mend takes the rows away whose foreign key leads nowhere.
func (s *scheme) mend(c contents) {
	for s.whole(c) != "" {
		for _, k := range s.keys {
			named := map[string]bool{}
			for _, r := range c[k.parent] {
				named[strings.Join(r.at(s.tables[k.parent].pk), "\x01")] = true
			}
			c[k.child] = slices.DeleteFunc(c[k.child], func(r record) bool {
				v := r.at(k.columns)
				return !slices.Contains(v, none) && !named[strings.Join(v, "\x01")]
			})
		}
	}
	for i, t := range s.tables {
		c[i] = slices.DeleteFunc(c[i], func(r record) bool {
			for j, col := range t.columns {
				if col.notNull && r[j] == none {
					return true
				}
			}
			return false
		})
	}
	if s.whole(c) != "" {
		s.mend(c)
	}
}

func (d drawer) keyOf(t *sTable, r record, j int) {
	for n, at := range t.pk {
		i := j + 1
		if len(t.pk) > 1 {
			i = []int{j % 3, j / 3}[n]
		}
		switch t.columns[at].typ {
		case "int":
			r[at] = strconv.Itoa(i)
		case "bigint":
			r[at] = strconv.Itoa(9_000_000_000 + i)
		case "uuid":
			r[at] = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i)
		default:
			r[at] = fmt.Sprintf("K%d", i)
			switch i {
			case 2:
				r[at] = `k"2, \(x)`
			case 4:
				r[at] = "unknown" // a placeholder that somebody made a row of
			case 5:
				r[at] = "O'K 5"
			}
		}
	}
}

// value draws what stands in a column; keys and references are drawn after.
func (d drawer) value(t *sTable, i int, c *sColumn, who int) string {
	if i == t.controller {
		return of(d, "1", "1", "1", "1", "1", "1", "1", "1", "2", none)
	}
	if c.identity != "" {
		v := identityOf(c.identity, who, c.typ)
		switch {
		case d.one(8):
			return none
		case d.one(10):
			return identityOf(c.identity, d.IntN(persons), c.typ)
		case c.identity == "email" && d.one(4):
			return strings.ToUpper(v)
		case c.identity == "phone" && d.one(3):
			return "00420-555 10" + v[len(v)-1:]
		case c.typ == "text" && d.one(10):
			return of(d, "", "n/a", "unknown", "-")
		}
		return v
	}
	if c.dated {
		return d.dated(c.typ)
	}
	if !c.plain { // a reference that nothing will fill
		switch {
		case c.notNull && c.typ == "uuid":
			return "00000000-0000-0000-0000-000000000000"
		case c.notNull && c.typ != "text" && !strings.HasPrefix(c.typ, "varchar"):
			return "77"
		case c.typ == "text":
			return of(d, "", "N/A ", "unknown", "nowhere", "42", "null")
		case c.notNull:
			return "n/a"
		case c.typ == "uuid" && d.one(2):
			return "00000000-0000-0000-0000-000000000000"
		}
		return none
	}
	switch {
	case !c.notNull && d.one(4):
		return none
	case c.typ == "int":
		return strconv.Itoa(d.IntN(3))
	}
	return of(d, "gone", "word", "ž'x", "masked!", "", "abcdef")
}

// A demand is one request as it is drawn.
type demand struct {
	walk  source.Walk // without its plan
	holds source.Holds
	by    []source.Walk // walks that hold, without plans
}

// demand draws who asks, what is ticked and what is held.
func (d drawer) demand(s *scheme, c contents, types []string) demand {
	var q demand
	who := d.somebody(s, c, types)
	q.walk.Seeds = append(d.seeds(s, types, who), d.picks(s, c, types)...)
	q.walk.Scope, q.walk.Secret = "1", make([]byte, 32) // a secret that nobody need guess
	q.walk.Today, q.walk.Fields = keptToday, d.fields(s)
	if d.one(10) {
		q.walk.Scope = of(d, "2", "2", "", "x")
	}
	q.walk.IncludeShared = d.one(2)
	some := func(share int) (keys []source.RowKey) {
		for _, t := range s.tables {
			for _, r := range c[t.i] {
				if t.mapped && d.one(share) {
					keys = append(keys, source.RowKey{Collection: "d." + t.name, Key: t.key(r)})
				}
			}
		}
		return keys
	}
	if d.one(4) {
		q.walk.Restricted, q.walk.Roots = true, some(2)
	}
	if d.one(3) {
		q.holds.Rows = some(10)
		if d.one(5) {
			q.holds.Rows = append(q.holds.Rows, source.RowKey{Collection: "d." + s.tables[0].name})
		}
	}
	if d.one(4) {
		for range 1 + d.IntN(2) {
			q.by = append(q.by, source.Walk{Scope: q.walk.Scope, Seeds: d.seeds(s, types, d.IntN(persons))})
		}
	}
	return q
}

// somebody is mostly a person whom a row names.
func (d drawer) somebody(s *scheme, c contents, types []string) int {
	known := map[int]bool{}
	for _, t := range s.tables {
		for i, col := range t.columns {
			for _, r := range c[t.i] {
				for who := range persons {
					if t.mapped && !t.skip && slices.Contains(types, col.identity) && strings.EqualFold(r[i], identityOf(col.identity, who, col.typ)) {
						known[who] = true
					}
				}
			}
		}
	}
	for range 4 {
		if who := d.IntN(persons); known[who] {
			return who
		}
	}
	return d.IntN(persons)
}

// picks are rows that the DPO picked, where the plan admits that.
func (d drawer) picks(s *scheme, c contents, types []string) (seeds []source.Seed) {
	for _, t := range s.tables {
		if slices.Contains(types, t.picked()) && len(c[t.i]) > 0 && !d.one(3) {
			seeds = append(seeds, source.Seed{Type: t.picked(), Value: t.key(of(d, c[t.i]...))})
		}
	}
	return seeds
}

func (d drawer) seeds(s *scheme, types []string, who int) (seeds []source.Seed) {
	for _, typ := range types {
		if strings.HasPrefix(typ, "row:") || d.one(6) && len(types) > 1 {
			continue
		}
		column := "text"
		for _, t := range s.tables {
			for _, c := range t.columns {
				if c.identity == typ && (column == "text" || d.one(2)) {
					column = c.typ
				}
			}
		}
		seeds = append(seeds, source.Seed{Type: typ, Value: identityOf(typ, who, column)})
		if d.one(8) {
			seeds = append(seeds, source.Seed{Type: typ, Value: of(d, identityOf(typ, d.IntN(persons), column), "unknown")})
		}
	}
	return seeds
}
