package datamap

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
)

// trail is what a walk over the graph leaves behind.
type trail struct {
	order []int        // collections as they were first reached
	links [][]Link     // by collection: ways that lead to it
	seeds [][]PlanSeed // by collection
}

// walk goes breadth first from the fields of the identities: level by level,
// ties in the map's order, so that the same map gives the same walk. An
// undirected reference is taken from the end reached first and never back:
// coming back over it would pull in other people's rows. Between two of which one
// is declared to come after the other, that is the other's end, as in Fides.
func (g *graph) walk(identities []string, skip bool) trail {
	t := g.pass(identities, skip, &turns{})
	if s := g.turns(t); s != nil {
		return g.pass(identities, skip, s)
	}
	return t
}

// pass is one walk, in which collections have their turn as s says. What is reached
// is the same whatever the order.
func (g *graph) pass(identities []string, skip bool, s *turns) trail {
	t := trail{links: make([][]Link, len(g.all)), seeds: make([][]PlanSeed, len(g.all))}
	seen := make([]bool, len(g.all))
	reach := func(n int) {
		if !seen[n] {
			seen[n] = true
			t.order = append(t.order, n)
		}
	}
	for _, typ := range identities {
		if name, picked := strings.CutPrefix(typ, rowOf); picked {
			if c, err := rowCollection(g.m, name); err == nil {
				n := g.number[c]
				t.seeds[n] = append(t.seeds[n], PlanSeed{Field: keyField(c), Identity: typ, Row: true})
			}
			continue
		}
		for _, f := range g.seeds[typ] {
			if n := g.number[f.Collection]; !skip || !f.Collection.Skip {
				t.seeds[n] = append(t.seeds[n], PlanSeed{Field: f, Identity: typ})
			}
		}
	}
	for n := range g.all {
		if len(t.seeds[n]) > 0 {
			reach(n)
		}
	}
	taken := make([]bool, g.loose+1)
	known := make(map[[2]*Field]int, len(g.linking)) // place in links of the target
	for n := s.next(g, t.order); n >= 0; n = s.next(g, t.order) {
		for _, w := range g.ways[n] {
			if skip && g.all[w.node].Skip || taken[w.loose] {
				continue
			}
			if w.loose > 0 {
				taken[w.loose] = true
			}
			reach(w.node)
			if len(w.and) > 0 {
				t.links[w.node] = append(t.links[w.node], Link{From: w.from, To: w.to, Own: w.own, And: w.and})
				continue
			}
			pair := [2]*Field{w.from, w.to}
			if at, twice := known[pair]; twice {
				t.links[w.node][at].Own = t.links[w.node][at].Own || w.own
				continue
			}
			known[pair] = len(t.links[w.node])
			t.links[w.node] = append(t.links[w.node], Link{From: w.from, To: w.to, Own: w.own})
		}
	}
	return t
}

// ordered brings the collections of a trail into an order in which each stands
// after all that lead to it and all that it is declared to come after. Those on
// a directed cycle form one component and stand together.
func (g *graph) ordered(t trail) (order []int, component map[int]int, cyclic bool, err error) {
	rank := make([]int, len(g.all)) // collection -> place in the trail
	for i, n := range t.order {
		rank[n] = i
	}
	next := make([][]int, len(t.order))
	for i, n := range t.order {
		for _, l := range t.links[n] {
			from := rank[g.number[l.From.Collection]]
			cyclic = cyclic || from == i
			next[from] = append(next[from], i)
		}
	}
	rings := Components(next)
	of := make([]int, len(t.order))
	for r, ring := range rings {
		cyclic = cyclic || len(ring) > 1
		slices.Sort(ring)
		for _, i := range ring {
			of[i] = r
		}
	}
	s := newSchedule(rings)
	for i := range next {
		for _, j := range next[i] {
			if of[i] != of[j] {
				s.before(of[i], of[j])
			}
		}
	}
	stuck := g.declared(t, of, s)
	placed := s.run()
	if len(placed) < len(rings) {
		stuck = append(stuck, s.stuck()...)
	}
	if len(stuck) > 0 {
		return nil, nil, false, fmt.Errorf("the order cannot be satisfied: each of %s would have to come before another of them, by references and after", g.names(t, rings, stuck))
	}
	component = make(map[int]int, len(t.order))
	for place, r := range placed {
		for _, i := range rings[r] {
			order = append(order, t.order[i])
			component[t.order[i]] = place
		}
	}
	return order, component, cyclic, nil
}

