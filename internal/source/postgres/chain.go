package postgres

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lethe-dsr/lethe/internal/datamap"
)

// The chain is a whole walk as one statement: for each stop a CTE of the rows
// reached (w), of those with the mark of being shared (x), of being the
// subject's alone (m) and, for an erasure, of being deleted (d); then the
// deletions and masks (e, u) and one row of counts. All of it sees one snapshot,
// and foreign keys are checked at its end, RESTRICT too, so the deletions need
// no order.
//
// "big" stops a chain whose walk reached more rows than it should carry: the
// rest of it then reads nothing, and the walk is staged.

// A task is what a chain is written for.
type task string

const (
	toFind  task = "find"
	toErase task = "erase"
	toTry   task = "try" // what toErase would do
	toLook  task = "look"
	toHold  task = "hold" // the keys of every row reached, shared or not
	toGive  task = "give" // as find, with the keys of the rows that the subject is given
)

func reachedIn(s *stop) string { return fmt.Sprintf("w%d", s.i) }
func sharedIn(s *stop) string  { return fmt.Sprintf("x%d", s.i) }
func mineIn(s *stop) string    { return fmt.Sprintf("m%d", s.i) }
func settledIn(s *stop) string { return fmt.Sprintf("d%d", s.i) }

// plain tells whether the rows of a stop are known to be the subject's alone
// before they are looked at: no marks are made of them.
func (w *writer) plain(s *stop, v variant) bool { return w.certain[s.i].mine && !v.held }

// sure tells whether it is known, too, which of them are deleted: all or none.
func (w *writer) sure(s *stop, v variant) bool {
	return w.plain(s, v) && (!s.visit.Delete || w.certain[s.i].del)
}

// mineIn gives the CTE in which a stop's rows have their marks.
func (w *writer) mineIn(v variant) relation {
	return func(s *stop) string {
		if w.plain(s, v) {
			return reachedIn(s)
		}
		return mineIn(s)
	}
}

// settledIn gives the CTE in which it stands, too, whether a row is deleted.
func (w *writer) settledIn(v variant) relation {
	return func(s *stop) string {
		if w.sure(s, v) {
			return reachedIn(s)
		}
		return settledIn(s)
	}
}

// undecided are the columns of a marked row without "del", which plain rows bring along.
func (w *writer) undecided(s *stop, v variant) string {
	if !w.plain(s, v) {
		return "k.*"
	}
	return s.carriedAs("k") + ", k.seed, k.shared, k.mine, k.held"
}

// chain writes the statement of a task. Its columns are big, xid, counts (see
// tallies), beyond, addresses, key stops and keys.
func (p *program) chain(t task, v variant) *statement {
	return p.statement("chain "+string(t)+v.name(), func() *statement {
		w := &writer{p: p}
		with := w.walked(v)
		cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
		if t == toHold {
			return w.statement(w.holdChain(with))
		}
		w.marks(cte, v)
		mineIn, settledIn := w.mineIn(v), w.settledIn(v)
		settled, xid, beyond, brakes, stops := mineIn, "''", []string{}, []string{}, false
		if t != toFind && t != toGive {
			settled = settledIn
			w.settle(cte, v)
			for i, b := range w.beyond(settledIn) {
				beyond = append(beyond, "("+b.count+")")
				if t == toErase {
					name := fmt.Sprintf("b%d", i)
					cte(name, b.count)
					beyond[i] = "(SELECT * FROM " + name + ")"
				}
			}
			if stops = len(beyond) > 0 && t == toErase; stops {
				cte("stop", "SELECT "+strings.Join(beyond, " + ")+" > 0 AS yes")
			}
		}
		for _, b := range w.brakes(mineIn) {
			brakes = append(brakes, "("+b.count+")")
		}
		named := "NULL::int4[], NULL::text[]"
		if t == toGive {
			with = append(with, "named AS MATERIALIZED ("+w.givenKeys(v)+")")
			named = "(SELECT array_agg(stop) FROM named), (SELECT array_agg(key) FROM named)"
		}
		if t == toErase {
			xid = "pg_current_xact_id()::text"
			var keys []string
			if with, keys = w.change(with, settledIn, stops); len(keys) > 0 {
				keys = []string{fmt.Sprintf("(SELECT * FROM (%s) n LIMIT %d)", strings.Join(keys, " UNION ALL "), maxKeys)}
			}
			if keys = append(keys, w.fileKeys(settledIn)...); len(keys) > 0 {
				with = append(with, "named AS MATERIALIZED ("+strings.Join(keys, " UNION ALL ")+")")
				named = "(SELECT array_agg(stop) FROM named), (SELECT array_agg(key) FROM named)"
			}
		}
		stayed, columns := w.stayed(t, v, settled)
		if stayed != "" {
			with = append(with, stayed)
		}
		tallies := strings.Join(w.tallies(t, settled), ", ")
		return w.statement("WITH " + strings.Join(with, ",\n") + "\nSELECT (SELECT yes FROM big), " + xid + ", ARRAY[" +
			tallies + "]::int8[], ARRAY[" + strings.Join(beyond, ", ") + "]::int8[], ARRAY[" + strings.Join(brakes, ", ") + "]::int8[], " +
			w.strayAddresses(t, mineIn) + ", " + named + ", " + columns + w.summed())
	})
}

