package datamap

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Change is one thing that two maps make different for a request. Names of the
// maps only.
type Change struct {
	// Lost: something that was found, given or erased by the old map would not be
	// by the new one.
	Lost       bool
	Collection string   // full name
	Field      string   // local name, where it is one field
	Policy     string   // where only that policy is touched
	Identities []string // where only requests by these are touched, sorted
	Message    string   // a sentence without its subject: "is no longer reached by email: …"
}

// String is the change as a sentence.
func (c Change) String() string {
	name := c.Collection
	if c.Field != "" {
		name += "." + c.Field
	}
	return name + " " + c.Message
}

// Compare tells what becomes of requests when a new map takes the place of an
// old one: for every identity type what is reached and by which ways, and for
// every policy (the built-in ones and those given) what is given and erased.
// What is lost stands first, then in the maps' order.
func Compare(old, now *Map, policies ...Policy) []Change {
	c := comparison{old: newGraph(old), now: newGraph(now)}
	c.reach()
	for _, p := range append([]Policy{Builtin(Access), Builtin(Export), Builtin(Erasure)}, policies...) {
		c.policy(p)
	}
	slices.SortStableFunc(c.changes, func(a, b Change) int {
		switch {
		case a.Lost == b.Lost:
			return 0
		case a.Lost:
			return -1
		}
		return 1
	})
	return c.changes
}

type comparison struct {
	old, now *graph
	changes  []Change
	gone     map[string]bool // fields reported as no longer in the map, by full name
}

func (c *comparison) say(lost bool, at Change, format string, args ...any) {
	at.Lost, at.Message = lost, fmt.Sprintf(format, args...)
	c.changes = append(c.changes, at)
}

// named finds a collection of a graph by its full name.
func (g *graph) named() map[string]*Collection {
	at := make(map[string]*Collection, len(g.all))
	for _, c := range g.all {
		at[c.FullName()] = c
	}
	return at
}

// ways are what leads to each collection for one identity type: sentences for
// seeds and links, by full name of the collection.
func (g *graph) waysBy(typ string) map[string][]string {
	t := g.walk([]string{typ}, true)
	ways := make(map[string][]string, len(t.order))
	for _, n := range t.order {
		v := &Visit{Collection: g.all[n]}
		list := []string{}
		for _, s := range t.seeds[n] {
			list = append(list, fmt.Sprintf("%s in %s (%s)", typ, s.Field.LocalName(), s.Field.Match))
		}
		for _, l := range t.links[n] {
			list = append(list, v.way(l))
		}
		ways[g.all[n].FullName()] = list
	}
	return ways
}

// reach compares what each identity type leads to. Identity types that see the
// same change share one line.
func (c *comparison) reach() {
	types := slices.Compact(slices.Sorted(slices.Values(append(IdentityTypes(c.old.m), IdentityTypes(c.now.m)...))))
	type event struct {
		lost       bool
		collection string
		verb, rest string
	}
	var order []event
	by := make(map[event][]string)
	note := func(typ string, e event) {
		if by[e] == nil {
			order = append(order, e)
		}
		by[e] = append(by[e], typ)
	}
	there := c.now.named()
	for _, typ := range types {
		before, after := c.old.waysBy(typ), c.now.waysBy(typ)
		for _, one := range c.old.all {
			name := one.FullName()
			ways, was := before[name]
			now, is := after[name]
			if was && !is {
				note(typ, event{true, name, "is no longer reached", ": " + whyLost(there[name])})
			}
			if !was || !is {
				continue
			}
			for _, w := range without(ways, now) {
				note(typ, event{true, name, "is no longer reached this way", ": " + w})
			}
			for _, w := range without(now, ways) {
				note(typ, event{false, name, "is reached in one more way", ": " + w})
			}
		}
		for _, one := range c.now.all {
			name := one.FullName()
			_, was := before[name]
			if _, is := after[name]; is && !was {
				note(typ, event{false, name, "is newly reached", ""})
			}
		}
	}
	for _, e := range order {
		c.say(e.lost, Change{Collection: e.collection, Identities: by[e]}, "%s by %s%s", e.verb, strings.Join(by[e], ", "), e.rest)
	}
}

// without is what stands in all and not in others.
func without(all, others []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(others, s) })
}

func whyLost(now *Collection) string {
	switch {
	case now == nil:
		return "the new map does not have it"
	case now.Skip:
		return "skip_processing takes it out"
	}
	return "nothing that the identity reaches leads there"
}

