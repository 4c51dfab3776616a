package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// The batch's chain is the chain of one walk with the walk's number, r, carried
// along by every row. What it changes are the rows of simple walks only: those
// whose every reached row is theirs alone and goes, or is masked, with nothing
// that could keep it. All others' numbers come back in "special".

// plain tells whether every way of the plan is one column's value looked up in
// another, and nothing leads in from other stores.
func (p *program) plain() bool {
	if p.always != "" || len(p.ties) > 0 {
		return false
	}
	for _, s := range p.stops {
		if s.nameless || slices.ContainsFunc(s.c.AllFields(), func(f *datamap.Field) bool { return f.Request != "" }) {
			return false
		}
		for _, l := range slices.Concat(s.links, s.referrers) {
			ties := p.strands(l)
			if len(ties) > 1 || ties[0].from.place != nil || ties[0].to.place != nil || ties[0].loose || ties[0].form != "" {
				return false
			}
		}
		for _, seed := range s.visit.Seeds {
			if seed.Row || s.t.at(seed.Field).place != nil || declaredForm(seed.Field) != "" {
				return false
			}
		}
	}
	return true
}

// together tells whether the plan can be carried out for many walks at once.
func (p *program) together() bool {
	if !p.plain() {
		return false
	}
	for _, s := range p.stops {
		for _, m := range s.masks() {
			plain := m.how == "null_rewrite" || m.how == "string_rewrite" || m.how == "random_string_rewrite"
			if !plain || !m.whole() || slices.Contains(s.key, m.column.name) {
				return false
			}
		}
	}
	return true
}

// whole tells whether a mask changes one value as a whole: of a document or an
// array, where it empties the column.
func (m mask) whole() bool {
	if m.column.class != classJSON && m.column.class != classArray {
		return true
	}
	return m.how == "null_rewrite" && m.field.Parent == nil
}

func (p *program) batchChain(v variant) *statement {
	return p.statement("chain batch"+v.name(), func() *statement {
		w := &writer{p: p}
		with := w.walkedByMany(v)
		cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
		cte("special", "SELECT DISTINCT r FROM ("+strings.Join(slices.Concat(w.sharedByMany(v, true), w.notSimple(v)), " UNION ALL ")+") n WHERE NOT (SELECT yes FROM big)")
		simple := "NOT (SELECT yes FROM big) AND NOT k.r IN (SELECT r FROM special)"
		var counts, keys, gone, wanted []string
		for _, s := range p.stops {
			rows, key := reachedIn(s), keyText(s.fs("k", s.key))
			masked := "0"
			switch {
			case s.visit.Delete:
				e := fmt.Sprintf("e%d", s.i)
				with = append(with, e+" AS (DELETE FROM "+s.t.ident()+" t WHERE "+w.these(s, rows, simple)+" RETURNING 1)")
				gone = append(gone, "(SELECT count(*) FROM "+e+")")
				wanted = append(wanted, "(SELECT count(*) FROM "+rows+" k WHERE "+simple+")")
				if s.named(p) {
					keys = append(keys, fmt.Sprintf("SELECT k.r, %d AS stop, %s AS key FROM %s k WHERE %s", s.i, key, rows, simple))
				}
			case len(s.masks()) > 0:
				u, back := fmt.Sprintf("u%d", s.i), make([]string, len(s.key))
				for i, k := range s.key {
					back[i] = col("t", k) + " AS " + s.f(k)
				}
				with = append(with, u+" AS (UPDATE "+s.t.ident()+" t SET "+w.masked(s, variant{}, reachedIn)+" WHERE "+w.these(s, rows, simple)+" AND "+w.unmasked(s, variant{}, reachedIn, false)+" RETURNING "+strings.Join(back, ", ")+")")
				in := strings.Join(s.fs("k", s.key), ", ")
				if len(s.key) > 1 {
					in = "(" + in + ")"
				}
				changed := in + " IN (SELECT " + strings.Join(keyNames(s), ", ") + " FROM " + u + ")"
				masked = "count(*) FILTER (WHERE " + changed + ")"
				if s.named(p) {
					keys = append(keys, fmt.Sprintf("SELECT k.r, %d AS stop, %s AS key FROM %s k WHERE %s AND %s", s.i, key, rows, simple, changed))
				}
			}
			counts = append(counts, fmt.Sprintf("SELECT k.r, %d AS stop, count(*) AS reached, %s AS masked FROM %s k WHERE %s GROUP BY k.r", s.i, masked, rows, simple))
		}
		keys = append(keys, w.filesOfMany(simple)...)
		if len(counts) == 0 {
			counts = []string{"SELECT 0 AS r, 0 AS stop, 0::int8 AS reached, 0::int8 AS masked WHERE false"}
		}
		if len(keys) == 0 {
			keys = []string{"SELECT 0 AS r, 0 AS stop, '' AS key WHERE false"}
		}
		cte("counted", strings.Join(counts, " UNION ALL "))
		cte("named", strings.Join(keys, " UNION ALL "))
		all := func(what, from string) string { return "ARRAY(SELECT " + what + " FROM " + from + ")" }
		return w.statement("WITH " + strings.Join(with, ",\n") + "\nSELECT (SELECT yes FROM big), pg_current_xact_id()::text, " + all("r", "special") + ", " +
			all("r", "counted") + ", " + all("stop", "counted") + ", " + all("reached", "counted") + ", " + all("masked", "counted") + ", " +
			all("r", "named") + ", " + all("stop", "named") + ", " + all("key", "named") + ", ARRAY[" +
			strings.Join(gone, ", ") + "]::int8[], ARRAY[" + strings.Join(wanted, ", ") + "]::int8[]")
	})
}

