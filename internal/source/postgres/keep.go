package postgres

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/period"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Statutory keeps (Art. 17(3)): rows that a law keeps are left by an erasure,
// and what they name is left with them, masked. A reached row carries until
// when it is kept, NULL where it is not; 'infinity' where nobody can tell: a
// keep without a period, and a row whose start is NULL. That errs on keeping:
// what was erased too early cannot be brought back.
const keptUntil = "\x00until"

// keeping tells whether rows of a stop may be kept by a law.
func (p *program) keeping(s *stop) bool {
	return p.plan.Kind == datamap.Erasure && len(s.c.Keeps) > 0
}

// kept is where a reached row carries until when it is kept; "" where none is.
func (s *stop) kept(alias string) string {
	if !slices.Contains(s.carried, keptUntil) {
		return ""
	}
	return alias + "." + s.f(keptUntil)
}

// until is that instant, of a row of the table.
func (w *writer) until(s *stop, alias string) string {
	ends := make([]string, len(s.c.Keeps))
	for i, k := range s.c.Keeps {
		at := w.law(s, k, alias)
		end := "'infinity'::timestamptz"
		if k.From != "" {
			from := at.t.columns[k.From].instant(col(at.alias, k.From))
			of := w.bind(fmt.Sprintf("keep for %s %d", s.c.FullName(), i), func(*run) any { return k.For }) + "::text::interval"
			// The last day is the person's, see period.Cutoff.
			last := "(date_trunc('day', " + from + ", 'UTC') + " + of + " + interval '1 day')"
			if strings.Contains(k.For, "T") {
				last = "(" + from + " + " + of + ")"
			}
			end = "coalesce(" + last + ", 'infinity')"
		}
		if at.rows == "" {
			ends[i] = "CASE WHEN " + w.keeps(s, i, alias) + " THEN " + end + " END"
		} else {
			ends[i] = "(SELECT max(" + end + ")" + at.rows + " AND " + w.lawful(s, i, at) + ")"
			if w.p.mayBeAway(k) {
				ends[i] = "coalesce(" + ends[i] + ", CASE WHEN " + keeperAway(k, alias, at) + " THEN 'infinity'::timestamptz END)"
			}
		}
	}
	return "greatest(" + strings.Join(ends, ", ") + ")"
}

// keeps is the condition that the i-th keep of a collection keeps a row.
func (w *writer) keeps(s *stop, i int, alias string) string {
	at := w.law(s, s.c.Keeps[i], alias)
	if at.rows == "" {
		return w.lawful(s, i, at)
	}
	kept := "EXISTS (SELECT 1" + at.rows + " AND " + w.lawful(s, i, at) + ")"
	if w.p.mayBeAway(s.c.Keeps[i]) {
		kept = "(" + kept + " OR " + keeperAway(s.c.Keeps[i], alias, at) + ")"
	}
	return kept
}

// mayBeAway tells whether the row with which one is kept may be there though it
// is not seen: in another shard, or hidden by row-level security.
func (p *program) mayBeAway(k datamap.Keep) bool {
	return p.shard || slices.ContainsFunc(k.With, func(l datamap.Link) bool { return p.cat.table(l.To.Collection).veiled(toRead) })
}

// keeperAway is the condition that the row with which one is kept is not seen:
// nobody here can tell how long, so it is kept.
func keeperAway(k datamap.Keep, alias string, at law) string {
	var where []string
	for _, pair := range k.With[0].Pairs() {
		where = append(where, col(alias, pair.From.Name)+" IS NOT NULL")
	}
	return "(" + all(append(where, "NOT EXISTS (SELECT 1"+at.rows+")")) + ")"
}

// A law is where the columns of a keep stand: in the row itself, or in the rows
// with which it is kept, which are looked up.
type law struct {
	t     *table
	alias string
	rows  string // " FROM … WHERE …"; "" where it is the row itself
}

func (w *writer) law(s *stop, k datamap.Keep, alias string) law {
	at := law{t: s.t, alias: alias}
	var from, where []string
	scope := "" // another controller's rows say nothing of this one's
	for i, l := range k.With {
		next := law{t: w.p.cat.table(l.To.Collection), alias: fmt.Sprintf("law%d", i)}
		from = append(from, next.t.ident()+" "+next.alias)
		for _, pair := range l.Pairs() {
			from, to := at.t.columns[pair.From.Name], next.t.columns[pair.To.Name]
			where = append(where, next.t.equal(from, to, col(next.alias, to.name), convert(from, to, col(at.alias, from.name))))
		}
		scope += w.controlled(next.t, l.To.Collection, next.alias)
		at = next
	}
	if len(from) > 0 {
		at.rows = " FROM " + strings.Join(from, ", ") + " WHERE " + all(where) + scope
	}
	return at
}

