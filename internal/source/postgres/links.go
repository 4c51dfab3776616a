package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A strand is one pair of columns of a link. A simple link has one, a composite
// link (all_of) several, which agree with one and the same row.
type strand struct {
	from, to *column
	loose    bool   // neither end is a key of its table, see leads
	counts   bool   // neither column is part of a key: 0 and -1 may stand for nobody
	form     string // of values that can be of the type declared for the far end; "" for any
	inside   bool   // the far end stands inside a document
}

// alike tells whether the values of both ends are equal by the same rules, so
// that as many differ at one as at the other.
func (t strand) alike() bool {
	return !t.from.class.textual() || t.from.typ == t.to.typ && t.from.collation == t.to.collation
}

// columnOf is the column, or the place inside one, of a field; bind has made
// sure that it is there.
func (p *program) columnOf(f *datamap.Field) *column {
	if !p.here(f.Collection) {
		return elsewhere(f)
	}
	return p.cat.table(f.Collection).at(f)
}

// pairs are all pairs of a link.
func pairs(l datamap.Link) []datamap.Pair {
	return append([]datamap.Pair{{From: l.From, To: l.To}}, l.And...)
}

// turned is a link seen from its other end: a referrer looked up from the row named.
func turned(l datamap.Link) datamap.Link {
	t := datamap.Link{From: l.To, To: l.From}
	for _, p := range l.And {
		t.And = append(t.And, datamap.Pair{From: p.To, To: p.From})
	}
	return t
}

func (p *program) strands(l datamap.Link) []strand {
	loose := !p.unique(l, false) && !p.unique(l, true)
	var all []strand
	for _, pair := range pairs(l) {
		t := strand{from: p.columnOf(pair.From), to: p.columnOf(pair.To), loose: loose, inside: pair.To.Parent != nil}
		t.counts = loose && !p.partOfKey(pair.From) && !p.partOfKey(pair.To)
		if t.from.class.textual() {
			t.form = declaredForm(pair.To)
		}
		all = append(all, t)
	}
	return all
}

// unique tells whether the values of a link name at most one row at one of its
// ends, perhaps within one controller. A view's rows have no keys to tell by.
func (p *program) unique(l datamap.Link, far bool) bool {
	var names []string
	var c *datamap.Collection
	for _, pair := range pairs(l) {
		f := pair.From
		if far {
			f = pair.To
		}
		c = f.Collection
		if at := p.columnOf(f); at.place == nil {
			names = append(names, at.name)
		}
	}
	t := p.cat.table(c)
	if t == nil || !p.here(c) {
		return l.Own || keyOf(c, names) // another source's, of which the map alone tells
	}
	if c.Controller != "" {
		names = append(names, c.Controller)
	}
	return len(names) > 0 && t.isKey(names)
}

// keyOf tells whether columns hold the collection's key, as the map has it. A
// collection without one in the map may have any.
func keyOf(c *datamap.Collection, names []string) bool {
	key := c.PrimaryKey()
	return !slices.ContainsFunc(key, func(f *datamap.Field) bool { return !slices.Contains(names, f.Name) })
}

// partOfKey tells whether a column stands in a key of its table: a 0 there is a
// number like any other.
func (p *program) partOfKey(f *datamap.Field) bool {
	t := p.cat.table(f.Collection)
	if t == nil || !p.here(f.Collection) {
		return true
	}
	c := t.at(f)
	return c.place == nil && (slices.Contains(t.key, c.name) || slices.ContainsFunc(t.unique, func(u []string) bool { return slices.Contains(u, c.name) }))
}

// v is the name of a strand's value.
func v(i int) string {
	if i == 0 {
		return "v"
	}
	return fmt.Sprintf("v%d", i)
}

// columnsOf are the names of all strands' values under an alias.
func columnsOf(ties []strand, alias string) []string {
	names := make([]string, len(ties))
	for i := range ties {
		names[i] = alias + "." + v(i)
	}
	return names
}

// spread gives each strand's value in a row, one by one: expr where it is one
// value, and where it is a place the elements of expr, which join the FROM list.
func spread(columns []*column, expr func(*column) string) (values []string, more string) {
	for i, c := range columns {
		e := expr(c)
		if c.place != nil {
			more += fmt.Sprintf(" CROSS JOIN LATERAL unnest(%s) AS e%d(v)", e, i)
			e = fmt.Sprintf("e%d.v", i)
		}
		values = append(values, e)
	}
	return values, more
}

