package datamap

import (
	"maps"
	"slices"
)

// graph is a map as a walk sees it: collections by number, in the map's order,
// and what leads from one to another.
type graph struct {
	m        *Map
	all      []*Collection
	number   map[*Collection]int
	ways     [][]way             // by collection, in the order of the references
	seeds    map[string][]*Field // identity type -> fields, in the map's order
	key      map[*Collection]*Field
	linking  map[*Field]bool // stands at either end of a reference
	referrer [][]Link        // by collection, see Visit.Referrers
	loose    int             // undirected references
}

// A way is a reference as it can be taken from one of its ends.
type way struct {
	from, to *Field
	node     int // of to's collection
	own      bool
	loose    int // number of the undirected reference, from 1; 0: directed
}

func newGraph(m *Map) *graph {
	all := m.collections()
	g := &graph{
		m: m, all: all,
		number:  make(map[*Collection]int, len(all)),
		seeds:   make(map[string][]*Field),
		key:     make(map[*Collection]*Field, len(all)),
		linking: make(map[*Field]bool, 2*len(all)),
	}
	g.ways, g.referrer = make([][]way, len(g.all)), make([][]Link, len(g.all))
	for i, c := range g.all {
		g.number[c] = i
		if key := c.PrimaryKey(); len(key) == 1 {
			g.key[c] = key[0]
		}
	}
	refers := make(map[[2]*Field]bool)
	for _, c := range g.all {
		for _, f := range c.Fields {
			if f.Identity != "" {
				g.seeds[f.Identity] = append(g.seeds[f.Identity], f)
			}
			for _, ref := range f.References {
				g.linking[f], g.linking[ref.Target] = true, true
				holder, key := g.holder(ref)
				own := ref.Direction == To && holder == f
				switch ref.Direction {
				case From:
					g.lead(ref.Target, f, own, 0)
				case To:
					g.lead(f, ref.Target, own, 0)
				default:
					g.loose++
					g.lead(f, ref.Target, own, g.loose)
					g.lead(ref.Target, f, own, g.loose)
				}
				pair := [2]*Field{holder, key}
				if !refers[pair] {
					refers[pair] = true
					at := g.number[key.Collection]
					g.referrer[at] = append(g.referrer[at], Link{From: holder, To: key})
				}
			}
		}
	}
	return g
}

func (g *graph) lead(from, to *Field, own bool, loose int) {
	at := g.number[from.Collection]
	g.ways[at] = append(g.ways[at], way{from: from, to: to, node: g.number[to.Collection], own: own, loose: loose})
}

// holder tells which end of a reference holds the value of the other: the
// foreign key. Fideslang lets a reference stand at either end, so it is not
// always the one that declares it. The end that is its collection's whole
// primary key is held by the other; else the end that is an identity (a
// customer's address, which orders repeat) is; else the one that declares the
// reference holds what it names.
func (g *graph) holder(ref *Reference) (holder, key *Field) {
	f, t := ref.Field, ref.Target
	fk, tk := g.key[f.Collection] == f, g.key[t.Collection] == t
	if fk == tk {
		fk, tk = f.Identity != "", t.Identity != ""
	}
	if fk && !tk {
		return t, f
	}
	return f, t
}

// IdentityTypes lists the identity types that seed a map, sorted.
func IdentityTypes(m *Map) []string {
	return slices.Sorted(maps.Keys(newGraph(m).seeds))
}

// Reach tells which collections each identity type reaches by itself, by full
// name in the map's order, for `lethe datamap check`.
func Reach(m *Map) map[string][]string {
	g := newGraph(m)
	reach := make(map[string][]string, len(g.seeds))
	for typ := range g.seeds {
		nodes := g.reached([]string{typ}, true)
		slices.Sort(nodes)
		list := make([]string, len(nodes))
		for i, n := range nodes {
			list[i] = g.all[n].FullName()
		}
		reach[typ] = list
	}
	return reach
}

// reached walks without noting the way; skip heeds skip_processing.
func (g *graph) reached(identities []string, skip bool) []int {
	w := g.walk(identities, skip)
	return w.order
}
