package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// Snapshot opens one consistent view for an archive. Rows travel one at a time;
// the keys of a subject with few rows are held here, those of one with many
// stay in key tables of the connection.
func (s *Source) Snapshot(ctx context.Context, w source.Walk) (_ source.Snapshot, err error) {
	defer func() { err = s.failed("open a snapshot", err) }()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	var snap *snapshot
	err = s.onceMore(func() (err error) {
		snap, err = s.snapshot(ctx, conn, w)
		return err
	})
	if err != nil {
		conn.Release()
		return nil, err
	}
	return snap, nil
}

func (s *Source) snapshot(ctx context.Context, conn *pgxpool.Conn, w source.Walk) (*snapshot, error) {
	c, err := s.ready(ctx, conn, w, source.Holds{})
	if err != nil {
		return nil, err
	}
	c.v.all = w.IncludeShared
	n := &snapshot{s: s, c: c, conn: conn, staged: c.staged()}
	if !n.staged {
		if ok, err := n.atOnce(ctx); ok || err != nil {
			return n, err
		}
		res, err := n.open(ctx, func(tx pgx.Tx) (*result, error) { return read(ctx, tx, c.p.chain(toGive, c.v), c.r) })
		if err != nil {
			return nil, err
		}
		if !res.big {
			c.r.given = byCollection(res.keys)
			return n, nil
		}
		rollback(ctx, n.tx)
		n.staged = true
	}
	if err := c.prepare(ctx, conn); err != nil {
		return nil, err
	}
	_, err = n.open(ctx, func(tx pgx.Tx) (*result, error) { return c.inStages(ctx, tx, toFind, reading) })
	return n, err
}

// open begins the transaction that is the view, and walks in it.
func (n *snapshot) open(ctx context.Context, walk func(pgx.Tx) (*result, error)) (*result, error) {
	tx, err := n.s.begin(ctx, n.conn, reading)
	if err != nil {
		return nil, err
	}
	res, err := walk(tx)
	if err != nil {
		rollback(ctx, tx)
		return nil, err
	}
	n.tx = tx
	if !res.big {
		n.findings = res.findings(n.s.name)
	}
	return res, nil
}

type snapshot struct {
	s        *Source
	c        *carriage
	staged   bool
	findings []source.Finding

	mu   sync.Mutex // one statement at a time on one connection
	conn *pgxpool.Conn
	tx   pgx.Tx
	// unhurried: the transaction has no statement_timeout any more, see stream.
	unhurried bool
	// brought are the rows of a small subject, by stop, which came with the walk.
	brought [][][]cell
	closed  bool
}

var errClosed = errors.New("the snapshot is closed")

// Findings are the counts, in walk order.
func (n *snapshot) Findings() []source.Finding { return slices.Clone(n.findings) }

// Close ends the view. It may be called again.
func (n *snapshot) Close(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed, n.brought = true, nil
	if n.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// A commit, though nothing was changed: it empties the key tables, which a
	// rollback would leave full of dead rows.
	if err := n.tx.Commit(ctx); err != nil {
		rollback(ctx, n.tx)
	}
	n.conn.Release()
	n.conn = nil
	return nil
}

// Rows streams the rows of a collection: those of the subject alone, the shared
// ones that these point to, and with IncludeShared all of them. Rows without a
// value in any field that is asked for are dropped. What yield returns stops it.
func (n *snapshot) Rows(ctx context.Context, collection string, yield func(source.Row) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return fmt.Errorf("source %s: %w", n.s.name, errClosed)
	}
	at := n.c.p.of[collection]
	if at == nil {
		return fmt.Errorf("source %s: the plan does not visit %s", n.s.name, collection)
	}
	var refused error
	rows := n.rows
	if n.brought != nil {
		rows = n.carried
	}
	err := rows(ctx, at, func(r source.Row) error {
		refused = yield(r)
		return refused
	})
	if refused != nil {
		return refused
	}
	return n.s.failed("read the rows of "+collection, err)
}

