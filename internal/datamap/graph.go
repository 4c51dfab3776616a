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
	loose    int    // number of the undirected reference, from 1; 0: directed
	and      []Pair // further pairs of a composite reference
}

func newGraph(m *Map) *graph {
	all := m.collections()
	g := &graph{
		m: m, all: all,
		number: make(map[*Collection]int, len(all)),
		seeds:  make(map[string][]*Field),
		key:    make(map[*Collection]*Field, len(all)),
	}
	g.ways, g.referrer = make([][]way, len(g.all)), make([][]Link, len(g.all))
	references := 0 // a map that grows is filled several times over
	for i, c := range g.all {
		g.number[c] = i
		if key := c.PrimaryKey(); len(key) == 1 {
			g.key[c] = key[0]
		}
		for _, f := range c.AllFields() {
			references += len(f.References)
		}
	}
	g.linking = make(map[*Field]bool, 2*references)
	tied, added := byEnds(composites(m)), make(map[*composite]bool)
	refers := make(map[[2]*Field]bool, references)
	for _, c := range g.all {
		for _, f := range c.AllFields() {
			if f.Identity != "" {
				g.seeds[f.Identity] = append(g.seeds[f.Identity], f)
			}
			for _, ref := range f.References {
				g.linking[f], g.linking[ref.Target] = true, true
				if links := tied.of(ref); len(links) > 0 {
					for _, link := range links { // each stands where the first of its references does
						if !added[link] {
							added[link] = true
							g.compose(link)
						}
					}
					continue
				}
				holder, key := g.holder(ref)
				g.tie(way{from: f, to: ref.Target, own: ref.Direction == To && holder == f}, ref.Direction)
				pair := [2]*Field{holder, key}
				if !refers[pair] {
					refers[pair] = true
					g.refer(Link{From: holder, To: key})
				}
			}
		}
	}
	return g
}

// tie adds the ways that a reference can be taken; w is the one from the field
// that declares it to the one that it names.
func (g *graph) tie(w way, d Direction) {
	switch d {
	case To:
		g.lead(w)
	case From:
		g.lead(w.back())
	default:
		g.loose++
		w.loose = g.loose
		g.lead(w)
		g.lead(w.back())
	}
}

func (w way) back() way {
	b := way{from: w.to, to: w.from, own: w.own, loose: w.loose}
	for _, p := range w.and {
		b.and = append(b.and, Pair{From: p.To, To: p.From})
	}
	return b
}

// backOver tells whether a way leads from what a link holds the key of to the
// rows that hold it: over the same pairs, in whichever order.
func (w way) backOver(l Link) bool {
	own := append([]Pair{{w.to, w.from}}, w.and...)
	for i := range w.and {
		own[i+1] = Pair{w.and[i].To, w.and[i].From}
	}
	held := l.Pairs()
	return len(own) == len(held) && !slices.ContainsFunc(held, func(p Pair) bool { return !slices.Contains(own, p) })
}

// lead adds a way. Of a composite one, the pair through the owner column of the
// collection led to stands first, so that whoever asks finds it in Link.To.
func (g *graph) lead(w way) {
	for i, p := range w.and {
		if owner := p.To.Collection.Owner; owner != "" && p.To.Parent == nil && p.To.Name == owner {
			w.and = slices.Clone(w.and)
			w.and[i] = Pair{w.from, w.to}
			w.from, w.to = p.From, p.To
			break
		}
	}
	at := g.number[w.from.Collection]
	w.node = g.number[w.to.Collection]
	g.ways[at] = append(g.ways[at], w)
}

// refer notes who holds the key of whom, in whatever source.
func (g *graph) refer(l Link) {
	at := g.number[l.To.Collection]
	g.referrer[at] = append(g.referrer[at], l)
}

// compose adds a link of all_of.
func (g *graph) compose(c *composite) {
	var pairs []Pair // from where the first reference stands to what it names
	first := c.refs[0]
	for _, ref := range c.refs {
		p := Pair{ref.Field, ref.Target}
		// Ends may be declared on either side; of one collection with itself
		// the direction tells them apart.
		if c.at != c.to && p.From.Collection != first.Field.Collection || c.at == c.to && ref.Direction != first.Direction {
			p = Pair{p.To, p.From}
		}
		pairs = append(pairs, p)
	}
	direction := first.Direction
	holding := holds(pairs)
	g.tie(way{from: pairs[0].From, to: pairs[0].To, and: pairs[1:], own: direction == To && holding}, direction)
	l := Link{From: pairs[0].From, To: pairs[0].To, And: pairs[1:]}
	if !holding {
		b := way{from: l.From, to: l.To, and: l.And}.back()
		l = Link{From: b.from, To: b.to, And: b.and}
	}
	g.refer(l)
}

// holds tells whether the From ends of a composite link hold the key that the To
// ends are, see holder: unless they alone are their collection's primary key.
func holds(pairs []Pair) bool {
	var from, to []*Field
	for _, p := range pairs {
		from, to = append(from, p.From), append(to, p.To)
	}
	fk, tk := isKey(from), isKey(to)
	return !fk || tk
}

// isKey tells whether fields of one collection are its whole primary key.
func isKey(list []*Field) bool {
	key := list[0].Collection.PrimaryKey()
	return len(key) == len(list) && !slices.ContainsFunc(key, func(f *Field) bool { return !slices.Contains(list, f) })
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

// BrowserTypes lists the identity types that stand in a visitor's browser (a cookie's
// value), sorted: those of fields whose category is of a device. A customer's number is none.
func BrowserTypes(m *Map) []string {
	var types []string
	for t, fields := range newGraph(m).seeds {
		if slices.ContainsFunc(fields, func(f *Field) bool {
			return slices.ContainsFunc(f.Categories, func(c string) bool { return CategoryMatches("user.device", c) })
		}) {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return types
}

// A RequestField is a value that may come with a request (custom_request_field).
type RequestField struct {
	Name        string
	Collections []string // that it narrows: full names, in the map's order
	Categories  []string // of its columns there
}

// RequestFields lists those of a map by name. What stands in a collection that is
// never visited narrows nothing, and is left out.
func RequestFields(m *Map) []RequestField {
	at, categories := map[string][]string{}, map[string][]string{}
	for _, d := range m.Datasets {
		for _, c := range d.Collections {
			for _, f := range c.AllFields() {
				if f.Request == "" || c.Skip {
					continue
				}
				categories[f.Request] = append(categories[f.Request], f.Categories...)
				if !slices.Contains(at[f.Request], c.FullName()) {
					at[f.Request] = append(at[f.Request], c.FullName())
				}
			}
		}
	}
	var list []RequestField
	for _, name := range slices.Sorted(maps.Keys(at)) {
		list = append(list, RequestField{name, at[name], categories[name]})
	}
	return list
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