// sum remembers a count and gives the name under which the statement's end
// finds it, so that none is counted twice.
func (w *writer) sum(sql string) string {
	i := slices.Index(w.sums, sql)
	if i < 0 {
		i = len(w.sums)
		w.sums = append(w.sums, sql)
	}
	return fmt.Sprintf("sums.c[%d]", i+1)
}

// summed is the FROM of the counts remembered: an array, because a row has no
// more than 1,664 columns.
func (w *writer) summed() string {
	if len(w.sums) == 0 {
		return ""
	}
	return "\nFROM (SELECT ARRAY[" + strings.Join(w.sums, ", ") + "]::int8[] AS c OFFSET 0) sums"
}

// walked writes the walk itself: the CTEs of the rows reached, and "big".
func (w *writer) walked(v variant) (with []string) {
	w.certain, w.v = w.p.certain(v, false), v
	cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
	var total []string
	limit := w.bind("above", func(r *run) any { return r.above })
	for _, s := range w.p.stops {
		rows := w.reach(s, w.arms(s, v, reachedIn))
		if w.plain(s, v) {
			rows = fmt.Sprintf("SELECT n.*, false AS shared, true AS mine, false AS held, %t AS del FROM (%s) n", w.certain[s.i].del, rows)
		}
		// More rows than these are not carried here; the rest of them need not be read.
		if w.giving && w.light(s) && !w.p.leads(s) { // read once, where it is gathered
			// (what is gathered is counted there: see bringing)
			with = append(with, reachedIn(s)+" AS NOT MATERIALIZED (SELECT l.* FROM ("+rows+") l LIMIT "+limit+"::int8 + 1)")
			continue
		}
		cte(reachedIn(s), "SELECT l.* FROM ("+rows+") l LIMIT "+limit+"::int8 + 1")
		total = append(total, "SELECT FROM "+reachedIn(s))
	}
	if len(total) == 0 {
		total = []string{"SELECT WHERE false"}
	}
	cte("big", "SELECT count(*) > "+limit+"::int8 AS yes FROM ("+strings.Join(total, " UNION ALL ")+") n")
	return with
}

