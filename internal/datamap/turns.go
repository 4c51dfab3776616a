package datamap

import "slices"

// turns says whose turn it is in a walk: collections in the order in which they
// are reached, but each after those that it is declared to come after (after).
type turns struct {
	asked  int              // of the collections reached
	left   map[string]int   // by what after may name, see named: those that had no turn yet
	ready  []int            // places in the order, sorted
	parked map[string][]int // places, by what they wait for
	last   *Collection      // whose turn it was
}

// turns returns those of a walk in which something is declared to come after
// something; nil where nothing is.
func (g *graph) turns(t trail) *turns {
	if !slices.ContainsFunc(t.order, func(n int) bool { return len(g.all[n].After)+len(g.all[n].Dataset.After) > 0 }) {
		return nil
	}
	s := &turns{left: make(map[string]int), parked: make(map[string][]int)}
	for _, n := range t.order {
		for _, name := range named(g.all[n]) {
			s.left[name]++
		}
	}
	return s
}

// named are a collection and its dataset as turns know them: no collection's name is empty.
func named(c *Collection) [2]string { return [2]string{c.FullName(), c.Dataset.Key + "."} }

// next returns the collection whose turn it is; -1 when all had theirs. An order
// that cannot be is not heeded: ordered tells of it.
func (s *turns) next(g *graph, order []int) int {
	if s.last != nil {
		for _, name := range named(s.last) {
			if s.left[name]--; s.left[name] == 0 {
				s.ask(g, order, s.parked[name])
				delete(s.parked, name)
			}
		}
		s.last = nil
	}
	for ; s.asked < len(order); s.asked++ {
		s.ask(g, order, []int{s.asked})
	}
	if len(s.ready) == 0 && len(s.parked) > 0 {
		for _, places := range s.parked {
			s.ready = append(s.ready, places...)
		}
		slices.Sort(s.ready)
		s.left, s.parked = nil, nil
	}
	if len(s.ready) == 0 {
		return -1
	}
	n := order[s.ready[0]]
	s.ready = s.ready[1:]
	if s.left != nil {
		s.last = g.all[n]
	}
	return n
}

// ask puts places where they belong: ready, or parked at what they wait for.
func (s *turns) ask(g *graph, order, places []int) {
	for _, place := range places {
		if name := s.waitsFor(g.all[order[place]]); name != "" {
			s.parked[name] = append(s.parked[name], place)
			continue
		}
		at, _ := slices.BinarySearch(s.ready, place)
		s.ready = slices.Insert(s.ready, at, place)
	}
}

func (s *turns) waitsFor(c *Collection) string {
	for _, name := range c.After {
		if s.left[name] > 0 {
			return name
		}
	}
	for _, key := range c.Dataset.After {
		if s.left[key+"."] > 0 {
			return key + "."
		}
	}
	return ""
}