// policy compares what a policy does with the fields of collections that both
// maps reach by any identity.
func (c *comparison) policy(p Policy) {
	reached := func(g *graph) map[string]bool {
		all := make([]string, 0, len(g.seeds))
		for typ := range g.seeds {
			all = append(all, typ)
		}
		slices.Sort(all)
		set := make(map[string]bool)
		for _, n := range g.reached(all, true) {
			set[g.all[n].FullName()] = true
		}
		return set
	}
	before, after, there := reached(c.old), reached(c.now), c.now.named()
	for _, was := range c.old.all {
		name := was.FullName()
		if is := there[name]; is != nil && before[name] && after[name] {
			c.collection(p, was, is)
		}
	}
}

// deeds are what a policy does with each value of a collection: "given", or the
// masking. Values inside an object that is taken as a whole have its deed.
func (g *graph) deeds(p Policy, c *Collection) map[string]string {
	v := &Visit{Collection: c}
	for _, f := range c.Fields {
		g.target(p, v, f)
	}
	deeds := make(map[string]string)
	for _, t := range v.Targets {
		deed := "given"
		if t.Masking != nil {
			deed = t.Masking.describe()
		}
		deeds[t.Field.LocalName()] = deed
		var inside func(list []*Field)
		inside = func(list []*Field) {
			for _, f := range list {
				if !slices.Contains(v.Withheld, f) {
					deeds[f.LocalName()] = deed
					inside(f.Fields)
				}
			}
		}
		inside(t.Field.Fields)
	}
	return deeds
}

func (m *Masking) describe() string {
	parts := []string{m.Strategy}
	if m.Value != "" {
		parts = append(parts, fmt.Sprintf("%q", m.Value))
	}
	for _, s := range []string{m.Algorithm, m.Mode} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if m.Suffix != "" {
		parts = append(parts, fmt.Sprintf("with the suffix %q", m.Suffix))
	}
	return strings.Join(parts, " ")
}

func (c *comparison) collection(p Policy, was, is *Collection) {
	at := Change{Collection: was.FullName(), Policy: p.Name}
	before, after := c.old.deeds(p, was), c.now.deeds(p, is)
	deleted, deletes := p.deletes(was), p.deletes(is)
	switch {
	case deleted && !deletes && len(after) == 0:
		c.say(true, at, "had its rows deleted by policy %s, and would keep them as they are", p.Name)
		return
	case deleted && !deletes:
		c.say(false, at, "had its rows deleted by policy %s, and would have them masked", p.Name)
		before = nil // as masked they are compared with nothing
	case !deleted && deletes:
		c.say(false, at, "would have its rows deleted by policy %s", p.Name)
	}
	if p.Kind == Erasure {
		for _, k := range is.Keeps {
			if !slices.ContainsFunc(was.Keeps, func(o Keep) bool { return o.words(o.Mask) == k.words(k.Mask) }) {
				c.say(false, at, "would %s", strings.TrimPrefix(k.words(k.Mask), "but "))
			}
		}
	}
	fields := make(map[string]*Field)
	for _, f := range is.AllFields() {
		fields[f.LocalName()] = f
	}
	for _, f := range was.AllFields() {
		name := f.LocalName()
		one := at
		one.Field = name
		had, has := before[name], after[name]
		switch {
		case had == "" || had == has:
		case fields[name] == nil:
			if !c.gone[f.FullName()] {
				if c.gone == nil {
					c.gone = make(map[string]bool)
				}
				c.gone[f.FullName()] = true
				one.Policy = ""
				c.say(true, one, "is no longer in the map")
			}
		case p.Kind != Erasure:
			c.say(true, one, "would no longer be given by policy %s", p.Name)
		case deletes: // gone with its row
		case had == strategyPreserve:
			c.say(false, one, "would be masked by %s (policy %s)", has, p.Name)
		case has == "" || has == strategyPreserve:
			c.say(true, one, "was masked by %s and would stay as it is (policy %s)", had, p.Name)
		default:
			c.say(false, one, "was masked by %s and would be by %s (policy %s)", had, has, p.Name)
		}
	}
	c.newFields(p, at, was, is, before, after)
}

// newFields says what a policy takes up that it left before.
func (c *comparison) newFields(p Policy, at Change, was, is *Collection, before, after map[string]string) {
	if before == nil {
		return
	}
	known := make(map[string]bool)
	for _, f := range was.AllFields() {
		known[f.LocalName()] = true
	}
	for _, f := range is.AllFields() {
		name := f.LocalName()
		if after[name] == "" || before[name] != "" {
			continue
		}
		one := at
		one.Field = name
		how := cmp.Or(map[bool]string{true: "given"}[p.Kind != Erasure], "masked by "+after[name])
		if known[name] {
			c.say(false, one, "would be %s now (policy %s)", how, p.Name)
		} else {
			c.say(false, one, "is new and would be %s (policy %s)", how, p.Name)
		}
	}
}
