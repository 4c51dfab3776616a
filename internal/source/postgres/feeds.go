package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A tie is a reference of the plan whose two ends may lie in different stores:
// in two sources, or, where this source is one shard of several, anywhere.
// What lies elsewhere is told by values (source.Feed), bound like all others:
// a program with ties asks for them in each statement, and without them nothing
// is found; a program without ties is written as if there were none.
type tie struct {
	n     int
	l     datamap.Link
	leads bool // the walk follows it
	names bool // who names a row by it shares the row
	here  bool // a store elsewhere may tell of it: To lies here
}

func (t *tie) pair() [2]string { return pairOf(t.l) }

// fields are those at both ends, of all pairs.
func (t *tie) fields() (fields []*datamap.Field) {
	for _, pair := range pairs(t.l) {
		fields = append(fields, pair.From, pair.To)
	}
	return fields
}

func pairOf(l datamap.Link) [2]string {
	from, to := l.Ends()
	return [2]string{from, to}
}

// What of a tie is asked of a store, and answered.
const (
	askedValues = iota
	askedMine
	askedKeys
	askedOthers
	askedStays
	askedCrowded
	askedSpared
	asked
)

// here tells whether a collection lies in this program's source.
func (p *program) here(c *datamap.Collection) bool { return inSource(p.source, c) }

func inSource(name string, c *datamap.Collection) bool {
	return c.Dataset == nil || c.Dataset.Source == "" || c.Dataset.Source == name
}

// crosses tells whether a reference of the plan is a tie of this source.
func (s *Source) crosses(l datamap.Link) bool {
	from, to := s.holds(l.From.Collection), s.holds(l.To.Collection)
	return from != to || from && s.o.Shard
}

// tieUp gathers the plan's ties, in its order.
func (s *Source) tieUp(p *program) {
	of := map[[2]string]*tie{}
	add := func(l datamap.Link) *tie {
		t := of[pairOf(l)]
		if t == nil {
			t = &tie{n: len(p.ties), l: l, here: s.holds(l.To.Collection)}
			of[pairOf(l)] = t
			p.ties = append(p.ties, t)
		}
		return t
	}
	for _, v := range p.plan.Visits {
		for _, l := range v.Links {
			if s.crosses(l) {
				add(l).leads = true
			}
		}
		for _, l := range v.Referrers {
			if s.crosses(l) {
				add(l).names = true
			}
		}
	}
}

// fedLinks are the ways to a stop by which values may come from elsewhere.
func (p *program) fedLinks(s *stop) []datamap.Link {
	var links []datamap.Link
	for _, l := range s.visit.Links {
		if p.tied(l) != nil {
			links = append(links, l)
		}
	}
	return links
}

// fedReferrers are the references by which a row elsewhere may name one here.
func (p *program) fedReferrers(s *stop) []datamap.Link {
	var links []datamap.Link
	for _, l := range s.visit.Referrers {
		if p.tied(l) != nil {
			links = append(links, l)
		}
	}
	return links
}

func (p *program) tied(l datamap.Link) *tie {
	i := slices.IndexFunc(p.ties, func(t *tie) bool { return t.pair() == pairOf(l) })
	if i < 0 {
		return nil
	}
	return p.ties[i]
}

// elsewhere is a column that lies in another store: its values come as text.
func elsewhere(f *datamap.Field) *column {
	return &column{name: f.Name, typ: "text", class: classText}
}

// What stores tell each other of a reference is one text a value. A reference of
// several columns has several values, which belong together: they travel as a
// JSON array of texts. From inside a document or an array each value travels by itself.

