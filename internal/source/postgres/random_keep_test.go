package postgres_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// What a law keeps (lethe: {keep: …}), and fields of the request that narrow a
// collection (custom_request_field): drawn, as YAML, and as the reference has them.

// The day by which keeps are reckoned, and the first whose ten years are not over:
// the last day of a period is still the law's.
var keptToday = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)

const keptSince = "2016-12-01"

// An sKeep is one keep of a collection.
type sKeep struct {
	where  int // place of a column, or -1: every row
	values []string
	from   int // place of the start of ten years, or -1: for ever
	mask   []int
	with   *tie // kept with the row that this names, instead of all but mask
}

// lawful gives some schemes keeps and request fields. It draws apart from all
// else, so that the others still draw what they drew.
func (s *scheme) lawful() {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.name))
	d := drawer{rand.New(rand.NewPCG(h.Sum64(), 1))}
	if !d.one(2) {
		return
	}
	for _, t := range s.tables {
		if !t.mapped || t.skip {
			continue
		}
		if d.one(16) {
			d.requestField(t)
		}
		if d.one(3) {
			d.keepsOf(s, t)
		}
	}
	telling := s.telling()
	for _, t := range s.tables {
		for i := range t.keeps {
			t.keeps[i].mask = slices.DeleteFunc(t.keeps[i].mask, func(c int) bool { return telling[spot{t.i, c}] })
		}
	}
}

// telling are the columns that tell which rows are kept: no keep may mask them.
func (s *scheme) telling() map[spot]bool {
	telling := map[spot]bool{}
	for _, t := range s.tables {
		for _, k := range t.keeps {
			telling[spot{t.i, k.where}], telling[spot{t.i, k.from}] = true, true
			for r := k.with; r != nil; r = r.and {
				telling[r.on], telling[r.names] = true, true
			}
		}
	}
	return telling
}

// requestField has a field of the request narrow a column of contents.
func (d drawer) requestField(t *sTable) {
	plain := t.contents()
	if len(plain) > 0 {
		t.columns[of(d, plain...)].request = of(d, "part", "part", "other_part")
	}
}

// contents are the places of columns that are neither keys, identities nor references.
func (t *sTable) contents() (places []int) {
	for i, c := range t.columns {
		if c.plain && c.identity == "" {
			places = append(places, i)
		}
	}
	return places
}

func (d drawer) keepsOf(s *scheme, t *sTable) {
	for range 1 + d.IntN(2) {
		k := sKeep{where: -1, from: -1}
		if with := s.keptWith(t); len(with) > 0 && d.one(2) {
			k.with = of(d, with...)
		} else {
			if plain := t.contents(); len(plain) > 0 && !d.one(3) {
				k.where = of(d, plain...)
				k.values = of(d, []string{"word"}, []string{"gone", none}, []string{"1", "abcdef"}, []string{none}, []string{"", "0", "word"})
			}
			if !d.one(4) {
				k.from = t.add(&sColumn{name: "on", typ: of(d, "date", "timestamp"), dated: true, readOnly: len(t.categories) > 0})
			}
		}
		for i, c := range t.columns {
			if c.plain && !c.readOnly && (c.mask != nil || !c.notNull) && d.one(3) {
				k.mask = append(k.mask, i)
			}
		}
		t.keeps = append(t.keeps, k)
	}
}

// keptWith are the references of a table to collections with keeps of their own.
// Earlier tables only: nothing is kept with itself.
func (s *scheme) keptWith(t *sTable) (list []*tie) {
	for _, r := range s.ties {
		single := !slices.ContainsFunc(s.ties, func(o *tie) bool { return o != r && o.on == r.on })
		if r.on.t == t.i && r.names.t < t.i && len(s.tables[r.names.t].keeps) > 0 && single && !r.half {
			list = append(list, r)
		}
	}
	return list
}

