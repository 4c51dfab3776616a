package datamap

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
)

// resolve ties names to what they name, inherits what is inherited, and makes
// the checks that need the whole map.
func (p *mapReader) resolve() {
	for _, d := range p.m.Datasets {
		p.source(d)
		for _, c := range d.Collections {
			c.Categories = inherit(c.Categories, d.Categories)
			c.Uses = inherit(c.Uses, d.Uses)
			c.Subjects = inherit(c.Subjects, d.Subjects)
			c.Legal = c.Legal.under(d.Legal)
			for _, f := range c.Fields {
				f.inherit(&Field{Categories: c.Categories, Uses: c.Uses, Subjects: c.Subjects, Legal: c.Legal})
			}
		}
	}
	for _, one := range p.pending {
		p.reference(one)
	}
	for _, check := range p.after {
		check()
	}
	p.checkAllOf()
	p.keepWiths()
	p.keptMasks()
	p.checkCategories()
	p.checkKeys()
	p.checkEraseOrder()
}

func inherit(own, above []string) []string {
	if len(own) > 0 {
		return own
	}
	return above
}

// inherit takes what a field does not say itself from what stands above it. An
// object's categories are passed on to its fields, and what they come to makes
// up its own: but only by those that it names itself is it targeted as a whole.
// Fideslang lets an object name none, because they could contradict its fields'.
func (f *Field) inherit(above *Field) {
	said := f.Categories
	f.Categories = inherit(said, above.Categories)
	f.Uses = inherit(f.Uses, above.Uses)
	f.Subjects = inherit(f.Subjects, above.Subjects)
	f.Legal = f.Legal.under(above.Legal)
	f.ProvidedBy = cmp.Or(f.ProvidedBy, above.ProvidedBy)
	f.whole = f.Categories
	if len(f.Fields) == 0 {
		return
	}
	f.whole = said
	all := slices.Clone(said)
	for _, inner := range f.Fields {
		inner.inherit(f)
		for _, c := range inner.Categories {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	f.Categories = all
}

// under fills the empty parts from the level above. A category of consent goes
// with its basis: where the basis changes, the consent above says nothing.
func (l Legal) under(above Legal) Legal {
	if l.Consent == "" && (l.Basis == "" || l.Basis == above.Basis) {
		l.Consent = above.Consent
	}
	l.Basis = cmp.Or(l.Basis, above.Basis)
	l.Origin = cmp.Or(l.Origin, above.Origin)
	l.Kept = cmp.Or(l.Kept, above.Kept)
	return l
}

// source settles which source a dataset lies in: the one it names, else the one
// of its own name, else the only one there is.
func (p *mapReader) source(d *Dataset) {
	known := p.options.Sources
	switch {
	case d.Source != "":
	case known == nil || slices.Contains(known, d.Key):
		d.Source = d.Key
	case len(known) == 1:
		d.Source = known[0]
	default:
		p.out.fail(d.Pos, "dataset %q names no source, and there are several; write lethe: {source: %s}", d.Key, strings.Join(known, " | "))
	}
}

func (p *mapReader) needDataset(name string, pos Pos) *Dataset {
	d := p.datasets[name]
	if d == nil {
		p.out.fail(pos, "unknown dataset %q%s", name, p.out.meantOr(name, maps.Keys(p.datasets), "the file that holds it has to be listed under datamap, too"))
	}
	return d
}

// needCollection finds "dataset.collection". A dataset's key may hold dots, a
// collection's name may not.
func (p *mapReader) needCollection(name string, pos Pos) *Collection {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		p.out.fail(pos, "%q must be dataset.collection", name)
		return nil
	}
	d := p.needDataset(name[:i], pos)
	if d == nil {
		return nil
	}
	return p.needTable(d, name[i+1:], pos)
}

func (p *mapReader) needTable(d *Dataset, name string, pos Pos) *Collection {
	c := p.tables[d][name]
	if c == nil {
		p.out.fail(pos, "unknown collection %q in dataset %q%s", name, d.Key, p.out.didYouMean(name, maps.Keys(p.tables[d])))
	}
	return c
}

func (p *mapReader) needField(c *Collection, name string, pos Pos) *Field {
	f := p.members[c][name]
	if f == nil {
		p.out.fail(pos, "unknown field %q in %s%s", name, c.FullName(), p.out.didYouMean(name, maps.Keys(p.members[c])))
	}
	return f
}

// keysOf are the names of the fields, for a suggestion.
func keysOf(fields map[string]*Field) iter.Seq[string] { return maps.Keys(fields) }

// checkOwner needs a column that a reference leads to or from: "a row whose
// owner is not NULL is taken only through that reference".
func (p *mapReader) checkOwner(c *Collection, owner string, pos Pos) {
	f := p.needField(c, owner, pos)
	if f != nil && !p.tried[f] {
		p.out.fail(pos, "owner %q has no reference: say whose key it holds", owner)
	}
}

func (p *mapReader) checkCategories() {
	known := maps.Clone(taxonomy())
	for c := range p.own {
		for ; c != ""; c = parentCategory(c) {
			known[c] = true
		}
	}
	for _, w := range p.used {
		if !known[w.text] {
			p.out.warn(w.pos, "category %q is not in the taxonomy%s", w.text, p.out.guess(func() (string, bool) { return nearCategory(w.text, known) }))
		}
	}
}

// checkKeys warns of what a walk could trip over: rows that cannot be named,
// and pairs of references that a reader may take for one composite key.
func (p *mapReader) checkKeys() {
	for _, d := range p.m.Datasets {
		for _, c := range d.Collections {
			if c.Skip {
				continue
			}
			if len(c.PrimaryKey()) == 0 && len(c.Fields) > 0 {
				p.out.warn(c.Pos, "%s has no primary_key: its rows cannot be picked one by one, and are told apart by the key that the table has, or else by all that they hold", c.FullName())
			}
			p.checkComposite(c)
		}
	}
}

// checkComposite: Fides takes two references from one collection to two fields
// of another as OR, which finds all rows that share only half of a key.
func (p *mapReader) checkComposite(c *Collection) {
	seen := make(map[*Collection]*Reference)
	for _, f := range c.AllFields() {
		for _, ref := range f.References {
			if p.composed[ref] {
				continue
			}
			earlier := seen[ref.Target.Collection]
			if earlier == nil {
				seen[ref.Target.Collection] = ref
				continue
			}
			if earlier.Field != f && earlier.Target != ref.Target && earlier.Direction == ref.Direction {
				p.out.warn(ref.Pos, "%s and %s both reference %s: a row that matches either one is taken; if both must match, write lethe: {all_of: [%s, %s]}",
					earlier.Field.LocalName(), f.LocalName(), ref.Target.Collection.FullName(), earlier.Field.LocalName(), f.LocalName())
			}
		}
	}
}

// checkEraseOrder refuses an erase_after that comes back to where it began.
func (p *mapReader) checkEraseOrder() {
	all := p.m.collections()
	index := make(map[string]int, len(all))
	for i, c := range all {
		index[c.FullName()] = i
	}
	next := make([][]int, len(all))
	for i, c := range all {
		for _, name := range c.EraseAfter {
			j, ok := index[name]
			if !ok || j == i {
				continue
			}
			next[i] = append(next[i], j)
			if other := all[j]; other.Dataset.Source != c.Dataset.Source {
				p.out.warn(c.Pos, "erase_after of %s has no effect on %s: it lies in the source %s, and sources are erased side by side, so that one which is down holds up no other",
					c.FullName(), name, other.Dataset.Source)
			}
		}
	}
	for _, ring := range Components(next) {
		if len(ring) < 2 {
			continue
		}
		slices.Sort(ring)
		list := make([]string, len(ring))
		for i, n := range ring {
			list[i] = all[n].FullName()
		}
		p.out.fail(all[ring[0]].Pos, "erase_after cannot be satisfied: %s each wait for the other", strings.Join(list, ", "))
	}
}

// collections lists every collection in the map's order.
func (m *Map) collections() []*Collection {
	var all []*Collection
	for _, d := range m.Datasets {
		all = append(all, d.Collections...)
	}
	return all
}