// marks adds, per stop, what is shared and what is the subject's alone.
func (w *writer) marks(cte func(name, body string), v variant) {
	mineIn := w.mineIn(v)
	for _, s := range w.p.stops {
		if w.plain(s, v) {
			continue
		}
		cte(sharedIn(s), "SELECT k.*, coalesce("+either(w.sharedBy(s, v, reachedIn))+", false) AS shared FROM "+reachedIn(s)+" k WHERE NOT (SELECT yes FROM big)")
	}
	for _, s := range w.p.stops {
		if w.plain(s, v) {
			continue
		}
		held := "false"
		if v.held {
			held = "coalesce(" + w.isHeld(s, s.fs("k", s.ids())) + ", false)" // of a view's row without a key nobody says so
		}
		mine := "NOT k.shared AND coalesce(" + either(w.ownedBy(s, v, mineIn)) + ", false)"
		if w.certain[s.i].mine {
			mine = "NOT k.shared"
		}
		cte(mineIn(s), "SELECT k.*, "+mine+" AS mine, "+held+" AS held FROM "+sharedIn(s)+" k")
	}
}

// settle adds what is deleted: children first, because a row that stays keeps
// the row that it names.
func (w *writer) settle(cte func(name, body string), v variant) {
	mineIn, settledIn := w.mineIn(v), w.settledIn(v)
	for _, group := range w.p.order {
		for _, s := range group {
			if w.sure(s, v) {
				continue
			}
			kept := ""
			if by := w.keptBy(s, mineIn, settledIn); len(by) > 0 {
				kept = " AND NOT coalesce(" + either(by) + ", false)"
			}
			cte(settledIn(s), "SELECT "+w.undecided(s, v)+", "+s.take("k")+kept+" AS del FROM "+mineIn(s)+" k")
		}
	}
	for _, s := range w.p.stops {
		if !s.visit.Delete && !w.sure(s, v) {
			cte(settledIn(s), "SELECT k.*, false AS del FROM "+mineIn(s)+" k")
		}
	}
}

// change adds the deletions and masks, and returns the queries of the keys of
// rows that others could still name. stops: nothing is changed where the deletions
// would go beyond the plan; what foreign keys then do could fail before it is told.
func (w *writer) change(with []string, settledIn relation, stops bool) (_, keys []string) {
	unless := " AND NOT (SELECT yes FROM big)"
	if stops {
		unless += " AND NOT (SELECT yes FROM stop)"
	}
	for _, s := range w.p.stops {
		key := keyText(cols("t", s.key)) + " AS key"
		if !s.named(w.p) {
			key = "1"
		}
		name := func(cte string) {
			if s.named(w.p) {
				keys = append(keys, w.ownKeys(s, cte, settledIn))
			}
		}
		if s.visit.Delete {
			e := fmt.Sprintf("e%d", s.i)
			with = append(with, e+" AS (DELETE FROM "+s.t.ident()+" t WHERE "+w.these(s, settledIn(s), "k.del"+unless)+" RETURNING "+key+")")
			name(e)
		}
		if len(s.masks()) > 0 && (!w.sure(s, w.v) || !s.visit.Delete) {
			u := fmt.Sprintf("u%d", s.i)
			with = append(with, u+" AS (UPDATE "+s.t.ident()+" t SET "+w.masked(s, w.v, settledIn)+" WHERE "+w.these(s, settledIn(s), s.toMask("k")+unless)+" AND "+w.unmasked(s, w.v, settledIn, false)+" RETURNING "+key+")")
			name(u)
		}
		if w.masksKept(s) {
			sets, left := w.maskKept(s, w.v, settledIn), w.leftOfKept(s, w.v, settledIn, false)
			p := fmt.Sprintf("p%d", s.i)
			with = append(with, p+" AS (UPDATE "+s.t.ident()+" t SET "+sets+" WHERE "+w.these(s, settledIn(s), s.keptRows("k")+unless)+" AND "+left+" RETURNING "+key+")")
			name(p)
		}
	}
	return with, keys
}

// tallies are seven counts per stop: the subject's alone, shared, held, and
// then, of an erasure, deleted, masked, kept by law and spared; of a dry run and a second
// look, to be deleted and to be masked. A staged erasure counts those by itself.
func (w *writer) tallies(t task, rel relation) []string {
	var counts []string
	for _, s := range w.counted() {
		counts = append(counts, w.tally(s, t, rel)...)
	}
	return counts
}