// walkedByMany writes the walks themselves: the CTEs of the rows reached, and "big".
func (w *writer) walkedByMany(v variant) (with []string) {
	var total []string
	cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
	limit := w.bind("above", func(r *run) any { return r.above })
	for _, s := range w.p.stops {
		var arms []string
		for _, seed := range s.visit.Seeds {
			arms = append(arms, w.seedOfMany(s, v, seed))
		}
		for _, l := range s.links {
			arms = append(arms, w.linkOfMany(s, v, l))
		}
		rows := "SELECT 0 AS r, " + s.carries() + ", false AS seed FROM " + s.t.ident() + " t WHERE false"
		if len(arms) > 0 {
			rows = arms[0]
		}
		if len(arms) > 1 || len(s.visit.Seeds) > 0 { // one link gives each row once
			keys := "a.r, " + strings.Join(s.fs("a", s.key), ", ")
			rows = "SELECT DISTINCT ON (" + keys + ") a.* FROM (" + strings.Join(arms, " UNION ALL ") + ") a ORDER BY " + keys + ", a.seed DESC"
		}
		// More rows than these are not carried here; the rest of them need not be read.
		cte(reachedIn(s), "SELECT l.* FROM ("+rows+") l LIMIT "+limit+"::int8 + 1")
		total = append(total, "SELECT FROM "+reachedIn(s))
	}
	if len(total) == 0 {
		total = []string{"SELECT WHERE false"}
	}
	cte("big", "SELECT count(*) > "+limit+"::int8 AS yes FROM ("+strings.Join(total, " UNION ALL ")+") n")
	return with
}

// filesOfMany are the queries of the files that the rows of simple walks named
// (see fileKeys): all of these rows are deleted, or masked.
func (w *writer) filesOfMany(simple string) (all []string) {
	for i, n := range w.p.files() {
		if !n.stop.visit.Delete && !slices.ContainsFunc(n.stop.masks(), func(m mask) bool { return m.field == n.field }) {
			continue // it is lost with a row that is kept, and none is here
		}
		c := n.stop.t.columns[n.field.Name]
		value, from := "k."+n.stop.f(c.name), reachedIn(n.stop)+" k"
		if c.class == classArray {
			from += " CROSS JOIN LATERAL unnest(" + value + ") AS o(v)"
			value = "o.v"
		}
		all = append(all, fmt.Sprintf("SELECT DISTINCT k.r, %d AS stop, %s::text AS key FROM %s WHERE %s AND btrim(%s::text) <> ''",
			len(w.p.stops)+i, value, from, simple, value))
	}
	return all
}

