package postgres

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

// restarts is how often an erasure begins again when rows move under it.
const restarts = 5

// Erase carries out the walk's plan in one REPEATABLE READ transaction (READ
// COMMITTED would erase a row that moved to somebody else in the middle; where
// rows are shared it is SERIALIZABLE, see errShares). It
// calls note just before the commit; when note fails, nothing was changed.
//
// After an error at or after the commit nobody knows here whether it happened:
// ask Outcome with the XID noted. Rows that move underneath (SQLSTATE 40001,
// 40P01, and 23503 for rows that came meanwhile) and tables that went restart it; note may so be
// called more than once, the last one counts. A lock that could not be had in
// time (55P03) does not: it was waited for already, and may be held for long.
func (s *Source) Erase(ctx context.Context, w source.Walk, h source.Holds, note func(context.Context, source.Note) error) (done source.Note, err error) {
	if w.Plan.Kind != datamap.Erasure {
		return done, errors.New("source " + s.name + ": only a plan for erasure can erase")
	}
	how := changing
	var many *tooMany
	for attempt := 0; ; attempt++ {
		var refused error // what note said: not ours to clean or to retry
		done, err = s.eraseOnce(ctx, w, h, how, part{sliceAbove: max(0, s.o.SliceAbove)}, func(ctx context.Context, n source.Note) error {
			refused = note(ctx, n)
			return refused
		})
		switch {
		case err == nil:
			return done, nil
		case errors.As(err, &many):
			return s.eraseInSlices(ctx, w, h, how, many.rows, note)
		case errors.Is(err, errShares):
			how = sharing
			continue
		case refused != nil:
			return source.Note{}, refused
		case attempt == restarts || !restarting(err) || locked(err):
			return source.Note{}, s.failed("erase", err)
		}
		if pause(ctx, attempt) != nil {
			return source.Note{}, s.failed("erase", err)
		}
	}
}

func (s *Source) eraseOnce(ctx context.Context, w source.Walk, h source.Holds, how string, of part, note func(context.Context, source.Note) error) (done source.Note, err error) {
	err = s.on(ctx, func(conn *pgxpool.Conn) error {
		c, err := s.ready(ctx, conn, w, h)
		if err != nil {
			return err
		}
		if len(c.p.stops) == 0 {
			return nil
		}
		if err := cmp.Or(c.p.secret(w), c.p.today(w)); err != nil {
			return err
		}
		if c.sliceAbove, c.slice = of.sliceAbove, of.slice; c.v.narrowed {
			c.sliceAbove = 0 // a part of the rows says too little of what is spared
		}
		err = c.do(ctx, conn, how, toErase, func(tx pg.DB, res *result) error {
			// Constraints that wait for the commit are checked now: the note
			// says what will stand, and a commit has then little left to fail of.
			if c.p.defers() {
				if _, err := tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
					return err
				}
			}
			done = source.Note{XID: res.xid, Findings: res.findings(s.name), Keys: res.keys, Kept: res.stayed, Objects: distinct(res.files), Part: of.number, More: of.slice > 0}
			if done.More {
				done.Findings, done.Kept = onlyDone(done.Findings), nil
				if changes(done.Findings) == 0 {
					return errNoSlice
				}
			}
			return note(ctx, done)
		})
		return err
	})
	return done, err
}

// defers tells whether a foreign key to the plan's tables is checked at commit.
func (p *program) defers() bool {
	for _, s := range p.stops {
		for _, k := range s.t.children {
			if k.deferred {
				return true
			}
		}
	}
	return false
}

// restarting tells whether rows or tables moved under the transaction: it was rolled back whole.
func restarting(err error) bool {
	switch pg.Code(err) {
	case "40001", "40P01", "55P03", "23503":
		return true
	}
	return outdated(err)
}

// outdated tells whether a table or column has gone that was there when the
// catalogue was read: one that the map knows nothing of, too, if it has a foreign
// key to what is erased.
func outdated(err error) bool {
	code := pg.Code(err)
	return code == "42P01" || code == "42703"
}

// locked tells whether a lock could not be had in time.
func locked(err error) bool { return pg.Code(err) == "55P03" }

// pause waits a little, longer each time and never the same for two workers
// that ran into each other.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(time.Duration(10+rand.IntN(20<<attempt)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
