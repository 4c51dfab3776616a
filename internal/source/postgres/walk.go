package postgres

import (
	"fmt"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A variant is what a walk's statements differ in beside the plan.
type variant struct {
	restricted bool // only listed rows may be matched by a seed
	again      bool // the second look: rows erased lead on, too
	held       bool // single rows are held
	all        bool // shared rows are given, too
}

func (v variant) name() string {
	name := ""
	for _, on := range []struct {
		yes  bool
		name string
	}{{v.restricted, " restricted"}, {v.again, " again"}, {v.held, " held"}, {v.all, " all"}} {
		if on.yes {
			name += on.name
		}
	}
	return name
}

// A relation names where the reached rows of a stop stand: a CTE or a key table.
type relation func(*stop) string

// arms are the ways to a stop, each a SELECT of the columns that its rows
// carry, and whether a seed matched. They are looked up one by one and joined
// by UNION, because an OR over several columns makes Postgres read the table.
func (w *writer) arms(s *stop, v variant, rel relation) []string {
	arms := w.seedArms(s, v)
	for _, l := range s.links {
		arms = append(arms, w.linkArm(s, v, l, w.linkValues(l, v, rel, "")))
	}
	return arms
}

// carries is the list of columns that a reached row t carries.
func (s *stop) carries() string {
	list := make([]string, len(s.carried))
	for i, c := range s.carried {
		list[i] = col("t", c) + " AS " + s.f(c)
	}
	if s.place {
		list = append(list, "t.ctid AS place")
	}
	return strings.Join(list, ", ")
}

// carries is, for a snapshot that brings the rows along, with their fields as text.
func (w *writer) carries(s *stop) string {
	list := s.carries()
	if w.giving {
		for i, f := range s.given() {
			list += fmt.Sprintf(", (%s)::text AS g%d", s.t.columns[f.Name].given(col("t", f.Name)), i)
		}
		for i, name := range s.ordered() {
			list += fmt.Sprintf(", %s AS o%d", col("t", name), i)
		}
	}
	return list
}

// seedArms find the rows that identities match, and in the second look those
// that were erased, should they be there again.
func (w *writer) seedArms(s *stop, v variant) []string {
	var arms []string
	for _, seed := range s.visit.Seeds {
		only := ""
		if v.restricted {
			only = " AND " + w.isRoot(s, cols("t", s.key))
		}
		arms = append(arms, "SELECT "+w.carries(s)+", true AS seed FROM "+s.t.ident()+" t WHERE "+w.match(s, seed)+w.scope(s)+only)
	}
	if v.again {
		arms = append(arms, w.goneArm(s))
	}
	return arms
}

func (w *writer) goneArm(s *stop) string {
	var arrays, names, equal []string
	for n, k := range s.key {
		arrays = append(arrays, w.gone(s, n))
		names = append(names, s.f(k))
		equal = append(equal, col("t", k)+" = e."+s.f(k))
	}
	return "SELECT u.* FROM unnest(" + strings.Join(arrays, ", ") + ") AS e(" + strings.Join(names, ", ") + ")" +
		" CROSS JOIN LATERAL (SELECT " + w.carries(s) + ", true AS seed FROM " + s.t.ident() + " t WHERE " +
		strings.Join(equal, " AND ") + w.scope(s) + " OFFSET 0) u"
}

// linkArm finds the rows that hold one of the values. With an index each value
// is looked up by itself (LATERAL, kept apart by OFFSET 0): a CTE has no
// statistics, and Postgres would sooner read a whole table than believe that a
// subject has few rows.
func (w *writer) linkArm(s *stop, v variant, l datamap.Link, values string) string {
	from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
	target := linked(from, to, col("t", to.name))
	rest := w.scope(s) + w.owned(s, l, "t", col) + w.unlisted(s, v)
	if w.slicing && w.p.masksInSlices(s) {
		rest += " AND " + w.unmasked(s) // what an earlier slice has masked
	}
	once := "DISTINCT "
	if at := w.p.of[l.From.Collection.FullName()]; !v.again && len(at.key) == 1 && at.key[0] == from.name {
		once = "" // a key's values stand once among the rows reached
	}
	distinct := "(SELECT " + once + "q.v FROM (" + values + ") q WHERE q.v IS NOT NULL) v"
	if !s.t.indexed(to.name, s.c.Controller) {
		return "SELECT " + w.carries(s) + ", false AS seed FROM " + s.t.ident() + " t WHERE " + target +
			" IN (SELECT v.v FROM " + distinct + ")" + rest
	}
	return "SELECT u.* FROM " + distinct + " CROSS JOIN LATERAL (SELECT " + w.carries(s) + ", false AS seed FROM " +
		s.t.ident() + " t WHERE " + target + " = v.v" + rest + " OFFSET 0) u"
}

// linkValues are the values, column v, that a link's rows lead on with.
func (w *writer) linkValues(l datamap.Link, v variant, rel relation, filter string) string {
	from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
	at := w.p.of[l.From.Collection.FullName()]
	name := "k." + at.f(from.name)
	values := "SELECT " + convert(from, to, name) + " AS v FROM " + rel(at) + " k WHERE " + from.leads(name)
	if filter != "" {
		values += " AND k." + filter
	}
	if v.again {
		for n, k := range at.key {
			if k == from.name {
				values += " UNION ALL SELECT " + convert(from, to, "e.v") + " FROM unnest(" + w.gone(at, n) + ") AS e(v) WHERE " + from.leads("e.v")
			}
		}
	}
	return values
}

// owned is the owner's rule: a row whose owner is not NULL is taken only
// through that reference, whoever's browser it came from.
func (w *writer) owned(s *stop, l datamap.Link, alias string, name func(alias, column string) string) string {
	if s.c.Owner == "" || l.To.Name == s.c.Owner {
		return ""
	}
	owner := s.t.columns[s.c.Owner]
	expr := name(alias, owner.name)
	none := expr + " IS NULL"
	if owner.class.textual() || owner.class == classUUID {
		none = "(" + none + " OR NOT (" + owner.leads(expr) + "))"
	}
	return " AND " + none
}

// unlisted leaves alone what a seed matches and the DPO did not tick, also
// where a link leads to it.
func (w *writer) unlisted(s *stop, v variant) string {
	if !v.restricted || len(s.visit.Seeds) == 0 {
		return ""
	}
	var matches []string
	for _, seed := range s.visit.Seeds {
		matches = append(matches, w.match(s, seed))
	}
	return " AND ((" + strings.Join(matches, " OR ") + ") IS NOT TRUE OR " + w.isRoot(s, cols("t", s.key)) + ")"
}

// reach joins the ways to a stop; a row that several lead to is taken once.
func (w *writer) reach(s *stop, arms []string) string {
	switch len(arms) {
	case 0:
		return "SELECT " + w.carries(s) + ", false AS seed FROM " + s.t.ident() + " t WHERE false"
	case 1:
		return arms[0]
	}
	keys := strings.Join(s.fs("a", s.key), ", ")
	return "SELECT DISTINCT ON (" + keys + ") a.* FROM (" + strings.Join(arms, " UNION ALL ") + ") a ORDER BY " + keys + ", a.seed DESC"
}

// columnOf is the column of a field; bind has made sure that it is there.
func (p *program) columnOf(f *datamap.Field) *column {
	return p.cat.table(f.Collection).columns[f.Name]
}

// isIn is the condition that a row, by its key columns as they stand in the
// query, is among a stop's rows. A key table has an index for it; a CTE is hashed.
func (w *writer) isIn(s *stop, columns []string, rel, filter string) string {
	if w.staged {
		equal := make([]string, len(s.key))
		for i, k := range s.key {
			equal[i] = "r." + s.f(k) + " = " + columns[i]
		}
		if filter != "" {
			equal = append(equal, "r."+filter)
		}
		// OFFSET 0 keeps it a look-up: joined, the key table would be hashed anew for each row.
		return "EXISTS (SELECT 1 FROM " + rel + " r WHERE " + strings.Join(equal, " AND ") + " OFFSET 0)"
	}
	where := ""
	if filter != "" {
		where = " WHERE r." + filter
	}
	left := strings.Join(columns, ", ")
	if len(columns) > 1 {
		left = "(" + left + ")"
	}
	return left + " IN (SELECT " + strings.Join(s.fs("r", s.key), ", ") + " FROM " + rel + " r" + where + ")"
}

// A condition is written when it is called: only then are its values bound.
type condition func() string

// either joins conditions by OR; without one nothing is true.
func either(conditions []condition) string {
	if len(conditions) == 0 {
		return "false"
	}
	parts := make([]string, len(conditions))
	for i, c := range conditions {
		parts[i] = "(" + c() + ")"
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// sharedBy are the conditions, one per referrer, under which a reached row is
// shared: a row that was not reached names it.
func (w *writer) sharedBy(s *stop, v variant, rel relation) []condition {
	var conditions []condition
	for _, l := range s.referrers {
		if len(l.And) == 0 && w.p.leadsAll(s, l.From, l.To, v) != nil {
			continue
		}
		conditions = append(conditions, func() string {
			holder := w.p.cat.table(l.From.Collection)
			from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
			value := "k." + s.f(to.name)
			// The look-up runs from the row named to the rows that name it.
			sql := "SELECT 1 FROM " + holder.ident() + " d WHERE " + linked(to, from, col("d", from.name)) + " = " + convert(to, from, value)
			for _, at := range w.p.on(holder.oid) {
				sql += " AND NOT " + w.isIn(at, cols("d", at.key), rel(at), "")
			}
			return to.leads(value) + " AND EXISTS (" + sql + apart(holder, from.name) + ")"
		})
	}
	return conditions
}

// apart keeps an EXISTS a look-up per row where an index serves it.
func apart(t *table, column string) string {
	if t.indexed(column, "") {
		return " OFFSET 0"
	}
	return ""
}

// ownedBy are the conditions, one per way, under which a row that is not shared
// itself is the subject's alone: a seed matched it, or a row of the subject
// alone leads to it. What is found only through shared rows is shared, too.
func (w *writer) ownedBy(s *stop, v variant, rel relation) []condition {
	conditions := []condition{func() string { return "k.seed" }}
	for _, l := range s.links {
		conditions = append(conditions, func() string { return w.ledTo(s, v, l, rel) })
	}
	return conditions
}

// pointedTo are the conditions under which rows of the subject alone point to
// a row (direction "to"): an access request includes it though it is shared.
func (w *writer) pointedTo(s *stop, v variant, rel relation) []condition {
	var conditions []condition
	for _, l := range s.links {
		if l.Own {
			conditions = append(conditions, func() string { return w.ledTo(s, v, l, rel) })
		}
	}
	return conditions
}

func (w *writer) ledTo(s *stop, v variant, l datamap.Link, rel relation) string {
	from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
	carried := func(alias, column string) string { return alias + "." + s.f(column) }
	return linked(from, to, carried("k", to.name)) + " IN (" + w.linkValues(l, v, rel, "mine") + ")" +
		w.owned(s, l, "k", carried)
}
