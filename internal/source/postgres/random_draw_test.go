package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A drawer draws schemes, rows and requests. The same seed draws the same.
type drawer struct{ *rand.Rand }

func draw(seed ...uint64) drawer {
	return drawer{rand.New(rand.NewPCG(seed[0], 7919*uint64(len(seed))+seed[len(seed)-1]))}
}

// one in n.
func (d drawer) one(n int) bool { return d.IntN(n) == 0 }

func of[T any](d drawer, list ...T) T { return list[d.IntN(len(list))] }

// scheme draws 2 to 12 tables, the ties between them, and the map.
func (d drawer) scheme(name string) *scheme {
	s := &scheme{name: name, calm: !d.one(4)}
	n := 2 + d.IntN(5)
	if d.one(3) {
		n = 2 + d.IntN(11)
	}
	inherits := d.one(6)
	scoped := d.one(2)
	for i := range n {
		t := d.table(i)
		t.mapped = i == 0 || !d.one(8)
		t.people = i == 0 || d.one(5)
		t.place = i > 0 && d.one(5)
		if inherits && t.mapped && d.one(2) {
			t.categories, t.marked = []string{of(d, "user.content", "user.behavior")}, true
		}
		if scoped && !d.one(3) {
			t.controller = t.add(&sColumn{name: of(d, "tenant", "Mandant"), typ: "int", readOnly: len(t.categories) > 0})
		}
		d.plain(t)
		s.tables = append(s.tables, t)
	}
	for i := range n {
		d.tie(s, i)
	}
	for _, t := range s.tables {
		if t.skip = t.i > 0 && t.mapped && d.one(20); t.skip || !t.mapped {
			continue
		}
		t.del = !d.one(3)
		t.sharedErase = d.one(6)
	}
	s.dropUnreachable()
	d.compose(s)
	for _, t := range s.tables { // drawn last: the seeds of old failures still draw what they drew
		t.parted = d.one(6)
		for _, c := range t.columns {
			if c.mask != nil && c.mask.strategy == "random_string_rewrite" && c.mask.suffix == "" && d.one(2) {
				c.mask = &sMask{strategy: "hash"}
			}
		}
	}
	s.lawful()
	return s
}

// table draws a table with its key.
func (d drawer) table(i int) *sTable {
	t := &sTable{i: i, owner: -1, controller: -1, marked: !d.one(10)}
	t.name = fmt.Sprintf(of(d, "t%d", "t%d", "T-%d", "Tab_%d", "select%d"), i)
	switch d.IntN(7) {
	case 0, 1:
		t.add(&sColumn{name: "id", typ: "int", notNull: true})
	case 2:
		t.add(&sColumn{name: "Nr", typ: "bigint", notNull: true})
	case 3:
		t.add(&sColumn{name: "uid", typ: "uuid", notNull: true})
	case 4:
		t.add(&sColumn{name: "code", typ: of(d, "text", "varchar(40)"), notNull: true})
	default:
		t.add(&sColumn{name: "shop", typ: of(d, "int", "text"), notNull: true})
		t.add(&sColumn{name: "no-1", typ: of(d, "bigint", "int", "text", "uuid"), notNull: true})
		t.pk = []int{0, 1}
		if d.one(3) {
			t.pk = []int{1, 0}
		}
		return t
	}
	t.pk = []int{0}
	return t
}

func (t *sTable) add(c *sColumn) int {
	for slices.ContainsFunc(t.columns, func(o *sColumn) bool { return o.name == c.name }) {
		c.name += "_"
	}
	t.columns = append(t.columns, c)
	return len(t.columns) - 1
}

// plain draws the columns that hold contents, and identities.
func (d drawer) plain(t *sTable) {
	if t.people {
		for range 1 + d.IntN(2) {
			switch d.IntN(4) {
			case 0, 1:
				t.add(&sColumn{name: "email", typ: of(d, "text", "varchar(60)"), identity: "email", categories: []string{"user.contact.email"}, plain: true})
			case 2:
				t.add(&sColumn{name: "Phone", typ: "text", identity: "phone", categories: []string{"user.contact.phone_number"}, plain: true})
			default:
				t.add(&sColumn{name: "visitor", typ: of(d, "text", "uuid", "int"), identity: "visitor", categories: []string{"user.unique_id"}, plain: true})
			}
		}
	}
	for i := range d.IntN(4) {
		c := &sColumn{name: fmt.Sprintf(of(d, "c%d", "C %d"), i), typ: of(d, "text", "text", "varchar(12)", "int"), plain: true}
		if !d.one(4) {
			c.categories = []string{of(d, "user.name", "user.content", "user.contact.address", "user.device.ip_address", "system.operations")}
		}
		c.provided = d.one(2)
		c.notNull = d.one(4)
		if t.people {
			c.notNull = false
		}
		if d.one(8) {
			c.length = 3 + d.IntN(5)
		}
		t.add(c)
	}
	for _, c := range t.columns {
		if !c.plain {
			continue
		}
		text := c.typ == "text" || strings.HasPrefix(c.typ, "varchar")
		switch {
		case d.one(10):
			c.readOnly = true
		case c.notNull && !text:
			c.mask = &sMask{strategy: of(d, "preserve", "string_rewrite"), value: "0"}
			if c.mask.strategy == "preserve" {
				c.mask.value = ""
			}
		case !text:
			c.mask = &sMask{strategy: "null_rewrite"} // no rule may write text there
		case c.notNull || d.one(3):
			c.mask = d.textMask()
		}
	}
}

