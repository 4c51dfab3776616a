package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// take is the condition that an erasure may touch a reached row at all.
func (s *stop) take(alias string) string {
	free := "NOT " + alias + ".held"
	if until := s.kept(alias); until != "" {
		free = "(" + free + " AND " + until + " IS NULL)"
	}
	return "(" + s.ours(alias) + " AND " + free + ")"
}

// ours is the condition that a reached row counts as the subject's.
func (s *stop) ours(alias string) string {
	if s.c.SharedErase {
		return "true"
	}
	return alias + ".mine"
}

// keptBy are the conditions under which a row that would be deleted is masked
// instead, because a row that stays names it. k is the row, with its columns
// carried; kept gives the rows of a stop with their flags, deleted those with
// "del" settled.
//
// A row that is held or shared keeps what it names by any reference of the map;
// every other row that stays does so where a foreign key stands.
func (w *writer) keptBy(s *stop, kept, deleted relation) []condition {
	var conditions []condition
	for _, l := range s.referrers {
		at := w.p.of[l.From.Collection.FullName()]
		if at == nil {
			continue // its rows are not reached: what they name is shared
		}
		if w.certain != nil && w.certain[at.i].take {
			continue // none of them stays
		}
		conditions = append(conditions, w.namedFrom(s, l, at, kept, "NOT "+at.take("r")))
	}
	conditions = append(conditions, w.fedNames(s, "stays", toldStays)...)
	for _, k := range s.t.children {
		if k.takes() && len(w.p.on(k.child)) == 0 {
			continue // see beyond
		}
		first := ""
		if w.goesWith(s, k) {
			if !s.nobodys(k) {
				continue
			}
			first = s.nobody(k, "k") + " AND "
		}
		conditions = append(conditions, condition{write: func() string {
			sql := first + w.references(s, k, "k", kept, deleted)
			if k.takes() {
				sql += " AND " + w.reached(k, kept) // the child's "del" may not be settled yet
			}
			return sql + k.apart(w.p.cat.tables[k.child]) + ")"
		}})
	}
	return conditions
}

// namedFrom is the condition that a reached row r of another stop names row k by a
// reference of the map, and that a filter on r holds.
func (w *writer) namedFrom(s *stop, l datamap.Link, at *stop, rel relation, filter string) condition {
	return condition{func() string {
		list := valueList(w.p.strands(l), rel(at)+" r", filter, func(c *column) string { return "r." + at.f(c.name) })
		return among(w.p.strands(l), func(c *column) string { return "k." + s.f(c.name) }, list)
	}, func(r *run) bool { return r.rows[at.i] == 0 }}
}

// goesWith tells whether every row that a foreign key ties to a row of the stop
// is known to be deleted with it, if its key is not nobody's.
func (w *writer) goesWith(s *stop, k fkey) bool {
	if w.certain == nil {
		return false
	}
	at := w.p.childOf(s, k, w.v)
	return at != nil && w.certain[at.i].del
}

// references begins "EXISTS (…" of rows that a foreign key ties to a row and
// that the erasure neither deletes nor frees of it: a masked row whose reference
// becomes NULL holds nothing back, or the next look would find its parent again.
func (w *writer) references(s *stop, k fkey, alias string, kept, deleted relation) string {
	child := w.p.cat.tables[k.child]
	condition := "EXISTS (SELECT 1 FROM " + child.ident() + " d WHERE " + s.tiedBy(child, k, alias)
	for _, at := range w.p.on(k.child) {
		if at.visit.Delete {
			condition += " AND NOT " + w.isIn(at, cols("d", at.key), deleted(at), "del")
		}
		if at.empties(k) && (!w.slicing || w.p.masksInSlices(at)) { // a part may leave the masks to the last
			condition += " AND NOT " + w.isIn(at, cols("d", at.key), "(SELECT k.* FROM "+kept(at)+" k WHERE "+at.take("k")+")", "")
		}
	}
	return condition
}

// tiedBy is the condition that a foreign key ties row d of its table to a
// reached row of the stop, under an alias.
func (s *stop) tiedBy(child *table, k fkey, alias string) string {
	equal := make([]string, len(k.columns))
	for i, c := range k.columns {
		equal[i] = col("d", c) + " = " + collated(s.t.columns[k.references[i]], child.columns[c], alias+"."+s.f(k.references[i]))
	}
	return strings.Join(equal, " AND ")
}

// empties tells whether masking a row of the stop ends its reference by a
// foreign key: with MATCH SIMPLE one NULL is enough, with MATCH FULL all it takes.
func (s *stop) empties(k fkey) bool {
	emptied := 0
	for _, m := range s.masks() {
		if m.how == "null_rewrite" && slices.Contains(k.columns, m.column.name) {
			emptied++
		}
	}
	return emptied > 0 && (!k.full || emptied == len(k.columns))
}

