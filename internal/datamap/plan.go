package datamap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Compile makes the plan of a policy for a set of identity types. Its cost is
// linear in the map, but for the heap that settles ties. Errors are sentences
// that name collections and identity types of the map.
//
// A visit without targets is followed all the same: only a walk that has reached
// all rows of a subject can tell which are shared with others.
//
// How a plan is to be read: the rows of a visit are those that one of its seeds
// matches or one of its links leads to, ORed. Where the collection has an Owner,
// a link to another column takes only rows whose owner is NULL. A seed takes the
// row that it matches whatever the owner: who holds the key opens that row.
func Compile(m *Map, p Policy, identities []string) (*Plan, error) {
	if err := CheckPolicy(m, p); err != nil {
		return nil, err
	}
	g := newGraph(m)
	types, err := g.identities(identities)
	if err != nil {
		return nil, err
	}
	if err := g.unreachable(p); err != nil {
		return nil, err
	}
	t := g.walk(types, true)
	if len(t.order) == 0 {
		return nil, fmt.Errorf("identity %s leads nowhere: every collection with it is skipped (skip_processing)", strings.Join(types, ", "))
	}
	order, component, cyclic, err := g.ordered(t)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Kind: p.Kind, Policy: p.Name, Identities: types, Cyclic: cyclic}
	for _, n := range order {
		plan.Visits = append(plan.Visits, g.visit(p, t, n, component[n]))
	}
	if err := plan.weak(p); err != nil {
		return nil, err
	}
	if p.Links != LinksOmit {
		g.linkFields(plan)
	}
	g.left(plan)
	g.notes(plan, p)
	plan.Digest = plan.digest(m)
	return plan, nil
}

