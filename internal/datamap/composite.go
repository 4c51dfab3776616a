package datamap

import (
	"slices"
	"strings"
)

// A composite is the references that all_of makes one link of, between two
// collections: a and b are parallel, and a row of the one belongs to a row of the
// other where every pair agrees.
type composite struct {
	refs []*Reference
	at   *Collection // says all_of
	to   *Collection // may be the same
}

// allOf reads lethe: {all_of: [field, field]}, or a list of such lists where the
// collection has several composite keys that share a column (a tenant's number).
func (p *mapReader) allOf(r *reader, q pair, c *Collection) {
	items, ok := r.list(q)
	if !ok {
		return
	}
	lists := [][]word{}
	nested := false
	for _, item := range items {
		if _, plain := scalar(item); !plain && !isNull(item) {
			nested = true
			lists = append(lists, r.words(pair{key: q.key, pos: r.pos(first(item)), value: item}))
		}
	}
	if !nested {
		lists = append(lists, r.words(q))
	}
	for _, list := range lists {
		p.atEnd(func() {
			var tied []*Field
			for _, w := range list {
				f := p.needPath(c, strings.Split(w.text, "."), w.pos)
				if f != nil && !slices.Contains(tied, f) {
					tied = append(tied, f)
				}
				if f == nil {
					p.broken[c] = true
				}
			}
			if len(tied) < 2 {
				if !p.broken[c] {
					p.out.fail(q.pos, "all_of ties two fields or more")
				}
				return
			}
			for _, f := range tied {
				if !slices.Contains(c.AllOf, f) {
					c.AllOf = append(c.AllOf, f)
				}
			}
			c.allOf = append(c.allOf, tied)
			p.allOfs = append(p.allOfs, saidAllOf{c, tied, q.pos})
		})
	}
}

// saidAllOf is one all_of with its place, to be checked when all is tied.
type saidAllOf struct {
	c    *Collection
	tied []*Field
	pos  Pos
}

// checkAllOf wants each all_of to tie something, one way.
func (p *mapReader) checkAllOf() {
	if len(p.allOfs) == 0 {
		return
	}
	at := touching(p.m)
	found := make([][]composite, len(p.allOfs))
	for i, s := range p.allOfs {
		found[i] = groups(s.c, s.tied, at[s.c])
		for _, g := range found[i] {
			for _, ref := range g.refs {
				p.composed[ref] = p.composed[ref] || !g.ambiguous()
			}
		}
	}
	for i, s := range p.allOfs {
		used := make(map[*Field]bool)
		for _, g := range found[i] {
			for _, ref := range g.refs {
				used[ref.Field], used[ref.Target] = true, true
			}
			p.checkComposed(s, g)
		}
		if p.broken[s.c] {
			continue // what is wrong with its references has been said
		}
		var idle []string
		for _, f := range s.tied {
			if !used[f] {
				idle = append(idle, f.LocalName())
			}
		}
		switch {
		case len(found[i]) == 0:
			p.out.fail(s.pos, "all_of ties nothing: no other collection shares references with two of its fields")
		case len(idle) > 0:
			p.out.fail(s.pos, "all_of names %s, which shares no collection with the other fields", strings.Join(idle, ", "))
		}
	}
}

func (p *mapReader) checkComposed(s saidAllOf, g composite) {
	if g.ambiguous() {
		if slices.ContainsFunc(g.refs, func(ref *Reference) bool { return !p.composed[ref] }) {
			p.out.fail(s.pos, "all_of between %s and %s ties one field to two; write a list for each link, as in all_of: [[a, b], [a, c]], on the collection that holds the keys", g.at.FullName(), g.to.FullName())
		}
		return
	}
	for _, ref := range g.refs[1:] {
		if flow(ref, s.tied) != flow(g.refs[0], s.tied) {
			p.out.fail(ref.Pos, "the references that all_of ties between %s and %s must lead the same way", g.at.FullName(), g.to.FullName())
			return
		}
	}
}

// flow is +1 for a reference that leads from a field of the list, -1 for one that
// leads to it, 0 for one without a direction.
func flow(ref *Reference, list []*Field) int {
	out := slices.Contains(list, ref.Field)
	switch {
	case ref.Direction == Undirected:
		return 0
	case out == (ref.Direction == To):
		return 1
	}
	return -1
}