func froms(ties []strand) []*column {
	columns := make([]*column, len(ties))
	for i, t := range ties {
		columns[i] = t.from
	}
	return columns
}

func tos(ties []strand) []*column {
	columns := make([]*column, len(ties))
	for i, t := range ties {
		columns[i] = t.to
	}
	return columns
}

// valueList selects the values (columns v, v1, …) that rows of a relation lead
// on with over a link. carried is how a row gives a column.
func valueList(ties []strand, from, where string, carried func(*column) string) string {
	values, more := spread(froms(ties), carried)
	list, leads := make([]string, len(ties)), make([]string, len(ties))
	for i, t := range ties {
		list[i] = convert(t.from, t.to, values[i]) + " AS " + v(i)
		leads[i] = t.leads(values[i])
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM " + from + more + " WHERE " + strings.Join(leads, " AND ")
	if where != "" {
		sql += " AND " + where
	}
	return sql
}

// leads is the condition under which a value may be followed over a strand.
func (t strand) leads(expr string) string {
	sql := t.from.leads(expr)
	if t.counts && (t.from.class == classInt || t.from.class == classNumeric) {
		sql += " AND " + expr + " NOT IN (" + noNumbers + ")"
	}
	if t.form != "" {
		sql += " AND " + bytewise(expr) + " ~ " + literal(t.form)
	}
	return sql
}

// among is the condition that a row holds one of a list of values at the far
// end of a link. expr is how the row gives a column.
func among(ties []strand, expr func(*column) string, list string) string {
	values, more := spread(tos(ties), expr)
	for i, t := range ties {
		values[i] = linked(t.from, t.to, values[i])
	}
	left := strings.Join(values, ", ")
	if len(values) > 1 {
		left = "(" + left + ")"
	}
	if more == "" {
		return left + " IN (" + list + ")"
	}
	return "EXISTS (SELECT 1 FROM (SELECT) AS one" + more + " WHERE " + left + " IN (" + list + "))"
}

// equals is the condition that a row of a table holds the given values at the
// far end of a link, served by indexes where places are.
func (w *writer) equals(t *table, ties []strand, alias string, values []string) string {
	equal := make([]string, len(ties))
	for i, tie := range ties {
		if tie.to.place == nil {
			equal[i] = t.equal(tie.from, tie.to, col(alias, tie.to.name), values[i])
			continue
		}
		equal[i] = t.inside(tie.to, alias, values[i])
		if spells(tie.from, tie.to) || pointed(tie.from, tie.to) {
			equal[i] = "(" + equal[i] + " OR " + t.inside(tie.to, alias, otherwise(tie.from, tie.to, values[i])) + ")"
		}
	}
	return strings.Join(equal, " AND ")
}

// inside is the condition that a row holds a value at a place.
func (t *table) inside(c *column, alias, value string) string {
	if expression, there := t.served(c); there {
		return c.place.holding(alias, value, expression)
	}
	return value + " = ANY(" + c.place.values(alias) + ")"
}

// servedBy tells whether an index finds rows by the far end of a link.
func (t *table) servedBy(ties []strand, scope string) bool {
	var plain []string
	for _, tie := range ties {
		if tie.to.place != nil {
			if _, there := t.served(tie.to); there {
				return true
			}
			continue
		}
		plain = append(plain, tie.to.name)
	}
	return len(plain) > 0 && t.servedByAll(plain, scope)
}

// servedByAll tells whether an index finds rows by all of the columns at once.
func (t *table) servedByAll(plain []string, scope string) bool {
	if len(plain) == 1 {
		return t.indexed(plain[0], scope)
	}
	// An index that begins with all of them, in whatever order, the
	// controller's column among or before them.
	return slices.ContainsFunc(t.indexes, func(x index) bool {
		if x.gin || !x.holds(append(slices.Clone(plain), scope)...) {
			return false
		}
		rest := len(plain)
		for _, c := range x.columns {
			switch {
			case slices.Contains(plain, c):
				rest--
			case c != scope || scope == "":
				return rest == 0
			}
		}
		return rest == 0
	})
}