// valuesOf binds one array of values, and one of the walks' numbers in step
// with it, and gives them as a table "(v, r)" under an alias.
func (w *writer) valuesOf(alias, name, cast string, values func(*run) []string) string {
	v := w.bind("each "+name, func(r *run) any {
		all := []string{}
		for _, one := range r.batch {
			all = append(all, values(one)...)
		}
		return all
	})
	n := w.bind("of "+name, func(r *run) any {
		all := []int32{}
		for i, one := range r.batch {
			for range values(one) {
				all = append(all, int32(i))
			}
		}
		return all
	})
	return "unnest(" + strings.ReplaceAll(cast, "?", v) + ", " + n + "::int4[]) AS " + alias + "(v, r)"
}

// sought is how a seed's field is compared, and the walks' values for it (see match).
func (w *writer) sought(s *stop, seed datamap.PlanSeed, alias string) (expr, values string) {
	c := s.t.columns[seed.Field.Name]
	how := seed.Field.Match
	if !c.class.textual() {
		how = datamap.Exact
	}
	of := func(change func(string) []string) func(*run) []string {
		return func(r *run) []string {
			var all []string
			for _, v := range r.seeds[seed.Identity] {
				all = append(all, change(v)...)
			}
			return c.class.only(all)
		}
	}
	name := "seed " + seed.Identity + " " + string(how)
	switch how {
	case datamap.Fold:
		return "lower(" + col("t", c.name) + ")", w.valuesOf(alias, name, "?::text[]", of(foldings))
	case datamap.E164:
		return digitsOf(c.legible(col("t", c.name))), w.valuesOf(alias, name, "?::text[]", of(dialled))
	}
	return c.compared(col("t", c.name)), w.valuesOf(alias, name+" "+string(c.class)+" "+c.typ, c.array("?"), of(func(v string) []string { return []string{v} }))
}

// rootOf is the condition that row t is ticked for the walk r.
func (w *writer) rootOf(s *stop, r string) string {
	name := s.c.FullName()
	if len(s.key) == 1 {
		c := s.t.columns[s.key[0]]
		return "(" + c.compared(col("t", c.name)) + ", " + r + ") IN (SELECT x.v, x.r FROM " +
			w.valuesOf("x", "roots "+name, c.array("?"), func(r *run) []string { return c.class.only(r.roots[name]) }) + ")"
	}
	return "(" + keyText(cols("t", s.key)) + ", " + r + ") IN (SELECT x.v, x.r FROM " +
		w.valuesOf("x", "roots "+name, "?::text[]", func(r *run) []string { return r.roots[name] }) + ")"
}

func (w *writer) seedOfMany(s *stop, v variant, seed datamap.PlanSeed) string {
	return w.matchedByMany(s, v, seed, w.carries(s)+", true AS seed")
}

// matchedByMany are the rows that one seed of each walk matches, by the walk's
// number, with what is wanted of them.
func (w *writer) matchedByMany(s *stop, v variant, seed datamap.PlanSeed, wanted string) string {
	expr, values := w.sought(s, seed, "i")
	only := ""
	if v.restricted {
		only = " AND " + w.rootOf(s, "i.r")
	}
	return "SELECT i.r, u.* FROM " + values + " CROSS JOIN LATERAL (SELECT " + wanted + " FROM " + s.t.ident() + " t WHERE " +
		expr + " = i.v" + w.scope(s) + only + " OFFSET 0) u"
}

