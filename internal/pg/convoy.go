package pg

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A convoy is work that is written for one and carried out for many at a time.
// Each member runs as it would alone, in a goroutine of its own; but whenever
// all of them wait for the database, what they ask goes there together: as one
// pipeline, and in one transaction for all that are in one (InTx). So a
// statement costs no round trip of its own, and a hundred members cost one
// commit. What is asked of something else than this database can be gathered in
// the same way (Gather).
//
// Members do not depend on each other's luck: when the shared transaction fails,
// or one of its members gives up, it is rolled back, and each member's part
// is carried out again in a transaction of its own. A function given to InTx
// must therefore be one that can be called again.
type convoy struct {
	pool *pgxpool.Pool

	scanning sync.Mutex // types is not safe for concurrent use
	types    *pgtype.Map

	mu      sync.Mutex
	busy    int // members that neither wait here nor are away
	soon    int // members that are away and expected back (Soon)
	waited  waiting
	kick    chan struct{}
	asks    []*ask // outside of a transaction
	tx      *shared
	errands []*errands // by key, in the order in which they came
}

// A shared transaction is that of all members that are in one.
type shared struct {
	members int
	asks    []*ask
	ready   []*ask // those who have come to their commit, or gave up
	failed  bool
	conn    *pgxpool.Conn
	tx      *pipelined
	later   deferred
	claims  map[any]*memberTx
}

// An ask is what one member waits for: the statements of a batch, or one that
// may be answered together with others (Each).
type ask struct {
	batch   *pgx.Batch
	each    *eachly
	results []outcome
	err     error
	done    chan struct{}
}

// errApart says that what was tried together has to be done alone.
var errApart = errors.New("pg: to be done apart")

// A seat is one member's place: what it asks while it is away goes its own way.
type seat struct {
	c    *convoy
	away atomic.Bool
}

type seatKey struct{}

// member is the convoy to which the work under ctx belongs; nil: to none.
func member(ctx context.Context) *convoy {
	if s, ok := ctx.Value(seatKey{}).(*seat); ok && !s.away.Load() {
		return s.c
	}
	return nil
}

func (c *convoy) seated(ctx context.Context) context.Context {
	return context.WithValue(ctx, seatKey{}, &seat{c: c})
}

// Together calls f for 0 to n-1 at the same time, as a convoy on the pool, and
// returns what each came back with.
func Together(ctx context.Context, pool *pgxpool.Pool, n int, f func(ctx context.Context, i int) error) []error {
	errs := make([]error, n)
	if n == 1 || member(ctx) != nil {
		for i := range n {
			errs[i] = f(ctx, i)
		}
		return errs
	}
	c := &convoy{pool: pool, types: pgtype.NewMap(), busy: n, kick: make(chan struct{}, 1)}
	var members sync.WaitGroup
	for i := range n {
		members.Go(func() {
			defer c.leave()
			defer func() {
				if r := recover(); r != nil {
					errs[i] = Panicked(r)
				}
			}()
			errs[i] = f(c.seated(ctx), i)
		})
	}
	over := make(chan struct{})
	go func() { members.Wait(); close(over) }()
	for {
		select {
		case <-c.kick:
			c.step(ctx)
		case <-over:
			return errs
		}
	}
}

// leave takes one off those that are busy.
func (c *convoy) leave() {
	c.mu.Lock()
	c.rest()
	c.mu.Unlock()
}

// rest is leave with the lock held.
func (c *convoy) rest() {
	if c.busy--; c.busy == 0 {
		c.kicked()
	}
}

func (c *convoy) kicked() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// wait puts an ask where add says, and waits until it is answered.
func (c *convoy) wait(a *ask, add func()) {
	a.done = make(chan struct{})
	c.mu.Lock()
	add()
	c.rest()
	c.mu.Unlock()
	<-a.done
}

// release lets members go on.
func (c *convoy) release(asks []*ask) {
	c.mu.Lock()
	c.busy += len(asks)
	c.mu.Unlock()
	for _, a := range asks {
		close(a.done)
	}
}

// Away calls f, on which the convoy does not wait: a letter being sent, a file
// being written. What f asks of the database it asks alone. It must not be
// called inside of a transaction.
func Away(ctx context.Context, f func()) { away(ctx, 0, f) }

// Soon is Away for what mostly takes a moment, as one small subject's erasure
// does: the others wait a moment for it, so that they stay together.
func Soon(ctx context.Context, f func()) { away(ctx, 1, f) }

func away(ctx context.Context, soon int, f func()) {
	at, ok := ctx.Value(seatKey{}).(*seat)
	if !ok || !at.away.CompareAndSwap(false, true) {
		f()
		return
	}
	at.c.mu.Lock()
	at.c.soon += soon
	at.c.rest()
	at.c.mu.Unlock()
	defer func() {
		at.c.mu.Lock()
		at.c.soon -= soon
		at.c.busy++
		at.c.mu.Unlock()
		at.away.Store(false)
	}()
	f()
}

// patience is how long a convoy waits for members that are expected back.
const patience = 25 * time.Millisecond

// waiting is how far a convoy's patience with its members has come.
type waiting int

const (
	notYet waiting = iota
	patient
	over
)

// waits tells whether the convoy waits for members that are expected back. The
// lock is held.
func (c *convoy) waits() bool {
	if c.soon == 0 || c.waited == over {
		c.waited = notYet
		return false
	}
	if c.waited == notYet {
		c.waited = patient
		time.AfterFunc(patience, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.waited == patient {
				c.waited = over
				c.kicked()
			}
		})
	}
	return true
}