func (t *sTable) keepYAML(k sKeep) string {
	var parts []string
	if k.with != nil {
		parts = append(parts, fmt.Sprintf("with: %q", t.columns[k.with.on.c].name))
	} else {
		parts = append(parts, "because: a law")
	}
	if k.where >= 0 {
		list := make([]string, len(k.values))
		for i, v := range k.values {
			if list[i] = "null"; v != none {
				list[i] = fmt.Sprintf("%q", v)
			}
		}
		parts = append(parts, fmt.Sprintf("where: {%q: [%s]}", t.columns[k.where].name, strings.Join(list, ", ")))
	}
	if k.from >= 0 {
		parts = append(parts, fmt.Sprintf("for: P10Y, from: %q", t.columns[k.from].name))
	}
	if len(k.mask) > 0 {
		list := make([]string, len(k.mask))
		for i, c := range k.mask {
			list[i] = fmt.Sprintf("%q", t.columns[c].name)
		}
		parts = append(parts, "mask: ["+strings.Join(list, ", ")+"]")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// value of a column of dates.
func (d drawer) dated(typ string) string {
	v := of(d, none, "2014-03-05", "2016-11-30", keptSince, "2024-06-01", "2030-01-01")
	if v != none && typ == "timestamp" {
		v += of(d, " 00:00:00", " 23:59:59")
	}
	return v
}

// lawKeeps tells whether a keep holds a row: by what stands in it, or in the row
// that it names, if that is the controller's.
func (v view) lawKeeps(t *sTable, k sKeep, r record) bool {
	if k.with == nil {
		return (k.where < 0 || slices.Contains(k.values, r[k.where])) && (k.from < 0 || r[k.from] == none || r[k.from][:len(keptSince)] >= keptSince)
	}
	named := v.s.tables[k.with.names.t]
	return slices.ContainsFunc(v.c[named.i], func(by record) bool {
		same := func(r0 *tie) bool { return r[r0.on.c] != none && r[r0.on.c] == by[r0.names.c] }
		return same(k.with) && (k.with.and == nil || same(k.with.and)) && (named.controller < 0 || v.w.Scope != "" && by[named.controller] == v.w.Scope) &&
			slices.ContainsFunc(named.keeps, func(k sKeep) bool { return v.lawKeeps(named, k, by) })
	})
}

// kept tells whether a law keeps a row.
func (v view) kept(at rowID) bool {
	t := v.s.tables[at.t]
	return slices.ContainsFunc(t.keeps, func(k sKeep) bool { return v.lawKeeps(t, k, v.c[at.t][at.j]) })
}

// keptMask is how a column of a kept row is masked, or nil: where each keep that
// holds the row lets it be, of what the policy would have taken.
func (v view) keptMask(p datamap.Policy, at rowID, c int) *sMask {
	t, said := v.s.tables[at.t], false
	for _, k := range t.keeps {
		listed := slices.Contains(k.mask, c)
		if said = said || listed; !listed && v.lawKeeps(t, k, v.c[at.t][at.j]) {
			return nil
		}
	}
	m := t.maskOf(p, c, v.s.linking(spot{at.t, c}))
	switch {
	case !said:
		return nil
	case m != nil || !t.loses(p):
		return m
	case t.columns[c].mask != nil:
		return t.columns[c].mask
	}
	return &sMask{strategy: "null_rewrite"}
}

// narrowed tells whether a field of the request leaves a row out.
func (v view) narrowed(at rowID) bool {
	for i, c := range v.s.tables[at.t].columns {
		if value, given := v.w.Fields[c.request]; given && c.request != "" && v.c[at.t][at.j][i] != value {
			return true
		}
	}
	return false
}

// fields draws what comes with a request.
func (d drawer) fields(s *scheme) map[string]string {
	fields := map[string]string{}
	for _, t := range s.tables {
		for _, c := range t.columns {
			if c.request != "" && !d.one(4) {
				fields[c.request] = of(d, "word", "gone", "1", "abcdef", "nobody's")
			}
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return fields
}
