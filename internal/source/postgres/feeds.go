package postgres

import (
	"context"
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

func pairOf(l datamap.Link) [2]string { return [2]string{l.From.FullName(), l.To.FullName()} }

// What of a tie is asked of a store, and answered.
const (
	askedValues = iota
	askedMine
	askedKeys
	askedOthers
	askedStays
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
func (s *Source) tieUp(p *program) error {
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
			if !s.crosses(l) {
				continue
			}
			if why := untold(l); why != "" {
				return &Unfit{Source: s.name, Reasons: []string{why}}
			}
			add(l).leads = true
		}
		for _, l := range v.Referrers {
			if s.crosses(l) && untold(l) == "" {
				add(l).names = true
			}
		}
	}
	return nil
}

// untold says why a reference cannot be followed from one store to another.
func untold(l datamap.Link) string {
	between := l.From.FullName() + " → " + l.To.FullName()
	switch {
	case len(l.And) > 0:
		return between + ": a reference of several columns (all_of) cannot lead from one database to another yet; keep both ends in one, or name a single column"
	case l.From.Parent != nil || l.To.Parent != nil || l.From.Array || l.To.Array:
		return between + ": a reference by an array or a field inside JSON cannot lead from one database to another yet; keep both ends in one"
	}
	return ""
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
	i := slices.IndexFunc(p.ties, func(t *tie) bool { return t.l.From == l.From && t.l.To == l.To })
	if i < 0 {
		return nil
	}
	return p.ties[i]
}

// elsewhere is a column that lies in another store: its values come as text.
func elsewhere(f *datamap.Field) *column {
	return &column{name: f.Name, typ: "text", class: classText}
}

// told is a relation e(v) of values that were told from elsewhere, in the type
// of the column that they come from: known where a shard has the same schema.
func (w *writer) told(c *column, name string, pick func(*run) []string) string {
	param := w.bind(name+" "+c.typ, func(r *run) any { return c.class.only(pick(r)) })
	switch c.class {
	case classText, classPadded, classInt, classNumeric, classUUID, classInet:
		return "unnest(" + c.array(param) + ") AS e(v)"
	}
	return "unnest(" + param + "::text[]::" + c.typ + "[]) AS e(v)"
}

// fed are the values, column v, of one kind that stores elsewhere tell of a
// reference, ready to be compared with its other end.
func (w *writer) fed(l datamap.Link, kind string, pick func(source.Feed) []string) string {
	from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
	pair := pairOf(l)
	return "SELECT " + convert(from, to, "e.v") + " AS v FROM " +
		w.told(from, kind+" "+pair[0]+" "+pair[1], func(r *run) []string { return pick(r.feeds[pair]) }) + " WHERE " + from.leads("e.v")
}

// fedArms find the rows that rows elsewhere lead to.
func (w *writer) fedArms(s *stop, v variant) []string {
	var arms []string
	for _, l := range w.p.fedLinks(s) {
		arms = append(arms, w.linkArm(s, v, l, w.fed(l, "values", func(f source.Feed) []string { return f.Values })))
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
		conditions = append(conditions, func() string {
			from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
			carried := func(alias, column string) string { return alias + "." + s.f(column) }
			return linked(from, to, carried("k", to.name)) + " IN (" + w.fed(l, "mine", func(f source.Feed) []string { return f.Mine }) + ")" +
				w.owned(s, l, "k", carried)
		})
	}
	return conditions
}

// fedShared are the conditions under which a row elsewhere that was not reached
// names a reached row.
func (w *writer) fedShared(s *stop) []condition {
	var conditions []condition
	for _, l := range w.p.fedReferrers(s) {
		conditions = append(conditions, func() string {
			to, pair := w.p.columnOf(l.To), pairOf(l)
			return linked(to, to, "k."+s.f(to.name)) + " IN (SELECT " + convert(to, to, "e.v") + " FROM " +
				w.told(to, "others "+pair[0]+" "+pair[1], func(r *run) []string { return r.feeds[pair].Others }) + ")"
		})
	}
	return conditions
}