// lawful is the condition that the row at which a keep's columns stand is kept by it.
func (w *writer) lawful(s *stop, i int, at law) string {
	k := s.c.Keeps[i]
	where := w.fits(at.t, k.Where, at.alias, fmt.Sprintf("keep %s %d", s.c.FullName(), i))
	if k.From != "" {
		cutoff := w.bind(fmt.Sprintf("keep since %s", k.For), func(r *run) any {
			of, err := period.Parse(k.For)
			if err != nil || r.walk.Today.IsZero() {
				return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true} // all are kept
			}
			return period.Cutoff(r.walk.Today, of)
		})
		from := at.t.columns[k.From].instant(col(at.alias, k.From))
		where = append(where, "coalesce("+from+" >= "+cutoff+"::timestamptz, true)")
	}
	return "(" + all(append(where, "true")) + ")"
}

// instant is a column of dates or times as an instant; what has no zone is UTC.
// What lies so far ahead that no period can be added to it, or that a date alone
// can hold, stands for never.
func (c *column) instant(expr string) string {
	expr = "(CASE WHEN " + expr + " >= '200000-01-01' THEN 'infinity' ELSE " + expr + " END)"
	if c.class == classStamp {
		return expr
	}
	return "(" + expr + "::timestamp AT TIME ZONE 'UTC')"
}

func (c *column) dated() bool {
	return c.class == classStamp || c.class == classLocal || c.typ == "date"
}

// fits are the conditions of column -> admitted values, as retention rules have
// them: NULL, a text, * for any run of characters, <WORD> for letters and digits.
func (w *writer) fits(t *table, where map[string][]*string, alias, name string) []string {
	var conditions []string
	for _, column := range slices.Sorted(maps.Keys(where)) {
		c := t.columns[column]
		expr := col(alias, column)
		exact, like, words, null := waysToMatch(where[column])
		var ways []string
		if null {
			ways = append(ways, expr+" IS NULL")
		}
		list := func(kind string, values []string) string {
			return w.bind(name+" "+column+" "+kind, func(*run) any { return values })
		}
		if len(exact) > 0 {
			ways = append(ways, c.compared(expr)+" = ANY("+c.array(list("exact", c.class.only(exact)))+")")
		}
		if len(like) > 0 {
			ways = append(ways, bytewise(expr)+" LIKE ANY("+list("like", like)+"::text[])")
		}
		if len(words) > 0 {
			ways = append(ways, bytewise(expr)+" ~ ANY("+list("words", words)+"::text[])")
		}
		conditions = append(conditions, "coalesce("+anyOf(ways)+", false)")
	}
	return conditions
}

// misfits of a collection's keeps are told before a row is erased that should
// have been kept.
func (s *stop) keepMisfits(cat *catalogue) (reasons []string) {
	for _, k := range s.c.Keeps {
		t, whose := s.t, s.c
		for _, l := range k.With {
			next := cat.table(l.To.Collection)
			if next == nil {
				reasons = append(reasons, fmt.Sprintf("there is no table or view %s, or it may not be seen, with whose rows those of %s are kept", l.To.Collection.FullName(), s.c.FullName()))
				t = nil
				break
			}
			for _, pair := range l.Pairs() {
				if t.columns[pair.From.Name] == nil || next.columns[pair.To.Name] == nil {
					reasons = append(reasons, fmt.Sprintf("%s and %s, by which rows are kept together, are not both there", pair.From.FullName(), pair.To.FullName()))
				}
			}
			if name := l.To.Collection.Controller; name != "" && next.columns[name] == nil {
				reasons = append(reasons, fmt.Sprintf("there is no column %s.%s, by which rows with which others are kept are a controller's", l.To.Collection.FullName(), name))
			}
			t, whose = next, l.To.Collection
		}
		if t == nil {
			continue
		}
		for _, name := range slices.Concat(slices.Collect(maps.Keys(k.Where)), []string{k.From}) {
			switch c := t.columns[name]; {
			case name == "":
			case c == nil:
				reasons = append(reasons, fmt.Sprintf("there is no column %s.%s, by which rows are kept", whose.FullName(), name))
			case name == k.From && !c.dated():
				reasons = append(reasons, fmt.Sprintf("%s.%s, from which rows are kept, is neither a date nor a time", whose.FullName(), name))
			}
		}
		if _, err := period.Parse(k.For); k.From != "" && err != nil {
			reasons = append(reasons, fmt.Sprintf("%s keeps rows for a period that cannot be read: %v", s.c.FullName(), err))
		}
		for _, f := range k.Mask {
			if s.t.columns[f.Column().Name] == nil {
				reasons = append(reasons, fmt.Sprintf("there is no column %s.%s", s.c.FullName(), f.Column().Name))
			}
		}
	}
	return reasons
}