// toldIn is the text by which values travel to the far end of a reference, and what
// joins the FROM list for it: of a UUID that may be a text there, and of a whole
// number that may stand in a document, both usual spellings travel, since nobody
// knows there what the text is.
func toldIn(ties []strand, values []string) (text, more string) {
	columns, spelt := froms(ties), slices.Clone(values)
	for i, t := range ties {
		if number := t.from.class == classInt && t.inside; number || spells(t.from, t.to) {
			other := "upper(" + values[i] + "::text)"
			if number {
				other = "(" + values[i] + "::text || '.0')"
			}
			more += fmt.Sprintf(" CROSS JOIN LATERAL (VALUES (%s::text), (%s)) AS s%d(v)", values[i], other, i)
			columns[i], spelt[i] = &column{typ: "text", class: classText}, fmt.Sprintf("s%d.v", i)
		}
	}
	return toldAs(columns, spelt), more
}

// toldAs is the text by which values of some columns travel.
func toldAs(columns []*column, values []string) string {
	texts := make([]string, len(values))
	for i, c := range columns {
		texts[i] = c.text(values[i])
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "json_build_array(" + strings.Join(texts, ", ") + ")::text"
}

// heard are the n-th columns of values that travelled so. What one of the columns
// cannot hold is left out: such a value matches nothing.
func heard(told []string, columns []*column, n int) []string {
	if len(columns) == 1 {
		return columns[0].class.only(told)
	}
	kept := make([]string, 0, len(told))
next:
	for _, text := range told {
		var parts []string
		if err := json.Unmarshal([]byte(text), &parts); err != nil || len(parts) != len(columns) {
			continue
		}
		for i, c := range columns {
			if !c.class.holds(parts[i]) {
				continue next
			}
		}
		kept = append(kept, parts[n])
	}
	return kept
}

// told is a relation e(v, v1, …) of values that were told from elsewhere, in the
// types of the columns that they come from: known where a shard has the same schema.
func (w *writer) told(columns []*column, name string, pick func(*run) []string) string {
	arrays, names := make([]string, len(columns)), make([]string, len(columns))
	for _, c := range columns {
		name += " " + c.typ
	}
	for i, c := range columns {
		param := w.bind(fmt.Sprintf("%s %d", name, i), func(r *run) any { return heard(pick(r), columns, i) })
		names[i] = v(i)
		switch c.class {
		case classText, classPadded, classInt, classNumeric, classUUID, classInet:
			arrays[i] = c.array(param)
		default:
			arrays[i] = param + "::text[]::" + c.typ + "[]"
		}
	}
	return "unnest(" + strings.Join(arrays, ", ") + ") AS e(" + strings.Join(names, ", ") + ")"
}

// fed are the values, columns v, v1 and so on, of one kind that stores elsewhere
// tell of a reference, ready to be compared with its other end.
func (w *writer) fed(l datamap.Link, kind string, pick func(source.Feed) []string) string {
	ties, pair := w.p.strands(l), pairOf(l)
	list, leads := make([]string, len(ties)), make([]string, len(ties))
	for i, t := range ties {
		list[i] = convert(t.from, t.to, "e."+v(i)) + " AS " + v(i)
		leads[i] = t.leads("e." + v(i))
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " +
		w.told(froms(ties), kind+" "+pair[0]+" "+pair[1], func(r *run) []string { return pick(r.feeds[pair]) }) + " WHERE " + strings.Join(leads, " AND ")
}

func toldValues(f source.Feed) []string { return f.Values }
func toldMine(f source.Feed) []string   { return f.Mine }
func toldStays(f source.Feed) []string  { return f.Stays }
func toldOthers(f source.Feed) []string { return f.Others }
func toldSpared(f source.Feed) []string { return f.Spared }

// untold tells of a walk whether stores elsewhere have nothing of a kind to say
// of a reference.
func untold(l datamap.Link, pick func(source.Feed) []string) func(*run) bool {
	pair := pairOf(l)
	return func(r *run) bool { return len(pick(r.feeds[pair])) == 0 }
}

// fedArms find the rows that rows elsewhere lead to.
func (w *writer) fedArms(s *stop, v variant) []string {
	var arms []string
	for _, l := range w.p.fedLinks(s) {
		arms = append(arms, w.linkArm(s, v, l, w.fed(l, "values", toldValues)))
	}
	return arms
}

// fedMine are the conditions under which a row elsewhere, of the subject alone,
// leads to a reached row; only by references in direction "to", where own is set.
func (w *writer) fedMine(s *stop, own bool) []condition {
	var conditions []condition
	for _, l := range w.p.fedLinks(s) {
		if own && !l.Own {
			continue
		}
		conditions = append(conditions, condition{func() string {
			carried := func(alias, column string) string { return alias + "." + s.f(column) }
			return among(w.p.strands(l), func(c *column) string { return carried("k", c.name) }, w.fed(l, "mine", toldMine)) +
				w.owned(s, l, "k", carried)
		}, untold(l, toldMine)})
	}
	return conditions
}

// fedShared are the conditions under which a row elsewhere that was not reached
// names a reached row.
func (w *writer) fedShared(s *stop) []condition {
	var conditions []condition
	for _, l := range w.p.fedReferrers(s) {
		conditions = append(conditions, condition{func() string {
			pair := pairOf(l)
			same := w.p.strands(l) // the keys come back as they were told: from the very columns
			for i := range same {
				same[i].from = same[i].to
			}
			list := "SELECT " + strings.Join(columnsOf(same, "e"), ", ") + " FROM " +
				w.told(tos(same), "others "+pair[0]+" "+pair[1], func(r *run) []string { return toldOthers(r.feeds[pair]) })
			return among(same, func(c *column) string { return "k." + s.f(c.name) }, list)
		}, untold(l, toldOthers)})
	}
	return conditions
}

// fedNames are the conditions under which a row elsewhere names a reached row, one of
// those of which stores tell what they hold: those that an erasure leaves because they
// are held or shared, or those that are spared.
func (w *writer) fedNames(s *stop, kind string, pick func(source.Feed) []string) []condition {
	var conditions []condition
	for _, l := range w.p.fedReferrers(s) {
		conditions = append(conditions, condition{func() string {
			return among(w.p.strands(l), func(c *column) string { return "k." + s.f(c.name) }, w.fed(l, kind, pick))
		}, untold(l, pick)})
	}
	return conditions
}

// answers is a query of what this store has to tell of its ties: what is told
// (tie and kind in one number) and the value as text.
func (w *writer) answers(rel relation) string {
	parts := []string{"SELECT 0 AS told, '' AS value WHERE false"}
	add := func(t *tie, kind int, sql string) {
		parts = append(parts, fmt.Sprintf("SELECT DISTINCT %d, ", t.n*asked+kind)+sql)
	}
	for _, t := range w.p.ties {
		ties := w.p.strands(t.l)
		if at := w.p.of[t.l.From.Collection.FullName()]; at != nil {
			if t.leads {
				w.toldOn(t, at, ties, rel, func(kind int, sql string) { add(t, kind, sql) })
			}
			if t.names && w.p.plan.Kind == datamap.Erasure {
				add(t, askedStays, w.toldBy(at, ties, rel)+" AND NOT "+at.take("k"))
				if w.v.narrowed {
					add(t, askedSpared, w.toldBy(at, ties, rel)+" AND k.spared")
				}
			}
		}
		if !t.names {
			continue
		}
		back := w.p.strands(turned(t.l))
		if at := w.p.of[t.l.To.Collection.FullName()]; at != nil {
			add(t, askedKeys, w.toldBy(at, back, rel))
		}
		if w.p.here(t.l.From.Collection) {
			add(t, askedOthers, w.namedBy(t, back, rel))
		}
	}
	return strings.Join(parts, " UNION ALL ")
}

// toldBy selects what reached rows of a stop, k, hold at the near end of a
// reference, as it travels.
func (w *writer) toldBy(at *stop, ties []strand, rel relation) string {
	values, more := spread(froms(ties), func(c *column) string { return "k." + at.f(c.name) })
	leads := make([]string, len(ties))
	for i, t := range ties {
		leads[i] = t.leads(values[i])
	}
	told, spelt := toldIn(ties, values)
	return told + " FROM " + rel(at) + " k" + more + spelt + " WHERE " + strings.Join(leads, " AND ")
}

// toldOn adds the values that rows of a stop lead on with. Those which too many
// rows of others hold are told apart, and so are those that other stores lead on
// with: nobody knows but the store where the rows lie.
func (w *writer) toldOn(t *tie, at *stop, ties []strand, rel relation, add func(kind int, sql string)) {
	names := columnsOf(ties, "b")
	told, spelt := toldIn(ties, names)
	told += " FROM ("
	spelt = ") b" + spelt
	if !w.braking(t.l, ties) {
		add(askedValues, told+w.heldBy(at, ties, rel, "")+spelt)
		add(askedMine, told+w.heldBy(at, ties, rel, "k.mine")+spelt)
		return
	}
	free := spelt + " WHERE NOT " + w.crowded(t.l, rel, names)
	add(askedValues, told+w.heldBy(at, ties, rel, "")+free)
	add(askedMine, told+w.heldBy(at, ties, rel, "k.mine")+free)
	add(askedCrowded, told+w.heldBy(at, ties, rel, "")+" UNION "+w.heardOf(t.l, ties)+spelt+" WHERE "+w.crowded(t.l, rel, names))
}

// heldBy selects, as columns v, v1 and so on, what reached rows of a stop lead on with.
func (w *writer) heldBy(at *stop, ties []strand, rel relation, filter string) string {
	mine := strings.TrimPrefix(filter, "k.")
	by := func(l datamap.Link, _ []strand) string { return w.linkValues(l, w.v, rel, mine) }
	return w.held(ties, at, rel, filter, by)
}

// heardOf selects, in the same columns, what rows elsewhere lead on with.
func (w *writer) heardOf(l datamap.Link, ties []strand) string {
	pair := pairOf(l)
	return "SELECT " + strings.Join(columnsOf(ties, "e"), ", ") + " FROM " +
		w.told(froms(ties), "values "+pair[0]+" "+pair[1], func(r *run) []string { return r.feeds[pair].Values })
}

// saidCrowded is the condition that another store has found a value crowded; ""
// where none could.
func (w *writer) saidCrowded(l datamap.Link, ties []strand, values []string) string {
	if w.p.tied(l) == nil {
		return ""
	}
	pair := pairOf(l)
	return "(" + strings.Join(values, ", ") + ") IN (SELECT " + strings.Join(columnsOf(ties, "e"), ", ") + " FROM " +
		w.told(froms(ties), "crowded "+pair[0]+" "+pair[1], func(r *run) []string { return r.feeds[pair].Crowded }) + ")"
}

// namedBy selects those of the keys asked for that a row here names though the
// walk did not reach it; see sharedBy. back is the reference from the row named.
func (w *writer) namedBy(t *tie, back []strand, rel relation) string {
	holder, pair := w.p.cat.table(t.l.From.Collection), t.pair()
	keys := columnsOf(back, "e")
	values := make([]string, len(back))
	for i, b := range back {
		values[i] = convert(b.from, b.to, keys[i])
	}
	sql := "SELECT 1 FROM " + holder.ident() + " d WHERE " + w.equals(holder, back, "d", values)
	for _, at := range w.p.on(holder.oid) {
		sql += " AND NOT " + w.isIn(at, cols("d", at.key), rel(at), "")
	}
	return toldAs(froms(back), keys) + " FROM " + w.told(froms(back), "keys "+pair[0]+" "+pair[1], func(r *run) []string { return r.feeds[pair].Keys }) +
		" WHERE EXISTS (" + fencedFor(back, sql+apart(holder, back)) + ")"
}

// Trace walks as Find does and tells what rows elsewhere have to know of it:
// the values that lead on, those that the subject alone leads with, the keys
// reached, which of the keys in the walk's feeds a row here names that was not
// reached, and what of an erasure stays. It changes nothing.
func (s *Source) Trace(ctx context.Context, w source.Walk, h source.Holds) (trace source.Trace, err error) {
	defer func() { err = s.failed("trace", err) }()
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		c, err := s.ready(ctx, conn, w, h)
		if err != nil || len(c.p.ties) == 0 {
			return err
		}
		if w.Plan.Kind == datamap.Erasure && w.Restricted && slices.ContainsFunc(w.Feeds, func(f source.Feed) bool { return len(f.Keys) > 0 }) {
			// What an erasure has masked here no identity matches any more, and it
			// would pass for a stranger's: who names a key is asked with the ticked
			// rows reached by their own keys.
			c.v.again, c.r.erased = true, c.r.roots
		}
		trace, err = c.trace(ctx, conn)
		return err
	})
	return trace, err
}