func (w *writer) tally(s *stop, t task, rel relation) []string {
	if t == toErase && !w.staged && w.sure(s, w.v) && s.visit.Delete { // what was reached is what was deleted
		deleted := w.count(fmt.Sprintf("e%d", s.i), "")
		return []string{deleted, "0", "0", deleted, "0", "0", "0"}
	}
	reached, plain := rel(s)+" k", !w.staged && w.plain(s, w.v)
	var own, others string
	if plain {
		own, others = w.count(rel(s), ""), "0"
	} else {
		own, others = w.count(reached, "k.mine"), w.count(reached, "NOT k.mine"+w.but("outside"))
	}
	if t == toFind || t == toGive {
		return []string{own, others, "0", "0", "0", "0", "0"}
	}
	held := "0"
	if !plain {
		held = w.count(reached, "k.held AND "+s.ours("k")+w.but("spared"))
	}
	deleted, masked := "0", "0"
	switch {
	case t != toErase:
		deleted, masked = w.toDelete(s, t, rel), w.toMask(s, t, rel)
	case !w.staged:
		deleted, masked = w.changed(s)
	}
	kept := "0"
	if by := s.keptRows("k"); by != "" {
		kept = w.count(reached, by)
	}
	stays := "0"
	if w.v.narrowed {
		stays = w.count(reached, s.ours("k")+" AND k.spared AND NOT k.outside")
	}
	return []string{own, others, held, deleted, masked, kept, stays}
}

func (w *writer) count(from, where string) string {
	if where != "" {
		where = " WHERE " + where
	}
	return w.sum("(SELECT count(*) FROM " + from + where + ")")
}

// changed counts what the statement itself deleted and masked, see change.
func (w *writer) changed(s *stop) (deleted, masked string) {
	deleted, masked = "0", "0"
	if s.visit.Delete {
		deleted = w.count(fmt.Sprintf("e%d", s.i), "")
	}
	if len(s.masks()) > 0 {
		masked = w.count(fmt.Sprintf("u%d", s.i), "")
	}
	if w.masksKept(s) {
		masked += " + " + w.count(fmt.Sprintf("p%d", s.i), "")
	}
	return deleted, masked
}

// toDelete counts what an erasure would delete, or has left undeleted.
func (w *writer) toDelete(s *stop, t task, rel relation) string {
	switch {
	case !s.visit.Delete:
		return "0"
	case t == toLook:
		return w.leftToDelete(s, rel)
	case s.t.real():
		return w.count(rel(s)+" k", "k.del")
	}
	return w.count(rel(s)+" k", "k.del AND NOT "+s.keyless("k"))
}

// toMask counts what an erasure would mask, or has left unmasked.
func (w *writer) toMask(s *stop, t task, rel relation) string {
	masked := "0"
	if len(s.masks()) > 0 {
		masked = w.count(s.t.ident()+" t", w.these(s, rel(s), s.toMask("k"))+" AND "+w.unmasked(s, w.v, rel, t == toLook))
		if t == toLook && !s.t.real() {
			masked += " + " + w.count(rel(s)+" k", s.toMask("k")+" AND "+s.keyless("k"))
		}
	}
	if w.masksKept(s) {
		left := w.leftOfKept(s, w.v, rel, t == toLook)
		masked += " + " + w.count(s.t.ident()+" t", w.these(s, rel(s), s.keptRows("k"))+" AND "+left)
	}
	return masked
}