// touching lists the references at each collection that says all_of.
func touching(m *Map) map[*Collection][]*Reference {
	at := make(map[*Collection][]*Reference)
	for _, c := range m.collections() {
		for _, f := range c.AllFields() {
			for _, ref := range f.References {
				other := ref.Target.Collection
				if len(c.allOf) > 0 {
					at[c] = append(at[c], ref)
				}
				if len(other.allOf) > 0 && other != c {
					at[other] = append(at[other], ref)
				}
			}
		}
	}
	return at
}

// groups are the composite links that a list of fields of c comes to: one for
// each collection with which two references are shared, in the map's order.
func groups(c *Collection, list []*Field, at []*Reference) []composite {
	var found []composite
	place := make(map[*Collection]int)
	for _, ref := range at {
		own, other := ref.Field, ref.Target.Collection
		if own.Collection != c || !slices.Contains(list, own) {
			own, other = ref.Target, ref.Field.Collection
		}
		if own.Collection != c || !slices.Contains(list, own) {
			continue
		}
		i, seen := place[other]
		if !seen {
			i = len(found)
			place[other], found = i, append(found, composite{at: c, to: other})
		}
		if !slices.ContainsFunc(found[i].refs, func(r *Reference) bool { return sameEnds(r, ref) }) {
			found[i].refs = append(found[i].refs, ref)
		}
	}
	return slices.DeleteFunc(found, func(g composite) bool { return len(g.refs) < 2 })
}

// sameEnds tells that two references tie the same fields: Fideslang lets both
// ends declare it.
func sameEnds(a, b *Reference) bool {
	return a.Field == b.Field && a.Target == b.Target || a.Field == b.Target && a.Target == b.Field
}

// ambiguous tells that a field has two counterparts: these are two links, and
// only lists on the other side can tell which.
func (g composite) ambiguous() bool {
	seen := make(map[*Field]bool, 2*len(g.refs))
	for _, ref := range g.refs {
		if seen[ref.Field] || seen[ref.Target] {
			return true
		}
		seen[ref.Field], seen[ref.Target] = true, true
	}
	return false
}

// composites are all composite links of a map. Where both ends say all_of, the
// same references make one link, and fewer of them none beside more.
func composites(m *Map) []composite {
	saying := false
	all := m.collections()
	for _, c := range all {
		saying = saying || len(c.allOf) > 0
	}
	if !saying {
		return nil
	}
	at := touching(m)
	var list []composite
	with := make(map[[2]*Field][]int) // an unordered pair of ends -> links
	for _, c := range all {
		for _, tied := range c.allOf {
			for _, g := range groups(c, tied, at[c]) {
				if g.ambiguous() {
					continue
				}
				for _, ref := range g.refs {
					with[ends(ref)] = append(with[ends(ref)], len(list))
				}
				list = append(list, g)
			}
		}
	}
	inside := func(a, b composite) bool {
		return !slices.ContainsFunc(a.refs, func(r *Reference) bool {
			return !slices.ContainsFunc(b.refs, func(o *Reference) bool { return sameEnds(r, o) })
		})
	}
	var kept []composite
	for i, g := range list {
		covered := slices.ContainsFunc(with[ends(g.refs[0])], func(j int) bool {
			o := list[j]
			return j != i && inside(g, o) && (len(o.refs) > len(g.refs) || j < i)
		})
		if !covered {
			kept = append(kept, g)
		}
	}
	return kept
}

// composed are the composite links that a reference is part of, by its ends.
type composed map[[2]*Field][]*composite

func byEnds(list []composite) composed {
	by := make(composed)
	for i := range list {
		for _, ref := range list[i].refs {
			by[ends(ref)] = append(by[ends(ref)], &list[i])
		}
	}
	return by
}

func (c composed) of(ref *Reference) []*composite {
	if len(c) == 0 { // most maps have none, and need not be asked of each reference
		return nil
	}
	return c[ends(ref)]
}

// ends names the two fields of a reference, whichever declares it.
func ends(ref *Reference) [2]*Field {
	a, b := ref.Field, ref.Target
	if b.FullName() < a.FullName() {
		a, b = b, a
	}
	return [2]*Field{a, b}
}