// declared adds what after says to the schedule. A dataset's after stands for
// all its collections; a barrier per dataset keeps that from becoming the
// product of two datasets. It returns components that would have to come after
// themselves.
func (g *graph) declared(t trail, of []int, s *schedule) (stuck []int) {
	byName := make(map[string]int, len(t.order))
	inDataset := make(map[string][]int)
	for i, n := range t.order {
		c := g.all[n]
		byName[c.FullName()] = i
		inDataset[c.Dataset.Key] = append(inDataset[c.Dataset.Key], i)
	}
	barrier := make(map[string]int)
	for i, n := range t.order {
		c := g.all[n]
		for _, name := range c.After {
			if j, visited := byName[name]; visited {
				if of[i] == of[j] {
					stuck = append(stuck, of[i])
					continue
				}
				s.before(of[j], of[i])
			}
		}
		for _, key := range c.Dataset.After {
			at, made := barrier[key]
			if !made {
				at = s.barrier()
				barrier[key] = at
				for _, j := range inDataset[key] {
					s.before(of[j], at)
				}
			}
			s.before(at, of[i])
		}
	}
	return stuck
}

func (g *graph) names(t trail, rings [][]int, stuck []int) string {
	var list []string
	slices.Sort(stuck)
	for _, r := range slices.Compact(stuck) {
		if r >= len(rings) {
			continue // a barrier
		}
		for _, i := range rings[r] {
			list = append(list, g.all[t.order[i]].FullName())
		}
	}
	slices.Sort(list)
	return listed(list)
}

// listed joins names for a sentence, and stops before it becomes a page.
func listed(list []string) string {
	const most = 20
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// schedule orders components by what must come before what; where several may
// be next, the one reached first is (Kahn's algorithm with a heap).
type schedule struct {
	first []int   // place in the trail of a component's first collection; barriers: 0
	real  int     // components; what stands beyond are barriers
	next  [][]int // edges
	waits []int   // open edges into each
	ready []int   // a heap by first
	done  []bool
}

func newSchedule(rings [][]int) *schedule {
	s := &schedule{real: len(rings), next: make([][]int, len(rings)), waits: make([]int, len(rings))}
	for _, ring := range rings {
		s.first = append(s.first, ring[0])
	}
	return s
}

func (s *schedule) barrier() int {
	// Before everything: a barrier that is open holds nobody up.
	s.first, s.next, s.waits = append(s.first, -1), append(s.next, nil), append(s.waits, 0)
	return len(s.first) - 1
}

func (s *schedule) before(a, b int) {
	s.next[a] = append(s.next[a], b)
	s.waits[b]++
}

// run returns the components that can be placed, in order.
func (s *schedule) run() []int {
	s.done = make([]bool, len(s.next))
	for v, n := range s.waits {
		if n == 0 {
			s.ready = append(s.ready, v)
		}
	}
	heap.Init(s)
	var placed []int
	for len(s.ready) > 0 {
		v := heap.Pop(s).(int)
		s.done[v] = true
		if v < s.real {
			placed = append(placed, v)
		}
		for _, w := range s.next[v] {
			if s.waits[w]--; s.waits[w] == 0 {
				heap.Push(s, w)
			}
		}
	}
	return placed
}

// stuck returns those that wait for one another; not those that only wait for them.
func (s *schedule) stuck() (list []int) {
	for _, ring := range Components(s.next) {
		if len(ring) > 1 {
			list = append(list, ring...)
		}
	}
	return list
}

func (s *schedule) Len() int           { return len(s.ready) }
func (s *schedule) Less(i, j int) bool { return s.first[s.ready[i]] < s.first[s.ready[j]] }
func (s *schedule) Swap(i, j int)      { s.ready[i], s.ready[j] = s.ready[j], s.ready[i] }
func (s *schedule) Push(v any)         { s.ready = append(s.ready, v.(int)) }

func (s *schedule) Pop() any {
	last := s.ready[len(s.ready)-1]
	s.ready = s.ready[:len(s.ready)-1]
	return last
}
