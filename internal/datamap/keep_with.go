package datamap

import "slices"

// A saidWith is keep: {with: field}, to be resolved once all is read: rows that
// say nothing of how long a law keeps them, such as an invoice's lines, are kept
// as long as the row that the field names.
type saidWith struct {
	c     *Collection
	at    Pos // of the keep
	field string
	pos   Pos
	done  bool
}

// keepWiths puts in place of each keep: {with: …} the keeps of the rows that it names.
func (p *mapReader) keepWiths() {
	for i := range p.withs {
		p.keepWith(&p.withs[i], nil)
	}
}

// keepWith resolves one, after those of the collection that it names. through
// are the collections on the way here.
func (p *mapReader) keepWith(s *saidWith, through []*Collection) {
	i := slices.IndexFunc(s.c.Keeps, func(k Keep) bool { return k.Pos == s.at })
	if s.done || i < 0 {
		return
	}
	s.done = true
	mask := s.c.Keeps[i].Mask
	s.c.Keeps = slices.Delete(s.c.Keeps, i, i+1)
	link, ok := p.withLink(s)
	if !ok {
		return
	}
	named := link.To.Collection
	if slices.Contains(through, named) || named == s.c {
		p.out.fail(s.pos, "%s would be kept with itself", named.FullName())
		return
	}
	for j := range p.withs {
		if p.withs[j].c == named {
			p.keepWith(&p.withs[j], append(slices.Clone(through), s.c))
		}
	}
	if len(named.Keeps) == 0 {
		p.out.fail(s.pos, "%s, which %s names, says no keep itself: say there which of its rows a law keeps", named.FullName(), s.field)
		return
	}
	for _, k := range named.Keeps {
		k.Pos, k.Mask, k.With = s.at, mask, append([]Link{link}, k.With...)
		s.c.Keeps = append(s.c.Keeps, k)
	}
}

// withLink is the reference from a row to the one with which it is kept, with
// the further pairs that all_of ties to it.
func (p *mapReader) withLink(s *saidWith) (Link, bool) {
	f := p.needField(s.c, s.field, s.pos)
	if f == nil {
		return Link{}, false
	}
	if len(f.References) != 1 {
		p.out.fail(s.pos, "with needs a field with one reference, to the rows with which these are kept; %s has %d", s.field, len(f.References))
		return Link{}, false
	}
	link := Link{From: f, To: f.References[0].Target}
	named := link.To.Collection
	for _, tied := range s.c.allOf {
		if !slices.Contains(tied, f) {
			continue
		}
		for _, other := range tied {
			for _, ref := range other.References {
				if other != f && ref.Target.Collection == named {
					link.And = append(link.And, Pair{From: other, To: ref.Target})
				}
			}
		}
	}
	switch {
	case named.Dataset.Source != s.c.Dataset.Source:
		p.out.fail(s.pos, "%s lies in the source %s: rows can be kept only with rows of their own database", named.FullName(), named.Dataset.Source)
	case slices.ContainsFunc(link.Pairs(), func(q Pair) bool { return !q.From.plain() || !q.To.plain() }):
		p.out.fail(s.pos, "with follows references between columns that hold one value, not between arrays or fields inside JSON")
	default:
		return link, true
	}
	return Link{}, false
}

// plain tells whether a field is a column that holds one value.
func (f *Field) plain() bool { return f.Parent == nil && !f.Array && !f.isObject() }
