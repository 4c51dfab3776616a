package postgres

import (
	"slices"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// What a plan and the catalogue say for certain need not be asked row by row.
// Where every row that names a reached row is reached through that very link,
// no row can be shared; where all rows reached are deleted, none can be kept.
// The questions that are then left out are most of what a walk costs beside a
// statement written by hand.

// leadsAll returns the stop whose rows that hold a value of field to (of stop
// s) in field from are all reached as soon as the row of s is: its link is the
// referrer turned round, and nothing narrows it. nil where that is not certain.
func (p *program) leadsAll(s *stop, from, to *datamap.Field, v variant) *stop {
	at, l := p.leadsBack(s, from, to)
	if at == nil || at.narrowed(v) || at.c.Owner != "" && at.c.Owner != l.To.Name {
		return nil
	}
	return at
}

// leadsBack returns that stop, with its link, though something may narrow it: all
// of these rows are reached that its conditions admit.
func (p *program) leadsBack(s *stop, from, to *datamap.Field) (*stop, datamap.Link) {
	at := p.of[from.Collection.FullName()]
	if at == nil || from.Parent != nil || to.Parent != nil || from.Array || to.Array {
		return nil, datamap.Link{}
	}
	a, b := p.columnOf(from), p.columnOf(to)
	if a.class != b.class || a.typ != b.typ || a.place != nil || b.place != nil || a.class.textual() && declaredForm(from) != "" ||
		(a.loose || b.loose) && a.collation != b.collation {
		return nil, datamap.Link{}
	}
	covers := func(l datamap.Link) bool {
		if p.strands(l)[0].loose {
			return false // a value may be braked
		}
		return l.From.Collection == s.c && len(l.And) == 0 && l.From == to && l.To == from
	}
	i := slices.IndexFunc(at.links, covers)
	if i < 0 {
		return nil, datamap.Link{}
	}
	return at, at.links[i]
}

// narrowed tells whether rows of the stop may be left out though a link leads
// to them: another controller's, those that were not ticked, those that the
// request's own fields exclude.
func (s *stop) narrowed(v variant) bool {
	return s.c.Controller != "" || v.restricted && len(s.visit.Seeds) > 0 || len(s.narrows()) > 0
}

// mayShare tells whether a row of the stop can be found to be shared by itself.
func (p *program) mayShare(s *stop, v variant) bool {
	return slices.ContainsFunc(s.referrers, func(l datamap.Link) bool {
		return len(l.And) > 0 || p.leadsAll(s, l.From, l.To, v) == nil
	})
}

// certainty is what holds for every row of a stop, whoever's it is.
type certainty struct {
	mine bool // every row reached is the subject's alone
	take bool // an erasure may touch every row reached
	del  bool // an erasure deletes every row reached
}

// ascertain does the work of certain.
func (p *program) ascertain(v variant, holds bool) []certainty {
	all := make([]certainty, len(p.stops))
	for _, s := range p.stops {
		// What comes from elsewhere is asked of each row.
		all[s.i].mine = !p.mayShare(s, v) && len(p.fedLinks(s)) == 0 && len(p.fedReferrers(s)) == 0
	}
	for again := true; again; { // what is found only through shared rows is shared
		again = false
		for _, s := range p.stops {
			for _, l := range s.links {
				if all[s.i].mine && !all[p.of[l.From.Collection.FullName()].i].mine {
					all[s.i].mine, again = false, true
				}
			}
		}
	}
	for _, s := range p.stops {
		all[s.i].take = (all[s.i].mine || s.c.SharedErase) && !holds && !v.held && !v.narrowed && len(s.c.Keeps) == 0
	}
	for _, group := range p.order { // children first
		s := group[0]
		all[s.i].del = len(group) == 1 && all[s.i].take && p.keepsNothing(s, v, all)
	}
	return all
}

// keepsNothing tells whether no row of the stop can have to stay for a row that
// names it.
func (p *program) keepsNothing(s *stop, v variant, all []certainty) bool {
	if len(p.fedReferrers(s)) > 0 {
		return false
	}
	for _, l := range s.referrers {
		if at := p.of[l.From.Collection.FullName()]; at != nil && !all[at.i].take {
			return false
		}
	}
	for _, k := range s.t.children {
		at := p.childOf(s, k, v)
		if at == nil || !all[at.i].del || s.nobodys(k) {
			return false
		}
	}
	return true
}

// childOf returns the stop that reaches every row which a foreign key ties to a
// reached row of s, or nil. Save rows tied to a key that is nobody's (nobodys).
func (p *program) childOf(s *stop, k fkey, v variant) *stop {
	if len(k.columns) != 1 {
		return nil
	}
	for _, at := range p.on(k.child) {
		from, to := at.c.Field(k.columns[0]), s.c.Field(k.references[0])
		if from != nil && to != nil && p.leadsAll(s, from, to, v) == at {
			return at
		}
	}
	return nil
}

// nobodys tells whether the key of a row of the stop can be a placeholder, such
// as a code "unknown" or the UUID of zeros. Such a value leads nowhere, though a
// foreign key ties rows to it: whether it does is asked of those keys alone.
func (s *stop) nobodys(k fkey) bool {
	c := s.t.columns[k.references[0]]
	return c.class.textual() || c.class == classUUID
}

// nobody is the condition that the key of a reached row, under an alias, is one.
func (s *stop) nobody(k fkey, alias string) string {
	c := s.t.columns[k.references[0]]
	return "(" + c.leads(alias+"."+s.f(c.name)) + ") IS NOT TRUE"
}

// byPlace tells whether a row reached can be changed by its place (ctid) in the
// same transaction: an index need not be asked for it again. Not where the row
// may move under the erasure's own hands, nor where a place says too little.
func (p *program) byPlace(s *stop) bool {
	if s.t.kind != "r" || s.t.heirs || len(p.on(s.t.oid)) > 1 || s.twice {
		return false
	}
	for _, other := range p.stops {
		if len(other.t.triggers) > 0 {
			return false
		}
	}
	return !slices.ContainsFunc(p.stops, func(parent *stop) bool {
		return slices.ContainsFunc(parent.t.children, func(k fkey) bool {
			return k.child == s.t.oid && (k.takes() || parent.renames(k))
		})
	})
}

// renames tells whether masking a row of the stop changes what a foreign key
// names it by: rows that name it may follow (ON UPDATE CASCADE).
func (s *stop) renames(k fkey) bool {
	return slices.ContainsFunc(slices.Concat(s.masks(), s.keepMasks()), func(m mask) bool {
		return slices.ContainsFunc(k.references, func(name string) bool { return name == m.column.name || s.t.columns[name].generated })
	})
}
