package datamap

import "strings"

// A pendingReference waits until every file has been read.
type pendingReference struct {
	reference      *Reference
	dataset, field word
	astray         bool // its direction was not understood: looked up for its names alone
}

func (p *mapReader) references(r *reader, q pair, f *Field) {
	items, _ := r.list(q)
	for _, item := range items {
		pos := q.pos
		if item != nil {
			pos = r.pos(first(item))
		}
		one := pendingReference{reference: &Reference{Pos: pos, Field: f}}
		written := pair{key: "reference", pos: pos, value: item}
		p.tried[f] = true
		if !r.shaped(written, referenceKeys()) {
			p.broken[f.Collection] = true
			continue
		}
		for _, k := range r.pairs(written, referenceKeys()) {
			switch k.key {
			case "dataset":
				one.dataset = word{r.text(k), k.pos}
			case "field":
				one.field = word{r.text(k), k.pos}
			case "direction":
				one.reference.Direction = Direction(r.text(k))
				if d := one.reference.Direction; d != From && d != To && d != Undirected {
					r.out.fail(k.pos, "direction must be from or to; without it the reference is followed from whichever end is reached first")
					one.astray = true
				}
			}
		}
		if one.dataset.text == "" || one.field.text == "" {
			r.out.fail(pos, "a reference needs a dataset and a field, as in {dataset: shop, field: orders.id}")
			p.broken[f.Collection] = true
			continue
		}
		p.pending = append(p.pending, one)
	}
}

// reference ties one reference to its target.
func (p *mapReader) reference(one pendingReference) {
	ref, own := one.reference, one.reference.Field.Collection
	if p.target(one) && !one.astray {
		ref.Field.References = append(ref.Field.References, ref)
		p.tried[ref.Target] = true
		return
	}
	p.broken[own] = true
	if ref.Target != nil {
		p.tried[ref.Target] = true
		p.broken[ref.Target.Collection] = true
	}
}

// target looks up what a reference names, and says what is wrong with it.
func (p *mapReader) target(one pendingReference) bool {
	ref, own := one.reference, one.reference.Field.Collection
	d := p.needDataset(one.dataset.text, one.dataset.pos)
	if d == nil {
		return false
	}
	parts := strings.Split(one.field.text, ".")
	if len(parts) < 2 {
		p.out.fail(one.field.pos, "the field of a reference is collection.field, as in orders.id")
		return false
	}
	c := p.needTable(d, parts[0], one.field.pos)
	if c == nil {
		return false
	}
	ref.Target = p.needPath(c, parts[1:], one.field.pos)
	switch {
	case ref.Target == nil:
		return false
	case ref.Target == ref.Field:
		p.out.fail(ref.Pos, "%s references itself", ref.Field.FullName())
		return false
	case ref.Field.isObject():
		p.out.fail(ref.Pos, "a reference needs a value to compare, and %s is an object; put it on one of its fields", ref.Field.LocalName())
		return false
	case ref.Target.isObject():
		p.out.fail(one.field.pos, "a reference needs a value to compare, and %s is an object; name one of its fields", ref.Target.FullName())
		return false
	case c == own && ref.Direction == Undirected:
		p.out.fail(ref.Pos, "a reference of %s to itself needs a direction: from or to", own.FullName())
		return false
	case (ref.Field.DataType == "boolean") != (ref.Target.DataType == "boolean") && ref.Field.countable() && ref.Target.countable():
		p.out.warn(ref.Pos, "the reference leads nowhere if %s and %s are of the types declared: a truth value is never equal to a number; name the column that holds the other's value",
			ref.Field.FullName(), ref.Target.FullName())
	}
	return true
}

// countable tells whether a field is declared to hold numbers or truth values.
func (f *Field) countable() bool {
	return f.DataType == "boolean" || f.DataType == "integer" || f.DataType == "float"
}

// needPath finds a field by its column and the keys below it.
func (p *mapReader) needPath(c *Collection, path []string, pos Pos) *Field {
	f := p.needField(c, path[0], pos)
	for _, name := range path[1:] {
		if f == nil {
			return nil
		}
		inner := p.inner[f][name]
		if inner == nil {
			p.out.fail(pos, "unknown field %q in %s%s", name, f.FullName(), p.out.didYouMean(name, keysOf(p.inner[f])))
		}
		f = inner
	}
	return f
}