// today refuses an erasure that does not say by which day keeps are reckoned.
func (p *program) today(w source.Walk) error {
	if w.Today.IsZero() && slices.ContainsFunc(p.stops, p.keeping) {
		return &Unfit{Source: p.source, Reasons: []string{"it keeps rows by law, and the erasure does not say which day it is"}}
	}
	return nil
}

// keepMasks are the masks of kept rows.
func (s *stop) keepMasks() (masks []mask) {
	for _, k := range s.c.Keeps {
		for _, t := range s.visit.KeptTargets(k) {
			if slices.ContainsFunc(masks, func(m mask) bool { return m.field == t.Field }) {
				continue
			}
			if m, ok := s.mask(t); ok && !m.column.fixed() {
				masks = append(masks, m)
			}
		}
	}
	return masks
}

// keptRows is the condition, on a reached row with its marks, that a law keeps it.
func (s *stop) keptRows(alias string) string { //nolint:unparam // as take
	if s.kept(alias) == "" {
		return ""
	}
	return "(" + s.kept(alias) + " IS NOT NULL AND NOT " + alias + ".held AND " + s.ours(alias) + ")"
}

// masksKept tells whether kept rows are masked in part.
func (w *writer) masksKept(s *stop) bool { return w.p.keeping(s) && len(s.keepMasks()) > 0 }

// maskKept are the assignments that mask what a keep says of a kept row t. A
// field is masked where every keep that holds the row lets it be.
func (w *writer) maskKept(s *stop, v variant, rel relation) string {
	var assign []string
	for _, of := range inColumns(s.keepMasks()) {
		name := col("t", of[0].column.name)
		assign = append(assign, strings.TrimPrefix(name, "t.")+" = CASE WHEN "+w.keptMay(s, of)+" THEN "+w.maskedColumn(s, v, rel, of, false)+" ELSE "+name+" END")
	}
	return strings.Join(assign, ", ")
}

// leftOfKept is the condition that something of a kept row t is left to mask. It
// binds nothing that masking alone needs: a statement may only look.
func (w *writer) leftOfKept(s *stop, v variant, rel relation, looking bool) string {
	var some []string
	for _, of := range inColumns(s.keepMasks()) {
		some = append(some, "("+w.keptMay(s, of)+" AND "+w.leftIn(s, v, rel, of, looking)+")")
	}
	return "(" + strings.Join(some, " OR ") + ")"
}

// keptMay is the condition that a column of a kept row t may be masked.
func (w *writer) keptMay(s *stop, of []mask) string {
	allowed := []string{"true"}
	for i, k := range s.c.Keeps {
		if slices.ContainsFunc(of, func(m mask) bool { return !k.Masks(m.field) }) {
			allowed = append(allowed, "NOT "+w.keeps(s, i, "t"))
		}
	}
	return strings.Join(allowed, " AND ")
}

// stayed lists rows that an erasure leaves by law or under a hold, with their
// end, for a sweep that finishes them: a WITH query and the columns that read it.
func (w *writer) stayed(t task, v variant, rel relation) (with, columns string) {
	var parts []string
	for _, s := range w.counted() {
		until, filter := "NULL::timestamptz", ""
		// A row that no key names is known by all that it holds: once masked, it is not.
		if kept := s.keptRows("k"); kept != "" && (!s.nameless || !w.masksKept(s)) {
			until, filter = "CASE WHEN isfinite("+s.kept("k")+") THEN "+s.kept("k")+" END", kept
		}
		if w.staged || v.held {
			held := "(k.held AND k.mine" + w.but("spared") + ")"
			if filter != "" {
				held = filter + " OR " + held
			}
			filter = held
		}
		if filter == "" {
			continue
		}
		heldToo := "k.held"
		parts = append(parts, fmt.Sprintf("SELECT %d AS stop, %s AS key, %s AS until, %s AS held FROM %s k WHERE %s", s.i, keyText(s.fs("k", s.ids())), until, heldToo, rel(s), filter))
	}
	if t != toErase || len(parts) == 0 {
		return "", "NULL::int4[], NULL::text[], NULL::timestamptz[], NULL::bool[]"
	}
	return fmt.Sprintf("stayed AS MATERIALIZED (SELECT * FROM (%s) n LIMIT %d)", strings.Join(parts, " UNION ALL "), maxKeys),
		"(SELECT array_agg(stop) FROM stayed), (SELECT array_agg(key) FROM stayed), (SELECT array_agg(until) FROM stayed), (SELECT array_agg(held) FROM stayed)"
}
