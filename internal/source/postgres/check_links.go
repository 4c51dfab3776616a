package postgres

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// identityInside asks for the index that a seed inside a document or an array
// is looked up by.
func (k *checking) identityInside(f *datamap.Field, t *table) {
	c := t.at(f)
	name := pgx.Identifier{c.place.in.name}.Sanitize()
	_, there := t.served(c)
	test := func(expr string) string { return expr }
	switch f.Match {
	case datamap.Fold:
		test = func(expr string) string { return "lower(" + expr + ")" }
	case datamap.E164:
		test = digitsOf
	}
	if c.place.one {
		for _, expression := range c.place.expressions(name) {
			there = there && f.Match == datamap.Exact || t.indexedBy(test(expression))
			if there {
				return
			}
		}
		k.say(Doubtful, f.FullName(), "no index serves the look-up by "+f.Identity+": each request reads the whole table", create(t, "("+test(c.place.expressions(name)[0])+")"))
		return
	}
	switch {
	case f.Match != datamap.Exact:
		k.say(Doubtful, f.FullName(), "it may hold several values, which are compared by their letters or digits: no index serves that, and each request reads the whole table",
			"declare each step of the path with a data_type, if it holds one value only; or lethe: {match: exact}")
	case !there:
		k.say(Doubtful, f.FullName(), "no index serves the look-up by "+f.Identity+": each request reads the whole table", createInside(t, c))
	}
}

// createInside is the index that a place is looked up by.
func createInside(t *table, c *column) string {
	name := pgx.Identifier{c.place.in.name}.Sanitize()
	switch {
	case c.place.one:
		return create(t, "("+c.place.expressions(name)[0]+")")
	case c.place.in.typ == "json":
		name = "(" + name + "::jsonb)"
	}
	return t.newIndex() + " USING gin (" + name + ")"
}

// reference asks for the index that a link is followed by, and for types that
// can be compared with its help. An erasure looks from the row named to those
// that name it, whatever the direction: is it shared?
func (k *checking) reference(r *datamap.Reference) {
	from, to := k.end(r.Field), k.end(r.Target)
	if from == nil && k.s.holds(r.Field.Collection) || to == nil && k.s.holds(r.Target.Collection) {
		return // that it is missing has been said
	}
	k.followed(r, r.Field, from)
	k.followed(r, r.Target, to)
	if from == nil || to == nil {
		return // types of another database are compared as text, see feeds.go
	}
	if from.place == nil && to.place == nil && !spells(from, to) && !spells(to, from) && (linked(from, to, "x") != "x" || linked(to, from, "x") != "x") {
		k.say(Doubtful, r.Field.FullName(), fmt.Sprintf("%s and %s are of types %s and %s, which are compared without an index", r.Field.FullName(), r.Target.FullName(), from.typ, to.typ), "")
	}
}

// vain tells of a reference between columns whose values are never equal.
func (k *checking) vain(r *datamap.Reference) bool {
	from, to := k.end(r.Field), k.end(r.Target)
	if from == nil || to == nil || from.kind() == "" || to.kind() == "" || from.kind() == to.kind() {
		return false
	}
	k.say(Doubtful, r.Field.FullName(), fmt.Sprintf("the reference between %s and %s leads nowhere: %s (%s) is never equal to %s (%s)",
		r.Field.FullName(), r.Target.FullName(), from.kind(), from.kinds().typ, to.kind(), to.kinds().typ),
		"reference the column that holds the other's value, or give both the same type (a generated column will do); else take the reference off")
	return true
}

// kind is what a column holds, of things that are never equal to any other; "" where
// it may be equal to many, as a text may.
func (c *column) kind() string {
	c = c.kinds()
	switch {
	case c.class == classBool:
		return "a truth value"
	case c.class == classInt, c.class == classNumeric, c.class == classFloat:
		return "a number"
	case c.class == classUUID:
		return "a UUID"
	case c.class == classInet:
		return "a network address"
	case c.class == classStamp:
		return "a moment in a time zone"
	case c.day():
		return "a day or moment of no time zone"
	}
	return ""
}

// kinds is the column by whose values it is compared: of an array its elements.
func (c *column) kinds() *column {
	if c.place != nil && c.place.in.element != nil {
		return c.place.in.element
	}
	return c
}