// leftToDelete counts, in a second look, the rows that should have gone. Not
// those that the erasure masked because a row that stays named them: masking may
// have changed the very value by which they were named, and nothing that the
// policy targets is left in them.
func (w *writer) leftToDelete(s *stop, rel relation) string {
	// What one erasure masked another may have had to delete: of many, it counts.
	if len(s.masks()) == 0 || w.v.united {
		return "(SELECT count(*) FROM " + rel(s) + " k WHERE k.del)"
	}
	left := w.unmasked(s, w.v, rel, true)
	// The keys of shared rows are not among those erased, nor are places.
	if !s.c.SharedErase && !s.nameless {
		left = "(" + left + " OR NOT " + w.keyIs(s, cols("t", s.key), "erased keys", func(r *run) []string { return r.erased[s.c.FullName()] }) + ")"
	}
	sql := "(SELECT count(*) FROM " + s.t.ident() + " t WHERE " + w.these(s, rel(s), "k.del") + " AND " + left + ")"
	if !s.t.real() {
		sql += " + (SELECT count(*) FROM " + rel(s) + " k WHERE k.del AND " + s.keyless("k") + ")"
	}
	return sql
}

// keyless is the condition that nothing can be done to a reached row by its key,
// which is NULL: nobody knows of a view whether its rows have one.
func (s *stop) keyless(alias string) string {
	return "(" + strings.Join(s.fs(alias, s.key), " IS NULL OR ") + " IS NULL)"
}

// strayAddresses are the mail addresses in rows that the walk reached though
// no seed matched them: the only one may be where letters go.
func (w *writer) strayAddresses(t task, rel relation) string {
	if t != toFind { // nothing may be bound that is not used
		return "NULL::text[]"
	}
	var from []string
	for _, s := range w.counted() {
		for _, f := range s.addresses() {
			c := w.p.columnOf(f)
			by := func(l datamap.Link, _ []strand) string { return w.linkValues(l, w.v, rel, "mine") }
			from = append(from, "SELECT "+bytewise("l.v")+" AS a FROM ("+w.leading([]strand{{from: c, to: c}}, s, rel(s), "k.mine AND NOT k.seed", by)+") l")
		}
	}
	if len(from) == 0 {
		return "NULL::text[]"
	}
	return fmt.Sprintf("ARRAY(SELECT DISTINCT q.a FROM (%s) q ORDER BY q.a LIMIT %d)", strings.Join(from, " UNION ALL "), maxAddresses)
}

// givenKeys are the keys of the rows that the subject is given: those of the
// subject alone, the shared ones that these point to, or all.
func (w *writer) givenKeys(v variant) string {
	keys := []string{"SELECT 0 AS stop, '' AS key WHERE false"}
	mineIn := w.mineIn(v)
	for _, s := range w.p.stops {
		keys = append(keys, fmt.Sprintf("SELECT %d, %s FROM %s k WHERE %s", s.i, keyText(s.fs("k", s.key)), mineIn(s), w.givenTo(s, v)))
	}
	return strings.Join(keys, " UNION ALL ")
}

// givenTo is the condition that a reached row k is given to the subject.
func (w *writer) givenTo(s *stop, v variant) string {
	if v.all || w.plain(s, v) {
		return "true"
	}
	return "(k.mine OR coalesce(" + either(w.pointedTo(s, v, w.mineIn(v))) + ", false))"
}

// holdChain ends a chain whose caller wants the keys of all rows reached.
func (w *writer) holdChain(with []string) string {
	var keys []string
	for _, s := range w.p.stops {
		keys = append(keys, fmt.Sprintf("SELECT %d AS stop, %s AS key FROM %s k WHERE NOT (SELECT yes FROM big)", s.i, keyText(s.fs("k", s.ids())), reachedIn(s)))
	}
	if len(keys) == 0 {
		keys = []string{"SELECT 0 AS stop, '' AS key WHERE false"}
	}
	return "WITH " + strings.Join(with, ",\n") + ",\nnamed AS MATERIALIZED (" + strings.Join(keys, " UNION ALL ") + ")" +
		"\nSELECT (SELECT yes FROM big), '', ARRAY[]::int8[], ARRAY[]::int8[], ARRAY[]::int8[], NULL::text[], (SELECT array_agg(stop) FROM named), (SELECT array_agg(key) FROM named), NULL::int4[], NULL::text[], NULL::timestamptz[], NULL::bool[]"
}

const (
	maxKeys      = 10_000 // of source.Note.Keys
	maxAddresses = 10     // of source.Found.Reached
)