func (c *carriage) trace(ctx context.Context, conn *pgxpool.Conn) (trace source.Trace, err error) {
	if !c.staged() {
		v, before := c.v, c.r.held
		v.held = v.held || len(c.holdings) > 0
		var big bool
		err := c.atOnce(ctx, conn, reading, c.p.tracing(v), func(row pgx.Row) (err error) {
			trace, big, err = c.traced(row)
			return err
		}, func() error {
			if big {
				return errBig
			}
			return nil
		})
		c.r.held = before
		if !errors.Is(err, errBig) {
			return trace, err
		}
	}
	if err := c.prepare(ctx, conn); err != nil {
		return trace, err
	}
	err = c.s.inTx(ctx, conn, reading, func(tx pgx.Tx) error {
		if err := c.walkInStages(ctx, tx); err != nil {
			return err
		}
		if !slices.ContainsFunc(c.r.rows, func(n int64) bool { return n > 0 }) && len(c.r.feeds) == 0 {
			trace = c.silence()
			return nil
		}
		g := c.keys()
		st := c.p.statement("stage trace"+g.role+g.name(), func() *statement {
			w := &writer{p: c.p, staged: true, v: c.v}
			total := []string{"0"}
			for _, at := range c.p.stops {
				total = append(total, "(SELECT count(*) FROM "+g.in(at)+")")
			}
			return w.statement("SELECT false, (" + strings.Join(total, " + ") + ")::int8, array_agg(a.told), array_agg(a.value) FROM (" + w.answers(g.in) + ") a")
		})
		trace, _, err = c.traced(tx.QueryRow(ctx, st.sql, st.args(c.r)...))
		return err
	})
	return trace, err
}

