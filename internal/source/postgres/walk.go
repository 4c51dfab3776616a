package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// A variant is what a walk's statements differ in beside the plan.
type variant struct {
	restricted bool // only listed rows may be matched by a seed
	again      bool // the second look: rows erased lead on, too
	held       bool // single rows are held
	all        bool // shared rows are given, too
	united     bool // a second look at many erasures as if they were one
	narrowed   bool // fields of the request leave rows out, see narrow.go
}

func (v variant) name() string {
	name := ""
	for _, on := range []struct {
		yes  bool
		name string
	}{{v.restricted, " restricted"}, {v.again, " again"}, {v.held, " held"}, {v.all, " all"}, {v.united, " united"}, {v.narrowed, " narrowed"}} {
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
	return append(arms, w.fedArms(s, v)...)
}

// carries is the list of columns that a reached row t carries.
func (s *stop) carries() string { return s.carriesUntil("NULL::timestamptz") }

func (s *stop) carriesUntil(until string) string {
	list := make([]string, len(s.carried))
	for i, c := range s.carried {
		if c == keptUntil {
			list[i] = until + " AS " + s.f(c)
			continue
		}
		list[i] = s.t.value("t", c) + " AS " + s.f(c)
	}
	if s.place {
		list = append(list, "t.ctid AS place")
	}
	return strings.Join(list, ", ")
}

// carries is, for a snapshot that brings the rows along, with their fields as text.
func (w *writer) carries(s *stop) string {
	if w.placesOnly {
		return "t.ctid AS place"
	}
	list := s.carries()
	if w.p.keeping(s) {
		list = s.carriesUntil(w.until(s, "t"))
	}
	if w.v.narrowed {
		list += ", " + w.isOutside(s) + " AS outside"
	}
	if w.giving {
		for i, g := range s.given() {
			given := w.gift(s, g, nil)
			if c := s.t.columns[g.field.Name]; c.typ == "bytea" { // not to be written out where it does not come along
				given = "CASE WHEN " + c.stored(broughtBytes/16) + " THEN " + literal(tooLong) + " ELSE " + given + " END"
			}
			list += fmt.Sprintf(", (%s)::text AS g%d", given, i)
		}
		if !w.light(s) {
			list += ", " + s.some() + " AS some"
		}
		for i, c := range s.ranked(w.p.bearing(s).sorted == nil) {
			list += fmt.Sprintf(", %s AS o%d", c.ranks(col("t", c.name)), i)
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
			only = " AND " + w.isRoot(s, s.tableIDs())
		}
		arm := "SELECT " + w.carries(s) + ", true AS seed FROM " + s.t.ident() + " t WHERE " + w.match(s, seed) + w.scope(s) + only
		arms = append(arms, "("+fenced(arm)+")")
	}
	if v.again && !s.nameless {
		arms = append(arms, w.goneArm(s))
	}
	return arms
}

func (w *writer) goneArm(s *stop) string {
	var names, equal []string
	var places []int
	for n, k := range s.key {
		places, names = append(places, n), append(names, s.f(k))
		equal = append(equal, col("t", k)+" = e."+s.f(k))
	}
	return "SELECT u.* FROM " + w.gone(s, places, names) +
		" CROSS JOIN LATERAL (SELECT " + w.carries(s) + ", true AS seed FROM " + s.t.ident() + " t WHERE " +
		strings.Join(equal, " AND ") + w.scope(s) + " OFFSET 0) u"
}

// linkArm finds the rows that hold one of the values. With an index each value
// is looked up by itself (LATERAL, kept apart by OFFSET 0): a CTE has no
// statistics, and Postgres would sooner read a whole table than believe that a
// subject has few rows.
func (w *writer) linkArm(s *stop, v variant, l datamap.Link, values string) string {
	ties := w.p.strands(l)
	rest := w.scope(s) + w.owned(s, l, "t", col) + w.unlisted(s, v)
	if w.slicing && w.p.masksInSlices(s) {
		rest += " AND " + w.unmasked(s, v, nil, false) // what an earlier slice has masked
	}
	once := "DISTINCT "
	if at := w.p.of[l.From.Collection.FullName()]; !v.again && at != nil && w.p.tied(l) == nil && len(at.key) == 1 && len(ties) == 1 && at.key[0] == ties[0].from.name && ties[0].alike() {
		once = "" // a key's values stand once among the rows reached
	}
	var some []string
	for i, name := range columnsOf(ties, "q") {
		if !ties[i].from.notNull || ties[i].from.typ != ties[i].to.typ { // a value that cannot be the other's is NULL here
			some = append(some, name+" IS NOT NULL")
		}
	}
	some = append(some, "true")
	distinct := "(SELECT " + once + strings.Join(columnsOf(ties, "q"), ", ") + " FROM (" + values + ") q WHERE " + strings.Join(some, " AND ") + ") v"
	if !s.t.servedBy(ties, s.c.Controller) {
		list := "SELECT " + strings.Join(columnsOf(ties, "v"), ", ") + " FROM " + distinct
		return "SELECT " + w.carries(s) + ", false AS seed FROM " + s.t.ident() + " t WHERE " +
			among(ties, func(c *column) string { return s.t.inRow("t", c) }, list) + rest
	}
	return "SELECT " + w.eachOnce(s, ties) + "u.* FROM " + distinct + " CROSS JOIN LATERAL (" + fencedFor(ties, "SELECT "+w.carries(s)+", false AS seed FROM "+
		s.t.ident()+" t WHERE "+w.equals(s.t, ties, "t", columnsOf(ties, "v"))+rest+" OFFSET 0") + ") u"
}

// eachOnce takes a row once that holds several of the values looked up: the
// elements of an array, or of one inside a document.
func (w *writer) eachOnce(s *stop, ties []strand) string {
	if !slices.ContainsFunc(ties, func(t strand) bool { return t.to.place != nil && !t.to.place.one }) {
		return ""
	}
	return "DISTINCT ON (" + strings.Join(s.fs("u", s.key), ", ") + ") "
}

// linkValues are the values, columns v, v1 and so on, that a link's rows lead on with.
func (w *writer) linkValues(l datamap.Link, v variant, rel relation, filter string) string {
	ties := w.p.strands(l)
	at := w.p.of[l.From.Collection.FullName()]
	divided := slices.ContainsFunc(ties, func(t strand) bool { return w.divides(at, t.from) })
	if divided && strings.HasPrefix(filter, "round") {
		filter = "" // what a later round finds may tell more elements of a row
	}
	by := func(l datamap.Link, _ []strand) string { return w.linkValues(l, v, rel, filter) }
	where := filter
	if filter != "" {
		where = "k." + filter
	}
	if w.braking(l, ties) {
		return w.unbraked(l, ties, rel, where, by)
	}
	values := w.leading(ties, at, w.inside(at, rel), where, by)
	if v.again {
		values += w.goneValues(at, ties)
	}
	return values
}

// goneValues are those with which erased rows led on, as far as their keys tell.
func (w *writer) goneValues(at *stop, ties []strand) string {
	var names []string
	var places []int
	for i, t := range ties {
		n := slices.Index(at.key, t.from.name)
		if n < 0 {
			return ""
		}
		places, names = append(places, n), append(names, v(i))
	}
	n := -1
	return " UNION ALL " + valueList(ties, w.gone(at, places, names), "", func(*column) string {
		n++
		return "e." + v(n)
	})
}

// owned is the owner's rule: a row whose owner is not NULL is taken only
// through that reference, whoever's browser it came from.
func (w *writer) owned(s *stop, l datamap.Link, alias string, name func(alias, column string) string) string {
	if s.c.Owner == "" || slices.ContainsFunc(pairs(l), func(p datamap.Pair) bool { return p.To.Parent == nil && p.To.Name == s.c.Owner }) {
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
	return " AND ((" + w.matched(s) + ") IS NOT TRUE OR " + w.isRoot(s, s.tableIDs()) + ")"
}

// matched is the condition that an identity matches row t of a stop that has seeds.
func (w *writer) matched(s *stop) string {
	matches := make([]string, len(s.visit.Seeds))
	for i, seed := range s.visit.Seeds {
		matches[i] = w.match(s, seed)
	}
	return strings.Join(matches, " OR ")
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
	in := left + " IN (SELECT " + strings.Join(s.fs("r", s.key), ", ") + " FROM " + rel + " r" + where + ")"
	if !s.t.real() { // nobody knows of a view whether its rows have a key: one that is NULL must not make "not in" NULL
		return "(" + in + ") IS TRUE"
	}
	return in
}

// A condition on a reached row. Its values are bound when it is written, not before.
type condition struct {
	write func() string
	// vain tells of a staged walk that no row can fulfil it; nil: nobody knows
	// but Postgres.
	vain func(*run) bool
}

// either joins conditions by OR; without one nothing is true.
func either(conditions []condition) string {
	if len(conditions) == 0 {
		return "false"
	}
	parts := make([]string, len(conditions))
	for i, c := range conditions {
		parts[i] = "(" + c.write() + ")"
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
		conditions = append(conditions, condition{write: func() string {
			// The look-up runs from the row named to the rows that name it.
			back := turned(l)
			holder, ties := w.p.cat.table(l.From.Collection), w.p.strands(back)
			by := func(l datamap.Link, _ []strand) string { return w.linkValues(l, v, rel, "") }
			values, more := spread(froms(ties), w.owns(s, by))
			var leads []string
			for i, t := range ties {
				leads = append(leads, t.leads(values[i]))
				values[i] = convert(t.from, t.to, values[i])
			}
			sql := "SELECT 1 FROM " + holder.ident() + " t WHERE " + w.equals(holder, ties, "t", values)
			for _, at := range w.p.on(holder.oid) {
				sql += " AND NOT " + w.isIn(at, cols("t", at.key), rel(at), "")
			}
			if at, by := w.p.leadsBack(s, l.From, l.To); w.slicing && len(l.And) == 0 && at != nil { // a part need not have read what it will reach
				sql += " AND (true" + w.scope(at) + w.owned(at, by, "t", col) + w.unlisted(at, v) + ") IS NOT TRUE"
			}
			condition := strings.Join(leads, " AND ") + " AND EXISTS (" + fencedFor(ties, sql+apart(holder, ties)) + ")"
			if more == "" {
				return condition
			}
			return "EXISTS (SELECT 1 FROM (SELECT) AS one" + more + " WHERE " + condition + ")"
		}})
	}
	return append(conditions, w.fedShared(s)...)
}

// apart keeps an EXISTS a look-up per row where an index serves it.
func apart(t *table, ties []strand) string {
	if t.servedBy(ties, "") {
		return " OFFSET 0"
	}
	return ""
}

// apart is the same for a foreign key's column.
func (k fkey) apart(t *table) string {
	if t.indexed(k.columns[0], "") {
		return " OFFSET 0"
	}
	return ""
}

// ownedBy are the conditions, one per way, under which a row that is not shared
// itself is the subject's alone: a seed matched it, or a row of the subject
// alone leads to it. What is found only through shared rows is shared, too.
func (w *writer) ownedBy(s *stop, v variant, rel relation) []condition {
	conditions := []condition{{write: func() string { return "k.seed" }}}
	for _, l := range s.links {
		conditions = append(conditions, w.ledTo(s, v, l, rel))
	}
	return append(conditions, w.fedMine(s, false)...)
}

// pointedTo are the conditions under which rows of the subject alone point to
// a row (direction "to"): an access request includes it though it is shared.
func (w *writer) pointedTo(s *stop, v variant, rel relation) []condition {
	var conditions []condition
	for _, l := range s.links {
		if l.Own {
			conditions = append(conditions, w.ledTo(s, v, l, rel))
		}
	}
	return append(conditions, w.fedMine(s, true)...)
}

func (w *writer) ledTo(s *stop, v variant, l datamap.Link, rel relation) condition {
	carried := func(alias, column string) string { return alias + "." + s.f(column) }
	return condition{func() string {
		return among(w.p.strands(l), func(c *column) string { return carried("k", c.name) }, w.linkValues(l, v, rel, "mine")) +
			w.owned(s, l, "k", carried)
	}, func(r *run) bool { return !r.leadsBy(w.p, l, v) }}
}
