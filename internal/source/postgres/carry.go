package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// A result is the one row that a walk comes back with.
type result struct {
	p         *program
	big       bool
	xid       string
	counts    []int64 // tallied for each stop
	beyond    []int64 // see foreseen
	brakes    []int64
	addresses []string // in order, maxAddresses at most
	keys      []source.RowKey
	files     []source.Object // that the rows erased or masked named
	stayed    []source.KeptRow
	braked    []source.Brake
}

// The places of a stop's counts.
const (
	mine = iota
	shared
	held
	deleted
	masked
	keptByLaw
	stays
	tallied
)

func read(ctx context.Context, db pg.DB, st *statement, r *run) (*result, error) {
	return scan(db.QueryRow(ctx, st.sql, st.args(r)...), r)
}

func scan(row pgx.Row, r *run) (*result, error) {
	res := &result{p: r.p}
	var at []int32
	var keys []string
	var stayedAt []int32
	var stayed []string
	var until []*time.Time
	var held []bool
	if err := row.Scan(&res.big, &res.xid, &res.counts, &res.beyond, &res.brakes, &res.addresses, &at, &keys, &stayedAt, &stayed, &until, &held); err != nil {
		return nil, fmt.Errorf("walk: %w", err)
	}
	res.add(at, keys)
	for i, key := range stayed {
		k := source.KeptRow{RowKey: source.RowKey{Collection: r.p.stops[stayedAt[i]].c.FullName(), Key: key}, Held: held[i], By: r.p.stops[stayedAt[i]].keyedBy()}
		if until[i] != nil {
			k.Until = until[i].UTC()
		}
		res.stayed = append(res.stayed, k)
	}
	return res, nil
}

// join adds what was counted of the stops that come next.
func (res *result) join(next *result) {
	res.counts, res.beyond, res.brakes = append(res.counts, next.counts...), append(res.beyond, next.beyond...), append(res.brakes, next.brakes...)
	res.addresses = append(res.addresses, next.addresses...)
	slices.Sort(res.addresses)
	res.addresses = slices.Compact(res.addresses)
	res.addresses = res.addresses[:min(len(res.addresses), maxAddresses)]
	res.stayed = append(res.stayed, next.stayed...)
	res.stayed = res.stayed[:min(len(res.stayed), maxKeys)]
}

func (res *result) add(at []int32, keys []string) {
	files := res.p.files()
	for i, k := range keys {
		if n := int(at[i]) - len(res.p.stops); n >= 0 { // see fileKeys
			res.files = append(res.files, source.Object{Store: files[n].field.Object, Key: k})
			continue
		}
		res.keys = append(res.keys, source.RowKey{Collection: res.p.stops[at[i]].c.FullName(), Key: k})
	}
}

// findings are the counts in walk order, with erased and masked where asked for.
// What was only followed does not count (datamap.Plan.Counts).
func (res *result) findings(name string) []source.Finding {
	all := make([]source.Finding, 0, len(res.p.stops))
	for _, s := range res.p.stops {
		if !s.counts {
			continue
		}
		c := res.counts[s.i*tallied:]
		all = append(all, source.Finding{Source: name, Collection: s.c.FullName(),
			Rows: c[mine], Shared: c[shared], Held: c[held], Kept: c[keptByLaw], Erased: c[deleted], Masked: c[masked], Stays: c[stays]})
	}
	return all
}

// A holding is a walk whose rows must stay.
type holding struct {
	p *program
	r *run
}

// A carriage is one walk made ready on a connection.
type carriage struct {
	s        *Source
	p        *program
	r        *run
	v        variant
	holdings []holding
	// sliceAbove is the number of rows above which tooMany is given; 0: none.
	sliceAbove int64
	slice      int64 // see stage
}

// ready binds a walk and the walks that hold rows to the tables.
func (s *Source) ready(ctx context.Context, conn *pgxpool.Conn, w source.Walk, h source.Holds) (*carriage, error) {
	p, err := s.program(ctx, conn, w.Plan)
	if err != nil {
		return nil, err
	}
	if reasons := p.otherKeys(w.KeyedBy); len(reasons) > 0 {
		return nil, &Unfit{Source: s.name, Reasons: reasons}
	}
	if w, err = spelt(ctx, conn, w); err != nil {
		return nil, err
	}
	c := &carriage{s: s, p: p, r: newRun(w, s.o.StagedAbove), v: variant{restricted: w.Restricted, held: len(h.Rows) > 0, narrowed: p.narrowedBy(w)}}
	c.r.p = p
	c.r.held = byCollection(h.Rows)
	for _, hw := range h.Walks {
		hp, err := s.program(ctx, conn, hw.Plan)
		if err != nil {
			return nil, fmt.Errorf("a walk that holds rows: %w", err)
		}
		if len(hp.stops) == 0 {
			continue
		}
		if hw, err = spelt(ctx, conn, hw); err != nil {
			return nil, err
		}
		r := newRun(hw, s.o.StagedAbove)
		r.p = hp
		c.holdings = append(c.holdings, holding{p: hp, r: r})
	}
	return c, nil
}