// fedKept are the conditions under which a row elsewhere, that an erasure
// leaves because it is held or shared, names a row.
func (w *writer) fedKept(s *stop) []condition {
	var conditions []condition
	for _, l := range w.p.fedReferrers(s) {
		conditions = append(conditions, func() string {
			from, to := w.p.columnOf(l.From), w.p.columnOf(l.To)
			return linked(from, to, "k."+s.f(to.name)) + " IN (" + w.fed(l, "stays", func(f source.Feed) []string { return f.Stays }) + ")"
		})
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
		from, to := w.p.columnOf(t.l.From), w.p.columnOf(t.l.To)
		if at := w.p.of[t.l.From.Collection.FullName()]; at != nil {
			name := "k." + at.f(from.name)
			rows := from.text(name) + " FROM " + rel(at) + " k WHERE " + from.leads(name)
			if t.leads {
				add(t, askedValues, rows)
				add(t, askedMine, rows+" AND k.mine")
			}
			if t.names && w.p.plan.Kind == datamap.Erasure {
				add(t, askedStays, rows+" AND NOT "+at.take("k"))
			}
		}
		if !t.names {
			continue
		}
		if at := w.p.of[t.l.To.Collection.FullName()]; at != nil {
			name := "k." + at.f(to.name)
			add(t, askedKeys, to.text(name)+" FROM "+rel(at)+" k WHERE "+to.leads(name))
		}
		if w.p.here(t.l.From.Collection) {
			add(t, askedOthers, w.namedBy(t, rel))
		}
	}
	return strings.Join(parts, " UNION ALL ")
}

// namedBy selects those of the keys asked for that a row here names though the
// walk did not reach it; see sharedBy.
func (w *writer) namedBy(t *tie, rel relation) string {
	holder := w.p.cat.table(t.l.From.Collection)
	from, to := w.p.columnOf(t.l.From), w.p.columnOf(t.l.To)
	pair := t.pair()
	sql := to.text("e.v") + " FROM " + w.told(to, "keys "+pair[0]+" "+pair[1], func(r *run) []string { return r.feeds[pair].Keys }) +
		" WHERE EXISTS (SELECT 1 FROM " + holder.ident() + " d WHERE " + linked(to, from, col("d", from.name)) + " = " + convert(to, from, "e.v")
	for _, at := range w.p.on(holder.oid) {
		sql += " AND NOT " + w.isIn(at, cols("d", at.key), rel(at), "")
	}
	return sql + apart(holder, []strand{{from: to, to: from}}) + ")"
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
		trace, err = c.trace(ctx, conn)
		return err
	})
	return trace, err
}

func (c *carriage) trace(ctx context.Context, conn *pgxpool.Conn) (trace source.Trace, err error) {
	if !c.staged() {
		var big bool
		err := c.s.inTx(ctx, conn, reading, func(tx pgx.Tx) (err error) {
			trace, big, err = c.read(ctx, tx, c.p.tracing(c.v))
			return err
		})
		if err != nil || !big {
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
		g := c.keys()
		st := c.p.statement("stage trace"+g.role, func() *statement {
			w := &writer{p: c.p, staged: true}
			total := []string{"0"}
			for _, at := range c.p.stops {
				total = append(total, "(SELECT count(*) FROM "+g.in(at)+")")
			}
			return w.statement("SELECT false, (" + strings.Join(total, " + ") + ")::int8, array_agg(a.told), array_agg(a.value) FROM (" + w.answers(g.in) + ") a")
		})
		trace, _, err = c.read(ctx, tx, st)
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

// read turns a trace's row into feeds, in the order of the ties.
func (c *carriage) read(ctx context.Context, tx pgx.Tx, st *statement) (trace source.Trace, big bool, err error) {
	var told []int32
	var values []string
	if err := tx.QueryRow(ctx, st.sql, st.args(c.r)...).Scan(&big, &trace.Rows, &told, &values); err != nil {
		return trace, false, fmt.Errorf("trace: %w", err)
	}
	trace.Feeds = make([]source.Feed, len(c.p.ties))
	for i, t := range c.p.ties {
		trace.Feeds[i].From, trace.Feeds[i].To = t.pair()[0], t.pair()[1]
	}
	for i, code := range told {
		f := &trace.Feeds[code/asked]
		list := []*[]string{&f.Values, &f.Mine, &f.Keys, &f.Others, &f.Stays}[code%asked]
		*list = append(*list, values[i])
	}
	return trace, big, nil
}