// linkOfMany is linkArm with the walk's number.
func (w *writer) linkOfMany(s *stop, v variant, l datamap.Link) string {
	from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
	at := w.p.of[l.From.Collection.FullName()]
	name := "k." + at.f(from.name)
	distinct := "(SELECT DISTINCT q.r, q.v FROM (SELECT k.r, " + convert(from, to, name) + " AS v FROM " + reachedIn(at) + " k WHERE " + from.leads(name) + ") q WHERE q.v IS NOT NULL) v"
	match := s.t.equal(from, to, col("t", to.name), "v.v") + w.scope(s) + w.owned(s, l, "t", col)
	if v.restricted && len(s.visit.Seeds) > 0 {
		var matches []string
		for _, seed := range s.visit.Seeds {
			expr, values := w.sought(s, seed, "m")
			matches = append(matches, "("+expr+", v.r) IN (SELECT m.v, m.r FROM "+values+")")
		}
		match += " AND ((" + strings.Join(matches, " OR ") + ") IS NOT TRUE OR " + w.rootOf(s, "v.r") + ")"
	}
	if !s.t.indexed(to.name, s.c.Controller) {
		return "SELECT v.r, " + w.carries(s) + ", false AS seed FROM " + s.t.ident() + " t JOIN " + distinct + " ON " + match
	}
	return "SELECT v.r, u.* FROM " + distinct + " CROSS JOIN LATERAL (SELECT " + w.carries(s) + ", false AS seed FROM " + s.t.ident() + " t WHERE " + match + " OFFSET 0) u"
}

// sharedByMany are queries of the numbers of walks that reach a row which a row
// beyond them names: what is shared is not marked here. Of an erasure, where a
// foreign key says the same, notSimple looks.
func (w *writer) sharedByMany(v variant, erasing bool) []string {
	all := []string{"SELECT 0 AS r WHERE false"}
	for _, s := range w.p.stops {
		for _, l := range s.referrers {
			holder := w.p.cat.table(l.From.Collection)
			from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
			if w.p.leadsAll(s, l.From, l.To, v) != nil || erasing && s.visit.Delete && s.t.bound(holder.oid, from.name, to.name) {
				continue
			}
			value := "k." + s.f(to.name)
			all = append(all, "SELECT k.r FROM "+reachedIn(s)+" k WHERE "+to.leads(value)+" AND EXISTS (SELECT 1 FROM "+holder.ident()+" d WHERE "+
				holder.equal(to, from, col("d", from.name), convert(to, from, value))+w.notOfWalk(holder.oid, false)+apart(holder, []strand{{from: to, to: from}})+")")
		}
	}
	return all
}

// notSimple are queries of the numbers of walks that an erasure must carry out
// by themselves, beside those.
func (w *writer) notSimple(v variant) (all []string) {
	for _, s := range w.p.stops {
		rows := reachedIn(s)
		all = append(all, "SELECT c.r FROM (SELECT k.r, count(*) OVER (PARTITION BY "+strings.Join(s.fs("k", s.key), ", ")+") AS n FROM "+rows+" k) c WHERE c.n > 1")
		if v.held {
			all = append(all, "SELECT k.r FROM "+rows+" k WHERE "+w.isHeld(s, s.fs("k", s.key)))
		}
		if kept := s.kept("k"); kept != "" {
			all = append(all, "SELECT k.r FROM "+rows+" k WHERE "+kept+" IS NOT NULL")
		}
		if !s.visit.Delete {
			continue
		}
		for _, k := range s.t.children {
			only := ""
			if at := w.p.childOf(s, k, v); at != nil && at.visit.Delete {
				if !s.nobodys(k) {
					continue
				}
				only = s.nobody(k, "k") + " AND "
			}
			child := w.p.cat.tables[k.child]
			all = append(all, "SELECT k.r FROM "+rows+" k WHERE "+only+"EXISTS (SELECT 1 FROM "+child.ident()+" d WHERE "+s.tiedBy(child, k, "k")+
				w.notOfWalk(k.child, true)+k.apart(child)+")")
		}
	}
	return all
}

// notOfWalk is the condition, as " AND …", that row d of a table is not among
// those that the walk of row k reached, or not among those that it deletes.
func (w *writer) notOfWalk(oid uint32, deletes bool) string {
	sql := ""
	for _, at := range w.p.on(oid) {
		if !deletes || at.visit.Delete {
			sql += " AND ((" + strings.Join(cols("d", at.key), ", ") + ", k.r) IN (SELECT " + strings.Join(at.fs("r", at.key), ", ") + ", r.r FROM " + reachedIn(at) + " r)) IS NOT TRUE"
		}
	}
	return sql
}