func (d drawer) textMask() *sMask {
	switch d.IntN(4) {
	case 0:
		return &sMask{strategy: "random_string_rewrite", length: d.IntN(9), suffix: of(d, "", "@x")}
	case 1:
		return &sMask{strategy: "preserve"}
	}
	return &sMask{strategy: "string_rewrite", value: of(d, "gone", "vergessene Person", "O'N"), suffix: of(d, "", "+s")}
}

// tie draws the foreign keys and references of a table.
func (d drawer) tie(s *scheme, i int) {
	child := s.tables[i]
	many := d.IntN(3)
	switch {
	case i > 0:
		many = max(many, 1)
	case s.calm:
		many = 0
	}
	var owners []int
	for range many {
		p := d.IntN(max(i, 1))
		switch {
		case s.calm:
		case d.one(8):
			p = i
		case d.IntN(8) == 0:
			p = d.IntN(len(s.tables))
		}
		switch {
		case p >= i:
		case d.one(3):
			p = max(i-1, 0)
		case d.one(2):
			p = 0
		}
		parent := s.tables[p]
		switch {
		case d.one(6) && parent.people:
			d.byValue(s, child, parent)
		default:
			if at := d.foreign(s, child, parent); len(at) == 1 {
				owners = append(owners, at[0])
			}
		}
	}
	if len(owners) > 0 && d.one(3) {
		child.owner = of(d, owners...)
		if child.columns[child.owner].mask != nil {
			child.owner = -1
		}
	}
}

// byValue ties two tables by what stands in both, such as an address.
func (d drawer) byValue(s *scheme, child, parent *sTable) {
	for c, col := range parent.columns {
		if col.identity == "" || !child.mapped || !parent.mapped || child == parent {
			continue
		}
		at := child.add(&sColumn{name: "by", typ: col.typ, categories: slices.Clone(col.categories)})
		if child.columns[at].categories != nil && d.one(2) {
			child.columns[at].mask = &sMask{strategy: "null_rewrite"}
		}
		if d.one(2) {
			child.indexed = append(child.indexed, at)
		}
		s.ties = append(s.ties, d.direct(s, child, at, parent, c))
		return
	}
}

// foreign draws a tie to the parent's key, with or without a foreign key, in
// the map or not. It returns the columns that may own a row.
func (d drawer) foreign(s *scheme, child, parent *sTable) []int {
	var at []int
	real, inMap := !d.one(4), !d.one(8)
	notNull := d.one(4)
	for _, k := range parent.pk {
		c := &sColumn{name: fmt.Sprintf(of(d, "ref%d", "Ref-%d"), len(child.columns)), typ: parent.columns[k].typ, notNull: notNull}
		if !real && d.one(2) {
			c.typ = "text"
		}
		if !notNull && d.one(8) {
			c.categories, c.mask = []string{"user.unique_id"}, &sMask{strategy: "null_rewrite"}
		}
		if notNull && len(child.categories) > 0 {
			c.readOnly = true // no mask fits
		} else if len(child.categories) > 0 && c.mask == nil && d.one(2) {
			c.mask = &sMask{strategy: "null_rewrite"}
		}
		at = append(at, child.add(c))
	}
	if d.one(3) {
		child.indexed = append(child.indexed, at...)
	} else {
		child.indexed = append(child.indexed, at[0])
	}
	if real {
		k := &foreign{name: fmt.Sprintf("fk_%d", len(s.keys)), child: child.i, parent: parent.i, columns: at,
			action: of(d, "NO ACTION", "NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT")}
		if d.one(3) {
			k.deferrable = of(d, "DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED")
		}
		s.keys = append(s.keys, k)
	}
	if !inMap || !child.mapped || !parent.mapped {
		for _, i := range at { // no rule may write text there
			if c := child.columns[i]; len(child.categories) > 0 && c.mask == nil {
				c.readOnly = true
			}
		}
		return nil
	}
	for i, k := range parent.pk {
		if c := child.columns[at[i]]; i > 0 && d.one(2) {
			c.readOnly = c.mask == nil
			continue
		}
		s.ties = append(s.ties, d.direct(s, child, at[i], parent, k))
	}
	return at
}