// identities brings the types to their known names, sorted, each once.
func (g *graph) identities(list []string) ([]string, error) {
	if len(list) == 0 {
		return nil, errors.New("no identity is given: a walk needs one to start from")
	}
	var types []string
	for _, typ := range list {
		if name, picked := strings.CutPrefix(typ, rowOf); picked {
			if _, err := rowCollection(g.m, name); err != nil {
				return nil, err
			}
			types = append(types, typ)
			continue
		}
		typ = IdentityType(typ)
		if len(g.seeds[typ]) == 0 {
			known := IdentityTypes(g.m)
			if len(known) == 0 {
				return nil, errors.New("no field of the data map has an identity: nobody can be found")
			}
			return nil, fmt.Errorf("the data map has no identity %q; known are %s", typ, strings.Join(known, ", "))
		}
		types = append(types, typ)
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

// unreachable refuses a policy that targets what no identity type of the map
// leads to: such a request would look answered and would not be. What only
// another type reaches is left out of this request, and what only a skipped
// collection leads to is left out with it.
func (g *graph) unreachable(p Policy) error {
	var lost []string
	for _, c := range g.lost(p) {
		lost = append(lost, c.FullName())
	}
	if len(lost) > 0 {
		return fmt.Errorf("policy %q targets what no identity reaches: %s; "+reachIt, p.Name, listed(lost))
	}
	return nil
}

const reachIt = "give it a reference or an identity, or skip_processing: true"

// lost are the collections that a policy targets and no identity type reaches.
func (g *graph) lost(p Policy) (lost []*Collection) {
	all := make([]string, 0, len(g.seeds))
	for typ := range g.seeds {
		all = append(all, typ)
	}
	slices.Sort(all)
	seen := make([]bool, len(g.all))
	for _, n := range g.reached(all, false) {
		seen[n] = true
	}
	for n, c := range g.all {
		if !seen[n] && p.asks(c) {
			lost = append(lost, c)
		}
	}
	return lost
}

func (g *graph) visit(p Policy, t trail, n, component int) *Visit {
	c := g.all[n]
	v := &Visit{
		Collection: c, Seeds: t.seeds[n], Links: t.links[n],
		Delete: p.deletes(c), Component: component, Referrers: g.referrer[n],
	}
	for _, f := range c.Fields {
		g.target(p, v, f)
	}
	return v
}

// masked chooses the strategy: the field's own, else the rule's, else null_rewrite.
func masked(f *Field, rule *PolicyRule) *Masking {
	switch {
	case f.Masking != nil:
		return f.Masking
	case rule != nil && rule.Strategy != nil:
		return rule.Strategy.complete()
	}
	return &Masking{Strategy: strategyNull}
}

// linkFields notes the columns by which a reader can follow one collection to
// another: primary keys and both ends of each link of the plan.
func (g *graph) linkFields(p *Plan) {
	linking := make(map[*Field]bool)
	for _, v := range p.Visits {
		for _, l := range v.Links {
			for _, pair := range l.Pairs() {
				linking[pair.From], linking[pair.To] = true, true
			}
		}
	}
	for _, v := range p.Visits {
		for _, f := range v.Collection.AllFields() {
			// A third person's data is not given, be it a key.
			hidden := p.Kind != Erasure && f.Redact
			if (f.PrimaryKey && f.Parent == nil || linking[f]) && !hidden && !v.takes(f) {
				v.LinkFields = append(v.LinkFields, f)
			}
		}
	}
}

// takes tells that a field or an object above it is a target.
func (v *Visit) takes(f *Field) bool {
	for ; f != nil; f = f.Parent {
		if slices.ContainsFunc(v.Targets, func(t Target) bool { return t.Field == f }) {
			return true
		}
	}
	return false
}

func (g *graph) left(p *Plan) {
	visited := make(map[*Collection]bool, len(p.Visits))
	for _, v := range p.Visits {
		visited[v.Collection] = true
	}
	for _, c := range g.all {
		if !visited[c] {
			p.Left = append(p.Left, c.FullName())
		}
	}
}

// notes says in words what the policy asks for and the plan does not do.
func (g *graph) notes(p *Plan, policy Policy) {
	if p.Kind == Export {
		g.exportNotes(p)
	}
	for _, v := range p.Visits {
		if p.Kind != Erasure {
			for _, f := range v.Withheld {
				p.Notes = append(p.Notes, fmt.Sprintf("%s is left out: it holds a third person's data (Art. 15(4)).", f.FullName()))
			}
			continue
		}
		if v.Collection.Delete && !v.Delete && len(v.Targets) > 0 {
			p.Notes = append(p.Notes, fmt.Sprintf("%s: rows are masked and stay, because the policy does not target everything personal in them.", v.Collection.FullName()))
		}
		for _, f := range v.Collection.AllFields() {
			if why := g.unmasked(v, f, policy); why != "" {
				p.Notes = append(p.Notes, fmt.Sprintf("%s is targeted and not masked: %s.", f.FullName(), why))
			}
		}
		for _, t := range v.Targets {
			if t.Masking.Reversible() && !v.Delete {
				p.Notes = append(p.Notes, fmt.Sprintf("%s is masked by %s, which is not erased: %s.", t.Field.FullName(), t.Masking.Strategy, whyWeak(t.Masking)))
			}
		}
		p.Notes = append(p.Notes, v.split(policy)...)
	}
}

// telling is a category by which what stays in a row still names somebody. Random
// keys (user.unique_id) say nothing once what they tied together is gone; an
// address that serves as a key does.
func telling(category string) bool {
	return CategoryMatches(personal, category) && !CategoryMatches("user.unique_id", category)
}

// telling tells that a value by itself (not an object of them) names somebody or says
// something of them.
func (f *Field) telling() bool { return len(f.Fields) == 0 && slices.ContainsFunc(f.whole, telling) }

// unmasked says why a targeted field stays as it is in rows that are not deleted.
func (g *graph) unmasked(v *Visit, f *Field, policy Policy) string {
	if v.Delete || policy.rule(f) == nil || !f.telling() || v.takes(f) {
		return ""
	}
	switch {
	case f.PrimaryKey:
		return "it is a primary key"
	case f.ReadOnly:
		return "it is read_only"
	case g.linking[f] && f.Masking == nil && policy.Links != LinksMask:
		return "it links collections; give it a masking_strategy_override"
	}
	return ""
}

// exportNotes names what an export leaves out, collection by collection.
func (g *graph) exportNotes(p *Plan) {
	whole, given := PolicyRule{}, false
	for _, c := range g.all {
		provided, other, covered := false, "", false
		for _, f := range c.AllFields() {
			if c.Skip || !whole.targets(f.whole) {
				continue
			}
			switch {
			case portable(f):
				covered = true
			case f.ProvidedBy == "subject":
				provided, other = true, f.Legal.Basis
			}
		}
		given = given || covered
		switch {
		case covered || !slices.ContainsFunc(c.Fields, func(f *Field) bool { return whole.targets(f.Categories) }) || c.Skip:
		case provided && other == "":
			p.Notes = append(p.Notes, fmt.Sprintf("%s is left out: its legal basis is not in the data map, and Art. 20 covers only consent and contract.", c.FullName()))
		case provided:
			p.Notes = append(p.Notes, fmt.Sprintf("%s is left out: it rests on Art. 6(1)(%s), and Art. 20 covers only consent and contract.", c.FullName(), other))
		default:
			p.Notes = append(p.Notes, fmt.Sprintf("%s is left out: it was not provided by the subject.", c.FullName()))
		}
	}
	if !given {
		p.Notes = append(p.Notes, "No field of the data map is provided by the subject (lethe: {provided_by: subject}) on the ground of consent or contract: an export has nothing to give.")
	}
}