// document tells of a JSON column at the end of a reference of which the map does not
// say what stands in it.
func (k *checking) document(f *datamap.Field) {
	if c := k.end(f); c != nil && f.Parent == nil && f.DataType == "" && c.place != nil && c.place.in.class == classJSON {
		k.say(Doubtful, f.FullName(), "it is a JSON column at the end of a reference: only a text, number or truth value that is all of it, or an element of its array, is compared; an object leads nowhere",
			"name a field inside it (fields: …), or give it its data_type, as in data_type: string")
	}
}

// end is the column, or the place inside one, at an end of a reference; nil
// where it lies in another source or is missing.
func (k *checking) end(f *datamap.Field) *column {
	t := k.cat.table(f.Collection)
	if t == nil || !k.s.holds(f.Collection) {
		return nil
	}
	return t.at(f)
}

// followed asks for the index by which a reference is followed to a field here.
func (k *checking) followed(r *datamap.Reference, f *datamap.Field, c *column) {
	if c == nil {
		return
	}
	t := k.cat.table(f.Collection)
	there, do := t.indexed(f.Name, f.Collection.Controller), create(t, pgx.Identifier{f.Name}.Sanitize())
	if c.place != nil {
		_, there = t.served(c)
		do = createInside(t, c)
	}
	if t.real() && !there {
		k.say(Doubtful, f.FullName(), "no index serves the reference between "+r.Field.FullName()+" and "+r.Target.FullName()+": following it reads the whole table"+t.partly(f.Name, ""), do)
	}
}

// composites asks for the indexes of composite links, which are looked up by
// all their columns at once, from either end.
func (k *checking) composites(plan *datamap.Plan) {
	p := &program{source: k.s.name, plan: plan, cat: k.cat}
	here := func(l datamap.Link) bool { // what is followed lies here; what leads there may lie elsewhere
		for _, pair := range pairs(l) {
			if k.end(pair.To) == nil || k.s.holds(pair.From.Collection) && k.end(pair.From) == nil {
				return false
			}
		}
		return true
	}
	ask := func(l datamap.Link) {
		ties, t := p.strands(l), k.cat.table(l.To.Collection)
		if !t.real() || t.servedBy(ties, l.To.Collection.Controller) {
			return
		}
		var names []string
		for _, s := range ties {
			if s.to.place != nil {
				k.say(Doubtful, l.To.FullName(), "no index serves the reference "+between(l)+": following it reads the whole table", createInside(t, s.to))
				return
			}
			names = append(names, pgx.Identifier{s.to.name}.Sanitize())
		}
		k.say(Doubtful, l.To.FullName(), "no index serves the reference "+between(l)+": following it reads the whole table", k.createOver(t, names))
	}
	for _, v := range plan.Visits {
		for _, l := range v.Links {
			if len(l.And) > 0 && here(l) {
				ask(l)
			}
		}
		for _, l := range v.Referrers {
			if back := turned(l); len(l.And) > 0 && here(back) {
				ask(back)
			}
		}
	}
}

// unled tells of foreign keys between mapped tables that change rows when others are
// deleted, where the walk does not lead along them: such rows may be anybody's.
func (k *checking) unled(plan *datamap.Plan) {
	for _, v := range plan.Visits {
		t := k.cat.table(v.Collection)
		if t == nil || !v.Delete || !k.s.holds(v.Collection) {
			continue
		}
		for _, f := range t.children {
			if _, mapped := k.cat.seen(f.child); !mapped || !f.takes() || k.led(plan, v.Collection, f) {
				continue
			}
			child := k.cat.tables[f.child]
			k.say(Doubtful, v.Collection.FullName(), "the foreign key "+f.name+" changes rows of "+child.schema+"."+child.name+" when its parent is deleted, and no reference of the map leads along it: an erasure by which it would change rows that are not the person's is refused",
				"add the reference, if such rows are the person's; or take strategy: delete off "+v.Collection.FullName()+", whose rows are then masked; or take ON DELETE off the foreign key: a row that is so named is then masked, not deleted")
		}
	}
}

// led tells whether a plan leads from a collection to the rows that name its rows by a foreign key.
func (k *checking) led(plan *datamap.Plan, from *datamap.Collection, key fkey) bool {
	by, _ := k.cat.seen(key.child)
	return slices.ContainsFunc(plan.Visits, func(v *datamap.Visit) bool {
		return slices.Contains(by, k.cat.table(v.Collection)) && slices.ContainsFunc(v.Links, func(l datamap.Link) bool {
			return l.From.Collection == from && !slices.ContainsFunc(pairs(l), func(p datamap.Pair) bool {
				i := slices.Index(key.columns, p.To.Name)
				return i < 0 || key.references[i] != p.From.Name
			})
		})
	})
}
