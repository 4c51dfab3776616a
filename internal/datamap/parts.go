package datamap

import (
	"fmt"
	"iter"
	"slices"
)

// target adds what a policy asks of a column: the whole of it, or, of an object,
// those of its fields that the policy targets.
func (g *graph) target(p Policy, v *Visit, f *Field) {
	if p.Kind != Erasure && f.Redact {
		if targeted(p, f) {
			v.Withheld = append(v.Withheld, f)
		}
		return
	}
	if len(f.Fields) == 0 {
		g.single(p, v, f)
		return
	}
	if g.takenWhole(p, f) {
		v.Targets = append(v.Targets, g.aim(p, f))
		v.withhold(p, f)
		return
	}
	for _, inner := range f.Fields {
		g.target(p, v, inner)
	}
}

func (g *graph) single(p Policy, v *Visit, f *Field) {
	if p.targets(f) && (p.Kind != Erasure || !g.spared(p, f)) {
		v.Targets = append(v.Targets, g.aim(p, f))
	}
}

func (g *graph) aim(p Policy, f *Field) Target {
	if p.Kind != Erasure {
		return Target{Field: f}
	}
	return Target{Field: f, Masking: masked(f, p.rule(f))}
}

// spared tells that a field is never masked by a category alone; a plan's notes
// say where that matters.
func (g *graph) spared(p Policy, f *Field) bool {
	return f.PrimaryKey || f.ReadOnly || g.linking[f] && f.Masking == nil && p.Links != LinksMask
}

// takenWhole tells whether an object is a target as it is: an override of its own
// settles that where anything in it is targeted, else its own categories do,
// unless one of its fields stands out: an erasure must not take a key or a field
// with a masking of its own along, an export nothing that Art. 20 does not cover.
func (g *graph) takenWhole(p Policy, f *Field) bool {
	if p.Kind == Erasure && f.Masking != nil {
		return targeted(p, f)
	}
	if !p.targets(f) || p.Kind == Erasure && g.spared(p, f) {
		return false
	}
	return !anyInner(f, func(i *Field) bool {
		switch p.Kind {
		case Erasure:
			return g.spared(p, i) || i.Masking != nil
		case Export:
			return !portable(i) && !i.Redact
		}
		return false
	})
}

// targeted tells whether a policy targets a field or anything inside it.
func targeted(p Policy, f *Field) bool {
	return p.targets(f) || anyInner(f, p.targets)
}

func anyInner(f *Field, is func(*Field) bool) bool {
	return slices.ContainsFunc(f.Fields, func(i *Field) bool { return is(i) || anyInner(i, is) })
}

// withhold notes what is to be taken out of an object that is given whole.
func (v *Visit) withhold(p Policy, f *Field) {
	for _, inner := range f.Fields {
		if p.Kind != Erasure && inner.Redact {
			v.Withheld = append(v.Withheld, inner)
			continue
		}
		v.withhold(p, inner)
	}
}

// split says of which objects an erasure masks only the fields that the map
// names, though they are personal as a whole: other keys in them stay.
func (v *Visit) split(p Policy) []string {
	var notes []string
	for _, f := range v.Collection.AllFields() {
		if len(f.Fields) == 0 || !p.targets(f) || v.Delete || v.takes(f) {
			continue
		}
		notes = append(notes, fmt.Sprintf("%s is masked only in the fields that the data map names, because one of them is to stay or has a masking of its own: other keys in it stay.", f.FullName()))
	}
	return notes
}