// tracing is a trace as one statement; see chain.
func (p *program) tracing(v variant) *statement {
	return p.statement("trace"+v.name(), func() *statement {
		w := &writer{p: p}
		with := w.walked(v)
		cte := func(name, body string) { with = append(with, name+" AS MATERIALIZED ("+body+")") }
		total := []string{"0"}
		for _, s := range p.stops {
			total = append(total, "(SELECT count(*) FROM "+reachedIn(s)+")")
		}
		count := "(" + strings.Join(total, " + ") + ")::int8"
		w.marks(cte, v)
		return w.statement("WITH " + strings.Join(with, ",\n") + "\nSELECT (SELECT yes FROM big), " + count +
			", array_agg(a.told), array_agg(a.value) FROM (" + w.answers(w.mineIn(v)) + ") a")
	})
}

// silence is the trace of a store that has nothing to tell of the ties.
func (c *carriage) silence() (trace source.Trace) {
	trace.Feeds = make([]source.Feed, len(c.p.ties))
	for i, t := range c.p.ties {
		trace.Feeds[i].From, trace.Feeds[i].To = t.pair()[0], t.pair()[1]
	}
	return trace
}

// traced turns a trace's row into feeds, in the order of the ties.
func (c *carriage) traced(row pgx.Row) (trace source.Trace, big bool, err error) {
	var told []int32
	var values []string
	trace = c.silence()
	if err := row.Scan(&big, &trace.Rows, &told, &values); err != nil {
		return trace, false, fmt.Errorf("trace: %w", err)
	}
	for i, code := range told {
		list := trace.Feeds[code/asked].Lists()[code%asked]
		*list = append(*list, values[i])
	}
	return trace, big, nil
}