func (n *snapshot) rows(ctx context.Context, at *stop, yield func(source.Row) error) error {
	gifts := at.given()
	if len(gifts) == 0 || n.staged && n.c.r.rows[at.i] == 0 {
		return nil
	}
	st := n.c.p.statement(fmt.Sprintf("rows %d %t%s %s", at.i, n.staged, n.c.v.name(), n.c.keys().role), func() *statement {
		w := &writer{p: n.c.p, staged: n.staged}
		return w.statement(n.query(w, at, gifts, n.marked()))
	})
	rows, err := n.stream(ctx, st, n.c.r)
	if err != nil {
		return err
	}
	defer rows.Close()
	names := make([]string, len(gifts))
	classes := make([]class, len(gifts))
	for i, g := range gifts {
		names[i], classes[i] = g.field.Name, at.t.columns[g.field.Name].class
	}
	ranked := at.ranked(n.s.o.Shard)
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return pg.Clean(err)
		}
		var rank []any
		for i, c := range ranked {
			rank = append(rank, c.rankClass().value(values[len(gifts)+i]))
		}
		long, _ := values[len(values)-1].([]any)
		values = values[:len(gifts)]
		for i := range values {
			values[i] = classes[i].value(values[i])
			if long != nil && long[1+i] == "true" {
				values[i] = n.long(at, i, long[0])
			}
		}
		if err := yield(source.Row{Fields: names, Values: values, Rank: rank}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// in is where a collection's keys stand: in its key table, or bound.
func (n *snapshot) in(w *writer, at *stop) string {
	if n.staged {
		return n.c.keys().in(at)
	}
	return "(SELECT * FROM " + w.keyRows(at, places(at), "x", keyNames(at), "given", func(r *run) map[string][]string { return r.given }) + ")"
}

// places are those of all columns of a stop's key.
func places(at *stop) []int {
	all := make([]int, len(at.key))
	for i := range all {
		all[i] = i
	}
	return all
}

// gift is the expression of what is given of a column.
func (n *snapshot) gift(w *writer, at *stop, g gift) string {
	return w.gift(at, g, func(l datamap.Link, ties []strand) string { return n.led(w, l, ties) })
}

// query writes the query of a collection's rows: what is given of them, by what
// they are ranked, and where a value does not travel along the key and which.
func (n *snapshot) query(w *writer, at *stop, gifts []gift, filter string) string {
	var list, order, some []string
	which := []string{keyText(cols("t", at.key))}
	for _, g := range gifts {
		given := n.gift(w, at, g)
		if long := n.tooLongToTravel(g, at.t.columns[g.field.Name], given); long != "" {
			given = "CASE WHEN " + long + " THEN NULL ELSE " + given + " END"
			some, which = append(some, long), append(which, "(("+long+") IS TRUE)::text")
		} else {
			which = append(which, "''")
		}
		list = append(list, given)
	}
	for _, c := range at.ranked(true) {
		order = append(order, c.ranks(col("t", c.name)))
	}
	for _, c := range at.ranked(n.s.o.Shard) {
		list = append(list, c.rank(col("t", c.name)))
	}
	list = append(list, "CASE WHEN "+strings.Join(append(some, "false"), " OR ")+" THEN ARRAY["+strings.Join(which, ", ")+"] END")
	return "SELECT " + strings.Join(list, ", ") + " FROM " + at.t.ident() + " t WHERE " + w.byKey(at, n.in(w, at), filter) +
		" AND " + at.some() + " ORDER BY " + strings.Join(order, ", ")
}

// marked is the condition that a reached row k is given to the subject.
func (n *snapshot) marked() string {
	switch {
	case n.staged && !n.c.v.all:
		return "(k.mine OR k.own)"
	case n.c.v.narrowed:
		return "NOT k.outside"
	}
	return "true"
}

// led are the values with which rows that the subject is given lead on over a link.
func (n *snapshot) led(w *writer, l datamap.Link, ties []strand) string {
	from := n.c.p.of[l.From.Collection.FullName()]
	by := func(l datamap.Link, ties []strand) string { return n.led(w, l, ties) }
	if n.staged {
		return w.leading(ties, from, n.in(w, from), n.marked(), by)
	}
	return valueList(ties, from.t.ident()+" t", w.byKey(from, n.in(w, from), "true"), func(c *column) string {
		if w.divides(from, c) {
			return w.ownIn(from, c, by)
		}
		return from.t.inRow("t", c)
	})
}

var _ source.Snapshot = (*snapshot)(nil)