// staged tells whether the walk must be staged from the start.
func (c *carriage) staged() bool {
	return c.v.narrowed || c.p.always != "" || c.s.o.StagedAbove < 0 || slices.ContainsFunc(c.holdings, func(h holding) bool { return !c.named(h.p) })
}

// named tells whether the rows that another plan reaches have, in both, the same
// keys, so that what it holds can be bound by them.
func (c *carriage) named(h *program) bool {
	return h.always == "" && !slices.ContainsFunc(h.stops, func(a *stop) bool {
		return slices.ContainsFunc(c.p.on(a.t.oid), func(b *stop) bool { return !slices.Equal(a.key, b.key) })
	})
}

// heldBy are the statements of the walks that hold rows, one after the other.
func (c *carriage) heldBy(b *pgx.Batch) {
	for _, h := range c.holdings {
		st := h.p.chain(toHold, variant{restricted: h.r.walk.Restricted})
		b.Queue(st.sql, st.args(h.r)...)
	}
}

// hold takes in what these walks reached: from here on, single rows are held.
func (c *carriage) hold(sent pgx.BatchResults) error {
	held := map[string][]string{}
	for name, keys := range c.r.held {
		held[name] = slices.Clone(keys)
	}
	for _, h := range c.holdings {
		res, err := scan(sent.QueryRow(), h.r)
		if err != nil {
			return fmt.Errorf("a walk that holds rows: %w", err)
		}
		if res.big {
			return errBig
		}
		for _, k := range res.keys {
			for _, at := range c.p.on(h.p.of[k.Collection].t.oid) {
				held[at.c.FullName()] = append(held[at.c.FullName()], k.Key)
			}
		}
	}
	c.r.held = held
	return nil
}

// do carries out a task in a transaction: as one statement where that may be,
// staged where it must be or where the statement reached too much. finish runs
// inside the transaction, after the task.
func (c *carriage) do(ctx context.Context, conn *pgxpool.Conn, how string, t task, finish func(pg.DB, *result) error) error {
	if t == toErase {
		defer c.p.cat.firing(conn)
	}
	if !c.staged() && c.slice == 0 {
		if t == toErase {
			if tried, err := c.quickly(ctx, conn, how, finish); tried {
				return err
			}
		}
		var res *result
		v, before := c.v, c.r.held
		v.held = v.held || len(c.holdings) > 0
		err := c.atOnce(ctx, conn, how, c.p.chain(t, v), func(row pgx.Row) (err error) {
			res, err = scan(row, c.r)
			return err
		}, func() error {
			if res.big {
				return errBig
			}
			if err := c.apart(t, how, res); err != nil {
				return err
			}
			if err := c.beyond(t, res, func() foreseen { return c.p.foreseen(t, v) }); err != nil {
				return err
			}
			return finish(conn, res)
		})
		c.r.held = before
		if !errors.Is(err, errBig) {
			return err
		}
		return c.stage(ctx, conn, how, t, finish)
	}
	return c.stage(ctx, conn, how, t, finish)
}

// whole is a transaction whose statements see one snapshot.
func whole(how string) string {
	if how == looking {
		return reading
	}
	return how
}

// stage carries out a task in key tables.
func (c *carriage) stage(ctx context.Context, conn *pgxpool.Conn, how string, t task, finish func(pg.DB, *result) error) error {
	if err := c.prepare(ctx, conn); err != nil {
		return err
	}
	return c.s.inTx(ctx, conn, whole(how), func(tx pgx.Tx) error {
		res, err := c.inStages(ctx, tx, t, how)
		if err != nil {
			return err
		}
		return finish(tx, res)
	})
}

// errBig ends a transaction whose statement reached more than it should carry.
var errBig = errors.New("reached too many rows for one statement")

// atOnce begins a transaction and runs a walk's statement in one round trip, or
// in two where other walks say what is held; finish runs inside the transaction,
// which then ends in another.
func (c *carriage) atOnce(ctx context.Context, conn *pgxpool.Conn, how string, st *statement, read func(pgx.Row) error, finish func() error) (err error) {
	if err := c.s.settings(ctx, conn); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			if err = commit(ctx, conn); err != nil && !restarting(err) {
				err = &unsure{err}
			}
		}
		if err != nil {
			abandon(ctx, conn)
		}
	}()
	var b pgx.Batch
	if len(c.holdings) > 0 {
		b.Queue(whole(how))
		c.heldBy(&b)
	} else {
		b.Queue(how)
		b.Queue(st.sql, st.args(c.r)...)
	}
	sent := conn.SendBatch(ctx, &b)
	_, err = sent.Exec()
	switch {
	case err != nil:
	case len(c.holdings) > 0:
		err = c.hold(sent)
	default:
		err = read(sent.QueryRow())
	}
	if closed := sent.Close(); err == nil {
		err = closed
	}
	if err == nil && len(c.holdings) > 0 {
		err = read(conn.QueryRow(ctx, st.sql, st.args(c.r)...))
	}
	if err != nil {
		return err
	}
	return finish()
}

