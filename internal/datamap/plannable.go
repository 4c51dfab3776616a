package datamap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Plannable holds the map against policies, and the built-in ones: what they
// target must be reached by some identity, and their orders must be possible. A
// map that fails here loads, but requests by these policies fail.
func Plannable(m *Map, policies ...Policy) (list []Problem) {
	g := newGraph(m)
	if len(g.seeds) == 0 {
		// No error: a map may serve retention rules alone.
		return []Problem{{Pos: m.Datasets[0].Pos, Warning: true, Message: "no field has an identity, so that nobody can be found and every request fails; " +
			"say fides_meta: {identity: email} where people are recognised"}}
	}
	targeted := map[*Collection][]string{}
	policies = append([]Policy{Builtin(Access), Builtin(Export), Builtin(Erasure)}, policies...)
	list = beside(m, policies)
	for _, p := range policies {
		for _, c := range g.lost(p) {
			targeted[c] = append(targeted[c], p.Name)
		}
	}
	if _, _, _, err := g.ordered(g.walk(IdentityTypes(m), true)); err != nil {
		list = append(list, Problem{Pos: m.Datasets[0].Pos, Message: err.Error()})
	}
	for c, by := range targeted {
		slices.Sort(by)
		which := "the policies " + strings.Join(by, ", ") + " target"
		if len(by) == 1 {
			which = "the policy " + by[0] + " targets"
		}
		list = append(list, Problem{Pos: c.Pos, Message: fmt.Sprintf("no identity reaches %s, which %s, so that requests fail: "+reachIt, c.FullName(), which)})
	}
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Message, b.Message))
	})
	return list
}

// beside lists the map's own categories that stand neither below user nor below
// system, and that no erasure targets: what has them stays, though it may be a person's.
func beside(m *Map, policies []Policy) (list []Problem) {
	told := map[string]bool{}
	for _, c := range m.collections() {
		for _, f := range c.AllFields() {
			if c.Skip || c.Delete || slices.ContainsFunc(policies, func(p Policy) bool { return p.Kind == Erasure && p.rule(f) != nil }) {
				continue
			}
			for _, own := range f.whole {
				if !told[own] && slices.Contains(m.Categories, own) && !CategoryMatches("system", own) {
					told[own] = true
					list = append(list, Problem{Pos: f.Pos, Warning: true, Message: fmt.Sprintf(
						"category %q is the map's own and does not stand below user, so that no erasure takes %s; call it user.…, or name it in a policy", own, f.FullName())})
				}
			}
		}
	}
	return list
}