// reached is the condition that the walk reached row d of a foreign key's child.
func (w *writer) reached(k fkey, rel relation) string {
	var in []string
	for _, at := range w.p.on(k.child) {
		in = append(in, w.isIn(at, cols("d", at.key), rel(at), ""))
	}
	return "(" + strings.Join(in, " OR ") + ")"
}

// A reachBeyond is a foreign key by which Postgres itself would change rows
// that the walk did not reach.
type reachBeyond struct {
	key   fkey
	table *table
	count string // SELECT count(*) of such rows
}

// beyond are the foreign keys that could carry the deletions further than the
// plan, each with the query that counts how far they would.
func (w *writer) beyond(deleted relation) []reachBeyond {
	var all []reachBeyond
	for _, s := range w.counted() {
		if !s.visit.Delete {
			continue
		}
		for _, k := range s.t.children {
			only := ""
			switch {
			case !k.takes(), w.goesWith(s, k) && !s.nobodys(k):
				continue
			case w.goesWith(s, k):
				only = " AND " + s.nobody(k, "k")
			}
			child := w.p.cat.tables[k.child]
			from := "FROM " + deleted(s) + " k CROSS JOIN LATERAL (SELECT 1 FROM " + child.ident() + " d WHERE " + s.tiedBy(child, k, "k")
			if len(w.p.on(k.child)) > 0 {
				from += " AND NOT " + w.reached(k, deleted)
			}
			all = append(all, reachBeyond{key: k, table: child,
				count: "SELECT count(*) " + from + k.apart(child) + ") u WHERE k.del" + only})
		}
	}
	return all
}

// told turns the counts of beyond into an error, or nil.
func (p *program) told(all []reachBeyond, counts []int64) error {
	e := &Beyond{Source: p.source}
	for i, b := range all {
		if i < len(counts) && counts[i] > 0 {
			action := map[string]string{"c": "delete", "n": "set to null", "d": "set to default"}[b.key.action]
			e.Tables = append(e.Tables, BeyondTable{Table: b.table.schema + "." + b.table.name, Constraint: b.key.name, Action: action, Rows: counts[i]})
		}
	}
	if len(e.Tables) == 0 {
		return nil
	}
	return e
}

// these is the condition that row t of the stop's table is one of a relation's
// rows. The keys are gathered into an array first: Postgres then looks each up
// by the key's index, whatever it believes of their number.
func (w *writer) these(s *stop, rel, filter string) string {
	if s.place {
		return "t.ctid = ANY(ARRAY(SELECT k.place FROM " + rel + " k WHERE " + filter + "))"
	}
	return w.byKey(s, rel, filter)
}

func (w *writer) byKey(s *stop, rel, filter string) string {
	// Of arrays there is no array whose elements they would be.
	if c := s.t.columns[s.key[0]]; len(s.key) == 1 && (c == nil || c.class != classArray) {
		return col("t", s.key[0]) + " = ANY(ARRAY(SELECT k." + s.f(s.key[0]) + " FROM " + rel + " k WHERE " + filter + "))"
	}
	equal := make([]string, len(s.key))
	for i, k := range s.key {
		equal[i] = col("x", k) + " = k." + s.f(k)
	}
	if s.t.kind == "r" && !s.t.heirs {
		return "t.ctid = ANY(ARRAY(SELECT u.ctid FROM " + rel + " k CROSS JOIN LATERAL (SELECT x.ctid FROM " + s.t.ident() + " x WHERE " +
			strings.Join(equal, " AND ") + " OFFSET 0) u WHERE " + filter + "))"
	}
	return "(" + strings.Join(cols("t", s.key), ", ") + ") IN (SELECT " + strings.Join(s.fs("k", s.key), ", ") + " FROM " + rel + " k WHERE " + filter + ")"
}

// toMask is the condition, on a reached row with its flags, that it is masked.
func (s *stop) toMask(alias string) string { //nolint:unparam // as take
	if s.visit.Delete {
		return s.take(alias) + " AND NOT " + alias + ".del"
	}
	return s.take(alias)
}

// named tells whether rows of others could still name a row of the stop once
// it is erased: those are looked for by its key afterwards.
func (s *stop) named(p *program) bool {
	if s.nameless {
		return false
	}
	if len(s.referrers) > 0 {
		return true
	}
	for _, other := range p.stops {
		for _, l := range other.links {
			if l.From.Collection == s.c {
				return true
			}
		}
	}
	return false
}

// ownKeys is the query of the keys of changed rows (key, in from). Where shared
// rows are erased, too, theirs are left out: the second look starts from these
// keys as from the subject's own, and what is found only through a shared row is
// shared and stays.
func (w *writer) ownKeys(s *stop, from string, rel relation) string {
	sql := fmt.Sprintf("SELECT %d AS stop, key FROM %s", s.i, from)
	if s.c.SharedErase {
		sql += " WHERE key IN (SELECT " + keyText(s.fs("k", s.key)) + " FROM " + rel(s) + " k WHERE k.mine)"
	}
	return sql
}