// unsure is an error of a commit after which nobody knows here whether it happened.
type unsure struct{ error }

func (u *unsure) Unwrap() error { return u.error }

// commit ends the transaction on a connection. Of one that had failed Postgres
// says "ROLLBACK", and no error.
func commit(ctx context.Context, conn *pgxpool.Conn) error {
	tag, err := conn.Exec(ctx, "commit")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	return err
}

// abandon rolls back what is open on a connection, also when ctx has ended.
func abandon(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "rollback") // a connection that cannot is closed when it is given back
}

// prepare makes the key tables of the walk and of those that hold rows.
func (c *carriage) prepare(ctx context.Context, conn *pgxpool.Conn) error {
	if err := c.keys().prepare(ctx, c.s, conn); err != nil {
		return err
	}
	for _, h := range c.holdings {
		if err := h.p.stage("h").prepare(ctx, c.s, conn); err != nil {
			return err
		}
	}
	return nil
}

// keys is the stage of the walk itself.
func (c *carriage) keys() *stage {
	g := c.p.stage("k")
	g.slice, g.v, g.certain = c.slice, c.v, c.p.certain(c.v, len(c.holdings) > 0)
	if g.slice > 0 {
		g.certain = slices.Clone(g.certain)
		for i := range g.certain {
			g.certain[i].del = false // a part of the rows are read
		}
	}
	if g.unasked() {
		g.role = "u"
	}
	return g
}

// inStages carries out a task in key tables.
func (c *carriage) inStages(ctx context.Context, tx pgx.Tx, t task, how string) (*result, error) {
	g := c.keys()
	if err := c.walkInStages(ctx, tx); err != nil {
		return nil, err
	}
	if t != toFind {
		if err := g.settle(ctx, tx, c.r); err != nil {
			return nil, err
		}
	}
	res, err := g.count(ctx, tx, c.r, t)
	if err != nil {
		return nil, err
	}
	if err := cmp.Or(c.apart(t, how, res), c.beyond(t, res, func() foreseen { return g.writer().foreseen(t) })); err != nil {
		return nil, err
	}
	if t == toErase && c.sliceAbove > 0 && res.total() > c.sliceAbove {
		return nil, &tooMany{res.total()}
	}
	if t == toErase {
		if err := g.encrypt(ctx, tx, c.r); err != nil {
			return nil, err
		}
		if err := g.change(ctx, tx, c.r, res); err != nil {
			return nil, err
		}
		res.keys = res.keys[:min(len(res.keys), maxKeys)]
		if err := g.files(ctx, tx, c.r, res); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// walkInStages fills the key tables and marks what is shared, the subject's, held.
func (c *carriage) walkInStages(ctx context.Context, tx pgx.Tx) error {
	g := c.keys()
	if err := g.fill(ctx, tx, c.r, c.v); err != nil {
		return err
	}
	if err := g.mark(ctx, tx, c.r, c.v); err != nil {
		return err
	}
	if c.v.narrowed {
		if err := g.spare(ctx, tx, c.r); err != nil {
			return err
		}
	}
	for _, h := range c.holdings {
		by := h.p.stage("h")
		if err := by.fill(ctx, tx, h.r, variant{restricted: h.r.walk.Restricted}); err != nil {
			return err
		}
		if err := g.hold(ctx, tx, c.r, by, h.r); err != nil {
			return err
		}
	}
	return nil
}

// beyond refuses an erasure, and its dry run, that foreign keys would carry beyond the plan, or
// that met values which strangers share.
func (c *carriage) beyond(t task, res *result, of func() foreseen) error {
	if len(res.beyond)+len(res.brakes) == 0 || c.slice > 0 {
		return nil
	}
	all := of()
	stops := t == toErase || t == toTry
	if stops {
		if err := c.p.told(all.beyond, res.beyond); err != nil {
			return err
		}
	}
	braked := &Braked{Source: c.s.name, Limit: c.p.overShared}
	for i, b := range all.brakes {
		if i < len(res.brakes) && res.brakes[i] > 0 {
			res.braked = append(res.braked, source.Brake{Source: c.s.name, From: b.link.From.FullName(), To: b.link.To.FullName(), Values: res.brakes[i]})
			braked.Links = append(braked.Links, between(b.link))
		}
	}
	if stops && len(braked.Links) > 0 {
		return braked
	}
	return nil
}

// on runs f with a connection of the pool.
func (s *Source) on(ctx context.Context, f func(*pgxpool.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return s.onceMore(func() error { return f(conn) })
}

// onceMore runs f, and again with what the catalogue says then where a table has
// changed since it was read: what met the change was rolled back.
func (s *Source) onceMore(f func() error) error {
	err := f()
	if outdated(err) {
		s.forget()
		err = f()
	}
	return err
}
