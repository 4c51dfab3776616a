package postgres_test

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// The reference: what DESIGN.md ("Whose row is it?", "Erasure") and FIDESLANG.md
// ("The walk", "What is returned, what is erased") say, slow and obvious, row by
// row in memory. It reads neither the plan of internal/datamap nor any SQL.

func itoa(n int) string { return strconv.Itoa(n) }

// A lead is one way from the value of a column to the rows that hold it.
type lead struct {
	from, to spot
	own      bool  // a row points there: direction "to", from the end that holds the other's key
	and      *lead // of a composite link: what must agree, too
}

// A trail is which tables a set of identity types reaches, and how.
type trail struct {
	reached []int
	leads   []lead
	types   []string
}

// holder tells which end of a tie holds the value of the other: the one that is
// not its table's key, else the one that is no identity, else the one that says so.
func (s *scheme) holder(r *tie) (holds, held spot) {
	isKey := func(at spot) bool {
		t := s.tables[at.t]
		return t.marked && len(t.pk) == 1 && t.pk[0] == at.c
	}
	isIdentity := func(at spot) bool { return s.tables[at.t].columns[at.c].identity != "" }
	a, b := isKey(r.on), isKey(r.names)
	if a == b {
		a, b = isIdentity(r.on), isIdentity(r.names)
	}
	if a && !b {
		return r.names, r.on
	}
	return r.on, r.names
}

// tiesInOrder are the ties as the map has them: by where they stand.
func (s *scheme) tiesInOrder() []*tie {
	list := slices.Clone(s.ties)
	slices.SortStableFunc(list, func(a, b *tie) int {
		return (a.on.t-b.on.t)*1000 + a.on.c - b.on.c
	})
	return list
}

// trail goes breadth first; an undirected reference is taken from the end
// reached first, and never back.
func (s *scheme) trail(types []string) trail {
	t := trail{types: types}
	reach := func(i int) {
		if !slices.Contains(t.reached, i) {
			t.reached = append(t.reached, i)
		}
	}
	for _, table := range s.tables {
		if table.mapped && !table.skip && table.seededBy(types) {
			reach(table.i)
		}
	}
	taken := map[*tie]bool{}
	for n := 0; n < len(t.reached); n++ {
		for _, r := range s.tiesInOrder() {
			if r.half {
				continue
			}
			holds, _ := s.holder(r)
			for _, l := range []lead{{from: r.on, to: r.names, own: r.direction == "to" && holds == r.on}, {from: r.names, to: r.on}} {
				forward := l.from == r.on
				if l.from.t != t.reached[n] || s.tables[l.to.t].skip || r.direction == "to" && !forward || r.direction == "from" && forward {
					continue
				}
				if r.direction == "" && taken[r] {
					continue
				}
				taken[r] = true
				if r.and != nil {
					l.and = &lead{from: r.and.on, to: r.and.names}
					if !forward {
						l.and = &lead{from: r.and.names, to: r.and.on}
					}
				}
				t.leads = append(t.leads, l)
				reach(l.to.t)
			}
		}
	}
	return t
}

// picked is the type of an identity that is a row picked by its key.
func (t *sTable) picked() string { return "row:d." + t.name }

func (t *sTable) seededBy(types []string) bool {
	return slices.Contains(types, t.picked()) || slices.ContainsFunc(t.columns, func(c *sColumn) bool {
		return c.identity != "" && slices.Contains(types, c.identity)
	})
}

// leadsOn: an empty, NULL or placeholder value leads nowhere.
func leadsOn(v string) bool {
	return v != none && !slices.Contains([]string{"", "n/a", "na", "-", "--", "null", "none", "nil", "unknown", "undefined",
		"00000000-0000-0000-0000-000000000000"}, strings.ToLower(strings.TrimSpace(v)))
}

// leads tells whether a value is followed from one spot to another: 0 and -1
// are numbers of nobody where neither spot is part of a key.
func (s *scheme) leads(from, to spot, v string) bool {
	key := func(at spot) bool { return slices.Contains(s.tables[at.t].pk, at.c) }
	typ := s.tables[from.t].columns[from.c].typ
	nobodys := (v == "0" || v == "-1") && typ != "text" && !key(from) && !key(to)
	return leadsOn(v) && !nobodys
}