// step does the next thing once all members wait: what they asked, the commit
// of their transaction, or, when there is neither, their errands.
func (c *convoy) step(ctx context.Context) {
	c.mu.Lock()
	if c.busy > 0 || c.waits() {
		c.mu.Unlock()
		return
	}
	asks, t := c.asks, c.tx
	var inside []*ask
	var errands []*errands
	commit := false
	switch {
	case t != nil && t.failed:
		c.tx = nil
	case t != nil && len(t.asks) > 0 || len(asks) > 0:
		c.asks = nil
		if t != nil {
			inside, t.asks = t.asks, nil
		}
	case t != nil && len(t.ready) == t.members:
		c.tx, commit = nil, true
	default:
		errands, c.errands = c.errands, nil
	}
	c.mu.Unlock()
	switch {
	case t != nil && t.failed:
		t.rollback(ctx)
		c.disband(t)
		return
	case commit:
		c.commit(ctx, t)
		return
	}
	for _, e := range errands {
		go e.run(c)
	}
	if len(asks) > 0 {
		err := c.outside(ctx, asks)
		for _, a := range asks {
			a.err = err
		}
	}
	if len(inside) > 0 {
		if err := t.send(ctx, c.pool, inside); err != nil {
			c.mu.Lock()
			t.failed, t.asks, c.tx = true, append(t.asks, inside...), nil
			c.mu.Unlock()
			t.rollback(ctx)
			c.disband(t)
			inside = nil
		}
	}
	c.release(append(asks, inside...))
}

// disband sends the members of a failed transaction their own ways.
func (c *convoy) disband(t *shared) {
	c.mu.Lock()
	all := slices.Concat(t.asks, t.ready)
	t.asks, t.ready = nil, nil
	c.mu.Unlock()
	for _, a := range all {
		a.err = errApart
	}
	c.release(all)
}

func (c *convoy) commit(ctx context.Context, t *shared) {
	err := t.begin(ctx, c.pool)
	var last *pgx.Batch
	if err == nil {
		last, err = t.later.last(ctx, t.tx)
	}
	undone := err != nil
	if err == nil {
		undone, err = t.tx.commit(ctx, last)
	}
	if undone {
		t.rollback(ctx)
		c.disband(t)
		return
	}
	err = Clean(err) // the outcome may be unknown: it is not tried again here
	t.conn.Release()
	for _, a := range t.ready {
		a.err = err
	}
	c.release(t.ready)
}

// outside sends statements that belong to no transaction: either all of them
// have their effect, or none.
func (c *convoy) outside(ctx context.Context, asks []*ask) error {
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return errApart
	}
	defer conn.Release()
	if send(ctx, conn.Conn(), asks) != nil {
		return errApart
	}
	return nil
}

func (t *shared) begin(ctx context.Context, pool *pgxpool.Pool) (err error) {
	if t.conn != nil {
		return nil
	}
	if t.conn, err = pool.Acquire(ctx); err != nil {
		return err
	}
	t.tx = &pipelined{conn: t.conn.Conn()}
	return nil
}

func (t *shared) send(ctx context.Context, pool *pgxpool.Pool, asks []*ask) error {
	if err := t.begin(ctx, pool); err != nil {
		return err
	}
	return send(ctx, t.tx, asks)
}

func (t *shared) rollback(ctx context.Context) {
	if t.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackLimit)
	defer cancel()
	_ = t.tx.Rollback(ctx) // a lost connection has rolled back already
	t.conn.Release()
	t.conn = nil
}

// send carries out all that was asked in one pipeline.
func send(ctx context.Context, db interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}, asks []*ask) error {
	all := &pgx.Batch{}
	var own, each []*ask
	for _, a := range asks {
		if a.each != nil {
			each = append(each, a)
			continue
		}
		own = append(own, a)
		for _, q := range a.batch.QueuedQueries {
			all.Queue(q.SQL, q.Arguments...)
		}
	}
	groups := alike(each)
	for _, g := range groups {
		var sets [][]any
		for _, a := range g {
			sets = append(sets, a.each.sets...)
		}
		all.Queue(g[0].each.sql, inStep(sets)...)
	}
	sent := db.SendBatch(ctx, all)
	err := answer(sent, own, groups)
	if closed := sent.Close(); err == nil {
		err = closed
	}
	return err
}

// answer reads what came back, in the order in which it was asked.
func answer(sent pgx.BatchResults, own []*ask, groups [][]*ask) error {
	for _, a := range own {
		a.results = make([]outcome, len(a.batch.QueuedQueries))
		for i := range a.results {
			if err := a.results[i].read(sent); err != nil {
				return err
			}
		}
	}
	for _, g := range groups {
		var all outcome
		if err := all.read(sent); err != nil {
			return err
		}
		if err := handOut(all, g); err != nil {
			return err
		}
	}
	return nil
}

// inTx is InTx for a member.
func (c *convoy) inTx(f func(pgx.Tx) error) error {
	c.mu.Lock()
	if c.tx == nil {
		c.tx = &shared{}
	}
	t := c.tx
	t.members++
	c.mu.Unlock()
	end := &ask{}
	finished := false
	gone := func(failed bool) {
		c.wait(end, func() {
			t.failed = t.failed || failed
			if c.tx != t { // disbanded meanwhile
				end.err = errApart
				c.busy++
				close(end.done)
				return
			}
			t.ready = append(t.ready, end)
		})
	}
	defer func() { // a panic goes on its way, once nothing is held any more
		if !finished {
			gone(true)
		}
	}()
	err := f(&memberTx{c: c, t: t})
	finished = true
	gone(err != nil)
	return end.err
}