// weak refuses to take encryption for erasure, unless the policy asks for it by
// name: who holds the key reads on.
func (p *Plan) weak(policy Policy) error {
	if p.Kind != Erasure {
		return nil
	}
	var list []string
	for _, v := range p.Visits {
		for _, t := range v.Targets {
			if t.Masking.Strategy != strategyAES {
				continue
			}
			if rule := policy.rule(t.Field); rule == nil || rule.Strategy == nil || rule.Strategy.Strategy != strategyAES {
				list = append(list, t.Field.FullName())
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	return fmt.Errorf("policy %q: aes_encrypt is not erasure, since who holds the key reads on, and masks %s; give another masking_strategy_override, or choose a policy whose rule says strategy: aes_encrypt", policy.Name, listed(list))
}

func whyWeak(m *Masking) string {
	if m.Strategy == strategyAES {
		return "who holds the key reads on"
	}
	return "who tries every value finds it again while the request's secret lives"
}

// Weaknesses are the fields that erasure policies leave pseudonymised rather than
// erased (Art. 4(5)), as problems of the map: encrypted ones are errors where the
// policy does not ask for encryption, hashed ones warnings. So are those whose
// declared type a policy's strategy, which is no field's own, does not write.
func Weaknesses(m *Map, policies ...Policy) []Problem {
	g := newGraph(m)
	var list []Problem
	add := func(f *Field, warning bool, message string) {
		list = append(list, Problem{Pos: f.Pos, Warning: warning, Message: message})
	}
	for _, p := range policies {
		for t := range g.masked(p) {
			f, name := t.Field, t.Field.FullName()
			rule := p.rule(f)
			asked := rule != nil && rule.Strategy != nil && rule.Strategy.Strategy == t.Masking.Strategy
			switch {
			case t.Masking.Strategy == strategyAES && !asked:
				add(f, false, fmt.Sprintf("%s is encrypted by policy %s, which is no erasure: who holds the key reads on; choose null_rewrite or another strategy, or a policy whose rule says strategy: aes_encrypt", name, p.Name))
			case t.Masking.Reversible():
				add(f, true, fmt.Sprintf("%s is masked with %s by policy %s, which is not erased: %s", name, t.Masking.Strategy, p.Name, whyWeak(t.Masking)))
			}
			if t.Masking.mistypes(f) {
				add(f, true, fmt.Sprintf("%s is masked with %s by policy %s, which writes text, and its data_type is %s; give it a masking_strategy_override of its own, such as null_rewrite", name, t.Masking.Strategy, p.Name, f.DataType))
			}
		}
	}
	return list
}

// Pseudonymised are the collections, by full name, in whose masked rows an
// erasure policy leaves something pseudonymised: letters must not call it removed.
func Pseudonymised(m *Map, p Policy) map[string]bool {
	all := map[string]bool{}
	for t := range newGraph(m).masked(p) {
		if t.Masking.Reversible() {
			all[t.Field.Collection.FullName()] = true
		}
	}
	return all
}

// Remaining are the personal fields, by the full name of their collection, that
// stay as they are in rows that an erasure policy masks or only follows: preserved
// ones, keys and the like, and those that the policy is not about. Letters must not
// call them removed, nor pass over them. Random keys (user.unique_id) are not among them, see telling.
func Remaining(m *Map, p Policy) map[string][]*Field {
	masked := map[*Field]bool{}
	for t := range newGraph(m).masked(p) {
		masked[t.Field] = t.Masking.Strategy != strategyPreserve
	}
	all := map[string][]*Field{}
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			for _, f := range c.AllFields() {
				if !f.telling() {
					continue
				}
				gone := false
				for at := f; at != nil && !gone; at = at.Parent {
					gone = masked[at]
				}
				if !gone {
					all[c.FullName()] = append(all[c.FullName()], f)
				}
			}
		}
	}
	return all
}

// KeptMasked are the fields, by the full name of their collection, that an erasure
// policy masks in rows that a law keeps. Letters must not call others removed.
func KeptMasked(m *Map, p Policy) map[string][]Target {
	all := map[string][]Target{}
	for v := range newGraph(m).erased(p) {
		for _, k := range v.Collection.Keeps {
			all[v.Collection.FullName()] = append(all[v.Collection.FullName()], v.KeptTargets(k)...)
		}
	}
	return all
}

// masked are the fields that an erasure policy masks, whoever asks.
func (g *graph) masked(p Policy) iter.Seq[Target] {
	return func(yield func(Target) bool) {
		for v := range g.erased(p) {
			for _, t := range v.Targets {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// erased are the collections with what an erasure policy does to their rows, whoever asks.
func (g *graph) erased(p Policy) iter.Seq[*Visit] {
	return func(yield func(*Visit) bool) {
		if p.Kind != Erasure {
			return
		}
		for _, c := range g.all {
			if c.Skip {
				continue
			}
			v := &Visit{Collection: c, Delete: p.deletes(c)}
			for _, f := range c.Fields {
				g.target(p, v, f)
			}
			if !yield(v) {
				return
			}
		}
	}
}