// direct draws a direction, and the end on which the reference stands.
func (d drawer) direct(s *scheme, child *sTable, at int, parent *sTable, key int) *tie {
	r := &tie{on: spot{child.i, at}, names: spot{parent.i, key}, direction: of(d, "from", "from", "from", "to", "")}
	switch {
	case s.calm && parent.place:
		r.direction = "to"
	case s.calm && r.direction == "to":
		r.direction = "from"
	}
	if child == parent && r.direction == "" {
		r.direction = "from"
	}
	if d.one(6) { // the other end says it
		r.on, r.names = r.names, r.on
		r.direction = map[string]string{"from": "to", "to": "from", "": ""}[r.direction]
	}
	return r
}

// compose makes one link (all_of) of two ties that together name a composite key.
func (d drawer) compose(s *scheme) {
	for _, a := range s.ties {
		for _, b := range s.ties {
			pk := s.tables[a.names.t].pk
			both := a.on.t == b.on.t && a.names.t == b.names.t && b.on.c == a.on.c+1 && len(pk) == 2 && a.names.c == pk[0] && b.names.c == pk[1]
			if both && a.and == nil && !a.half && !b.half && b.and == nil && !d.one(3) {
				a.and, b.half, b.direction = b, true, a.direction
			}
		}
	}
	s.dropUnreachable()
}

// dropUnreachable takes what a policy could target from the tables that no
// identity leads to: Compile refuses such maps, and says why.
func (s *scheme) dropUnreachable() {
	if !slices.ContainsFunc(s.tables, func(t *sTable) bool {
		return t.mapped && !t.skip && slices.ContainsFunc(t.columns, func(c *sColumn) bool { return c.identity != "" })
	}) {
		s.tables[0].add(&sColumn{name: "email", typ: "text", identity: "email", categories: []string{"user.contact.email"}, plain: true})
	}
	reached := map[int]bool{}
	for _, t := range s.tables {
		if t.mapped && slices.ContainsFunc(t.columns, func(c *sColumn) bool { return c.identity != "" }) {
			reached[t.i] = true
		}
	}
	for again := true; again; {
		again = false
		for _, r := range s.ties {
			for _, w := range [][2]int{{r.on.t, r.names.t}, {r.names.t, r.on.t}} {
				if r.direction == "to" && w[0] != r.on.t || r.direction == "from" && w[0] != r.names.t {
					continue
				}
				if reached[w[0]] && !reached[w[1]] {
					reached[w[1]], again = true, true
				}
			}
		}
	}
	for _, t := range s.tables {
		if t.mapped && !reached[t.i] {
			t.del, t.categories = false, nil
			for _, c := range t.columns {
				c.categories = nil
			}
		}
	}
}

// policy draws what a request of a kind targets.
func (d drawer) policy(kind datamap.Kind) datamap.Policy {
	if d.one(2) {
		return datamap.Builtin(kind)
	}
	p := datamap.Policy{Name: "drawn", Kind: kind}
	for range 1 + d.IntN(2) {
		rule := datamap.PolicyRule{}
		for range 1 + d.IntN(2) {
			rule.Categories = append(rule.Categories, of(d, "user", "user.name", "user.contact", "user.contact.email", "user.content", "user.device", "user.unique_id", "system"))
		}
		if d.one(4) {
			rule.Categories = nil
		}
		if kind == datamap.Erasure && d.one(2) {
			rule.Strategy = of(d, &datamap.Masking{Strategy: "string_rewrite", Value: "masked", Suffix: "!"}, &datamap.Masking{Strategy: "random_string_rewrite", Length: d.IntN(2) * 6}, &datamap.Masking{Strategy: "null_rewrite"})
		}
		p.Rules = append(p.Rules, rule)
	}
	texts := slices.ContainsFunc(p.Rules, func(r datamap.PolicyRule) bool { return r.Strategy != nil && r.Strategy.Strategy != "null_rewrite" })
	switch {
	case !d.one(3):
	case kind != datamap.Erasure:
		p.Links = datamap.LinksOmit
	case !texts: // numbers and foreign keys take no text
		p.Links = datamap.LinksMask
	}
	return p
}