// matches tells whether a column holds one of the identities brought.
func matches(c *sColumn, v string, seeds []source.Seed) bool {
	return v != none && slices.ContainsFunc(seeds, func(seed source.Seed) bool {
		if seed.Type != c.identity || !leadsOn(seed.Value) {
			return false
		}
		switch seed.Type {
		case "email":
			return strings.EqualFold(v, seed.Value)
		case "phone":
			digits := strings.Map(func(r rune) rune {
				if r == '+' || r >= '0' && r <= '9' {
					return r
				}
				return -1
			}, v)
			return digits == seed.Value || digits == "00"+seed.Value[1:]
		}
		return v == seed.Value
	})
}

// A rowID is a row by its table and place.
type rowID struct{ t, j int }

// A view is a walk in memory.
type view struct {
	s     *scheme
	c     contents
	w     source.Walk
	trail trail
}

func (v view) listed(at rowID) bool {
	t := v.s.tables[at.t]
	return slices.Contains(v.w.Roots, source.RowKey{Collection: "d." + t.name, Key: t.key(v.c[at.t][at.j])})
}

// seeded tells by which identity types a row is matched.
func (v view) seeded(at rowID) (types []string) {
	for i, c := range v.s.tables[at.t].columns {
		if c.identity != "" && slices.Contains(v.trail.types, c.identity) && matches(c, v.c[at.t][at.j][i], v.w.Seeds) {
			types = append(types, c.identity)
		}
	}
	t := v.s.tables[at.t]
	if slices.Contains(v.trail.types, t.picked()) && slices.Contains(v.w.Seeds, source.Seed{Type: t.picked(), Value: t.key(v.c[at.t][at.j])}) {
		types = append(types, t.picked())
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// admitted: of the request's controller; and what an identity matches and the
// DPO did not tick, or the request's fields leave out, is left alone.
func (v view) admitted(at rowID) bool {
	t, r := v.s.tables[at.t], v.c[at.t][at.j]
	if t.controller >= 0 && (v.w.Scope == "" || r[t.controller] != v.w.Scope) {
		return false
	}
	return len(v.seeded(at)) == 0 || (!v.w.Restricted || v.listed(at)) && !v.narrowed(at)
}

func (v view) roots() map[rowID][]string {
	roots := map[rowID][]string{}
	v.each(func(at rowID) {
		if types := v.seeded(at); len(types) > 0 && v.admitted(at) {
			roots[at] = types
		}
	})
	return roots
}

func (v view) each(f func(rowID)) {
	for _, t := range v.trail.reached {
		for j := range v.c[t] {
			f(rowID{t, j})
		}
	}
}

// led tells whether a row of in leads to the row at, by one of the leads.
func (v view) led(at rowID, in map[rowID]bool, only func(lead) bool) bool {
	t, r := v.s.tables[at.t], v.c[at.t][at.j]
	for _, l := range v.trail.leads {
		if l.to.t != at.t || !only(l) || !v.s.leads(l.from, l.to, r[l.to.c]) || l.and != nil && !v.s.leads(l.and.from, l.and.to, r[l.and.to.c]) {
			continue
		}
		if t.owner >= 0 && l.to.c != t.owner && leadsOn(r[t.owner]) {
			continue // an owned row is taken only through its owner
		}
		for j, from := range v.c[l.from.t] {
			if in[rowID{l.from.t, j}] && from[l.from.c] == r[l.to.c] && (l.and == nil || from[l.and.from.c] == r[l.and.to.c]) {
				return true
			}
		}
	}
	return false
}

func anyLead(lead) bool { return true }

// walk goes until no new row is found; barred rows are not entered.
func (v view) walk(barred map[rowID]bool) map[rowID]bool {
	in := map[rowID]bool{}
	for at := range v.roots() {
		if !barred[at] {
			in[at] = true
		}
	}
	for again := true; again; {
		again = false
		v.each(func(at rowID) {
			if !in[at] && !barred[at] && v.admitted(at) && !v.narrowed(at) && v.led(at, in, anyLead) {
				in[at], again = true, true
			}
		})
	}
	return in
}

// outside are the rows to which reached ones lead and which the request's fields leave out.
func (v view) outside(in map[rowID]bool) map[rowID]bool {
	outside := map[rowID]bool{}
	v.each(func(at rowID) {
		if v.narrowed(at) && v.admitted(at) && v.led(at, in, anyLead) {
			outside[at] = true
		}
	})
	return outside
}

// spared are the reached rows that one outside of what is asked for names, or a spared one.
func (v view) spared(in map[rowID]bool) map[rowID]bool {
	needy := v.outside(in)
	spared := map[rowID]bool{}
	for again := true; again; {
		again = false
		for at := range in {
			if !spared[at] && (v.namedBy(at, func(by rowID) bool { return needy[by] }) || v.children(at, func(_ *foreign, by rowID) bool { return needy[by] })) {
				spared[at], needy[at], again = true, true, true
			}
		}
	}
	return spared
}

// shared are the reached rows that a row neither reached nor outside references.
func (v view) shared(in map[rowID]bool) map[rowID]bool {
	shared := map[rowID]bool{}
	outside := v.outside(in)
	for at := range in {
		if v.namedBy(at, func(by rowID) bool { return !in[by] && !outside[by] }) {
			shared[at] = true
		}
	}
	return shared
}

// namedBy tells whether a row for which f holds references the row at, by any
// reference of the map.
func (v view) namedBy(at rowID, f func(rowID) bool) bool {
	for _, r := range v.s.ties {
		holds, held := v.s.holder(r)
		row := v.c[at.t][at.j]
		if r.half || held.t != at.t || !v.s.leads(held, holds, row[held.c]) || r.and != nil && !v.s.leads(r.and.names, r.and.on, row[r.and.names.c]) {
			continue
		}
		for j, by := range v.c[holds.t] {
			if by[holds.c] == row[held.c] && (r.and == nil || by[r.and.on.c] == row[r.and.names.c]) && f(rowID{holds.t, j}) {
				return true
			}
		}
	}
	return false
}

// An answer is what the reference says of one demand.
type answer struct {
	all, mine, held map[rowID]bool
	given           map[rowID]bool
	findings        map[string]source.Finding
	beyond          map[string]int64 // by constraint
	after           contents
}

// find tells what is found, and given to the subject.
func (v view) find(p datamap.Policy) answer {
	a := answer{all: v.walk(nil)}
	a.mine = v.walk(v.shared(a.all))
	a.given = map[rowID]bool{}
	for at := range a.all {
		if a.mine[at] || v.w.IncludeShared || v.led(at, a.mine, func(l lead) bool { return l.own }) {
			a.given[at] = true
		}
	}
	a.count(v, p)
	return a
}

// count counts by collection: what was followed only is not found, save where an
// erasure leaves something personal in it.
func (a *answer) count(v view, p datamap.Policy) {
	a.findings = map[string]source.Finding{}
	for _, i := range v.trail.reached {
		t := v.s.tables[i]
		taken := len(t.given(p)) > 0
		if p.Kind == datamap.Erasure {
			taken = t.loses(p) || v.masks(p, t) || t.tells()
		}
		if !taken && !t.seededBy(v.trail.types) {
			continue
		}
		f := source.Finding{Source: "src", Collection: "d." + t.name}
		for at := range a.all {
			switch {
			case at.t != i:
			case a.mine[at]:
				f.Rows++
			default:
				f.Shared++
			}
		}
		a.findings[f.Collection] = f
	}
}

// tells is whether something personal, and no random key, stands in its rows.
func (t *sTable) tells() bool {
	return slices.ContainsFunc(t.columns, func(c *sColumn) bool {
		return slices.ContainsFunc(t.categoriesOf(c), func(name string) bool { return under("user", name) && !under("user.unique_id", name) })
	})
}

// linking tells whether a column stands at either end of a reference.
func (s *scheme) linking(at spot) bool {
	return slices.ContainsFunc(s.ties, func(r *tie) bool { return r.on == at || r.names == at })
}

func (v view) masks(p datamap.Policy, t *sTable) bool {
	for i := range t.columns {
		if t.maskOf(p, i, v.s.linking(spot{t.i, i})) != nil {
			return true
		}
	}
	return false
}

// erase tells what an erasure leaves. by are the walks that hold rows.
func (v view) erase(p datamap.Policy, holds source.Holds, by []view) answer {
	a := v.find(p)
	a.held = map[rowID]bool{}
	for _, h := range by {
		for at := range h.walk(nil) {
			a.held[at] = true
		}
	}
	for at := range a.all {
		name := "d." + v.s.tables[at.t].name
		if slices.Contains(holds.Rows, source.RowKey{Collection: name}) || slices.Contains(holds.Rows, source.RowKey{Collection: name, Key: v.s.tables[at.t].key(v.c[at.t][at.j])}) {
			a.held[at] = true
		}
	}
	ours := func(at rowID) bool { return a.all[at] && (a.mine[at] || v.s.tables[at.t].sharedErase) }
	spared := v.spared(a.all)
	taken := func(at rowID) bool { return ours(at) && !a.held[at] && !v.kept(at) && !spared[at] }
	gone := map[rowID]bool{}
	for at := range a.all {
		gone[at] = taken(at) && v.s.tables[at.t].loses(p)
	}
	for again := true; again; {
		again = false
		for at := range gone {
			if gone[at] && (v.namedBy(at, func(by rowID) bool { return a.all[by] && !taken(by) }) || v.stopped(at, gone, a.all, func(by rowID, k *foreign) bool { return taken(by) && v.lets(p, k) })) {
				gone[at], again = false, true
			}
		}
	}
	a.beyond = v.beyond(gone, a.all)
	a.after = make(contents, len(v.c))
	for i, t := range v.s.tables {
		f, counted := a.findings["d."+t.name]
		for j, r := range v.c[i] {
			at := rowID{i, j}
			law := false
			switch {
			case !ours(at):
			case spared[at]:
				f.Stays++
			case a.held[at]:
				f.Held++
			case v.kept(at):
				law = true
				f.Kept++
			}
			if gone[at] {
				f.Erased++
				continue
			}
			next := slices.Clone(r)
			changed := false
			for c := range t.columns {
				m := t.maskOf(p, c, v.s.linking(spot{i, c}))
				if law {
					m = v.keptMask(p, at, c)
				}
				if m != nil && (law || taken(at)) {
					to, change := masked(m, t.columns[c], r[c], t.name+" "+t.key(r)+" "+t.columns[c].name)
					next[c] = to
					changed = changed || change
				}
			}
			if changed {
				f.Masked++
			} else {
				next = r
			}
			a.after[i] = append(a.after[i], next)
		}
		if counted {
			a.findings["d."+t.name] = f
		}
	}
	return a
}

// stopped: a row that stays names this one by a foreign key. Where the foreign
// key would act by itself, only a row that the walk reached stops the deletion:
// any other is beyond the plan, and stops the whole. A row whose reference is
// masked away lets go.
func (v view) stopped(at rowID, gone, all map[rowID]bool, lets func(rowID, *foreign) bool) bool {
	return v.children(at, func(k *foreign, by rowID) bool {
		return !gone[by] && !lets(by, k) && (!k.takes() || all[by])
	})
}

// lets tells whether the policy empties a column of a foreign key.
func (v view) lets(p datamap.Policy, k *foreign) bool {
	t := v.s.tables[k.child]
	return slices.ContainsFunc(k.columns, func(c int) bool {
		m := t.maskOf(p, c, v.s.linking(spot{t.i, c}))
		return m != nil && m.strategy == "null_rewrite"
	})
}

func (v view) children(at rowID, f func(*foreign, rowID) bool) bool {
	for _, k := range v.s.keys {
		if k.parent != at.t {
			continue
		}
		key := v.c[at.t][at.j].at(v.s.tables[at.t].pk)
		for j, by := range v.c[k.child] {
			if slices.Equal(by.at(k.columns), key) && f(k, rowID{k.child, j}) {
				return true
			}
		}
	}
	return false
}

// beyond counts, by foreign key, the rows that Postgres would change by itself
// though the walk did not reach them.
func (v view) beyond(gone, all map[rowID]bool) map[string]int64 {
	count := map[string]int64{}
	for at, yes := range gone {
		if yes {
			v.children(at, func(k *foreign, by rowID) bool {
				if k.takes() && !all[by] {
					count[k.name]++
				}
				return false
			})
		}
	}
	return count
}

// rows are the rows of a collection as the archive has them: the columns asked
// for and those that link, where any asked for has a value.
func (v view) rows(p datamap.Policy, a answer, t *sTable) (names []string, rows []record) {
	asked := t.given(p)
	if len(asked) == 0 {
		return nil, nil
	}
	var places []int
	for i, c := range t.columns {
		links := slices.ContainsFunc(v.trail.leads, func(l lead) bool {
			here := spot{t.i, i}
			return l.from == here || l.to == here || l.and != nil && (l.and.from == here || l.and.to == here)
		})
		follows := (links || t.marked && slices.Contains(t.pk, i)) && p.Links != datamap.LinksOmit
		if slices.Contains(asked, i) || follows {
			places, names = append(places, i), append(names, c.name)
		}
	}
	for j, r := range v.c[t.i] {
		if a.given[rowID{t.i, j}] && slices.ContainsFunc(asked, func(i int) bool { return r[i] != none }) {
			rows = append(rows, r.at(places))
		}
	}
	return names, rows
}
