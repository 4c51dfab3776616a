package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/source"
)

const (
	// BatchMost bounds how many walks one statement carries.
	BatchMost = 1_000
	// batchRows bounds how many rows it may reach for each of them: their locks are
	// held until it is over, and what reaches very many is staged.
	batchRows = 100
)

// carried is how many rows one statement reaches at most for so many walks.
func (s *Source) carried(walks int) int64 { return max(s.o.StagedAbove, int64(walks)*batchRows) }

// EraseBatch erases many walks, those together that are alike: of one plan and
// one controller, and each with rows that nothing else touches. One that is not
// so simple (its rows are held, shared, reached by another walk of the batch,
// named by rows that stay, or very many) is carried out by itself by Erase. So
// the outcome is that of one erasure after the other.
//
// note is called before each commit with the indexes of the walks in it and
// their notes, which have the transaction in common; when it fails nothing of
// these was changed. A transaction that fails is tried again in halves, so that
// a walk that cannot be carried out does not stop the rest. The results stand in
// the order of the walks.
func (s *Source) EraseBatch(ctx context.Context, walks []source.Walk, h source.Holds, note func(ctx context.Context, of []int, notes []source.Note) error) []source.Erased {
	b := s.erase(ctx, walks, h, note)
	for _, i := range b.apart {
		b.alone(ctx, i)
	}
	return b.done
}

// EraseMany is EraseBatch that leaves alone what is not so simple: of such a walk
// it says nothing (nil), and has changed nothing. Where note gives back a
// *source.Unnoted, the walks that this names have failed, and the others are
// erased without them.
func (s *Source) EraseMany(ctx context.Context, walks []source.Walk, h source.Holds, note func(ctx context.Context, of []int, notes []source.Note) error) []*source.Erased {
	b := s.erase(ctx, walks, h, note)
	done := make([]*source.Erased, len(walks))
	for i := range done {
		done[i] = &b.done[i]
	}
	for _, i := range b.apart {
		done[i] = nil
	}
	return done
}

func (s *Source) erase(ctx context.Context, walks []source.Walk, h source.Holds, note func(ctx context.Context, of []int, notes []source.Note) error) *batch {
	b := &batch{s: s, walks: walks, holds: h, note: note, done: make([]source.Erased, len(walks))}
	groups, apart := s.alike(walks)
	b.apart = apart
	for _, group := range groups {
		b.together(ctx, group)
	}
	return b
}

type batch struct {
	s     *Source
	walks []source.Walk
	holds source.Holds
	note  func(context.Context, []int, []source.Note) error
	done  []source.Erased
	apart []int // to be carried out by themselves, after the others
	// waited counts transactions in a row that waited in vain for a lock.
	waited int
	locked error // the last of these
}

// alone carries out one walk in the usual way.
func (b *batch) alone(ctx context.Context, i int) {
	b.done[i].Note, b.done[i].Err = b.s.Erase(ctx, b.walks[i], b.holds, func(ctx context.Context, n source.Note) error {
		return b.note(ctx, []int{i}, []source.Note{n})
	})
}

// together carries out walks of one group, or parts of them.
func (b *batch) together(ctx context.Context, of []int) {
	if b.stuck() {
		b.failed(of, b.locked)
		return
	}
	if len(of) < 2 {
		b.apart = append(b.apart, of...)
		return
	}
	var refused error
	special, err := b.once(ctx, of, &refused)
	var lost *unsure
	switch {
	case err == nil:
		b.waited = 0
		b.apart = append(b.apart, special...)
	case refused != nil:
		b.together(ctx, b.unnoted(of, refused))
	case errors.As(err, &lost) || ctx.Err() != nil:
		if ctx.Err() != nil && b.locked != nil { // that is what the time was spent on
			err = b.locked
		}
		b.failed(of, err)
	case errors.Is(err, errNotTogether):
		b.apart = append(b.apart, of...)
	case errors.Is(err, errBig), errors.Is(err, errUneven), pg.Code(err) != "": // too many rows, rows that moved, or one walk that spoils it
		if locked(err) {
			b.waited++
			b.locked = err
		}
		b.together(ctx, of[:len(of)/2])
		b.together(ctx, of[len(of)/2:])
	default: // the source cannot be reached, or does not fit
		b.apart = append(b.apart, of...)
	}
}

// stuck tells whether it is not some walk's row that is locked: halving would have
// found that by now. Somebody holds a whole table, and every half would wait for
// it anew.
func (b *batch) stuck() bool { return b.waited > bits.Len(uint(len(b.walks))) }

func (b *batch) failed(of []int, err error) {
	for _, i := range of {
		b.done[i].Err = b.s.failed("erase a batch", err)
	}
}

// unnoted notes which walks were refused, and returns the others.
func (b *batch) unnoted(of []int, refused error) (others []int) {
	var some *source.Unnoted
	if !errors.As(refused, &some) || !slices.ContainsFunc(of, func(i int) bool { return some.Why[i] != nil }) {
		some = &source.Unnoted{Why: map[int]error{}}
		for _, i := range of {
			some.Why[i] = refused
		}
	}
	for _, i := range of {
		if b.done[i].Err = some.Why[i]; b.done[i].Err == nil {
			others = append(others, i)
		}
	}
	return others
}

var errUneven = errors.New("a batch changed other rows than it reached")

// errNotTogether says that a plan's walks are carried out one by one.
var errNotTogether = errors.New("the plan cannot be carried out for many at once")

// once is one transaction for many walks. Those that are not simple come back
// untouched.
func (b *batch) once(ctx context.Context, of []int, refused *error) (special []int, err error) {
	first := b.walks[of[0]]
	if first.Plan.Kind != datamap.Erasure {
		return nil, errNotTogether // Erase says what is wrong
	}
	err = b.s.on(ctx, func(conn *pgxpool.Conn) error {
		c, err := b.s.ready(ctx, conn, first, b.holds)
		if err != nil {
			return err
		}
		if !c.p.together() || c.staged() || c.p.today(first) != nil {
			return errNotTogether
		}
		c.r.above = b.s.carried(len(of))
		for _, i := range of {
			c.r.batch = append(c.r.batch, newRun(b.walks[i], 0))
		}
		v := c.v
		v.held = v.held || len(c.holdings) > 0
		var t tally
		defer c.p.cat.firing(conn)
		return c.atOnce(ctx, conn, changing, c.p.batchChain(v), t.scan, func() error {
			if t.big {
				return errBig
			}
			if !t.even() {
				return errUneven
			}
			if c.p.defers() {
				if _, err := conn.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
					return err
				}
			}
			simple, notes, rest := t.notes(c.p, b.s.name, of)
			special = rest
			if len(simple) == 0 {
				return nil
			}
			if *refused = b.note(ctx, simple, notes); *refused != nil {
				return *refused
			}
			for n, i := range simple {
				b.done[i] = source.Erased{Note: notes[n]}
			}
			return nil
		})
	})
	if err != nil {
		for _, i := range of {
			b.done[i] = source.Erased{}
		}
		return nil, err
	}
	return special, nil
}

// A tally is the one row that a batch comes back with.
type tally struct {
	big      bool
	xid      string
	special  []int32
	of, stop []int32 // of each count: which walk, which stop
	reached  []int64
	changed  []int64 // by stop: rows deleted
	masked   []int64
	keyOf    []int32
	keyStop  []int32
	keys     []string
	expected []int64 // by stop: rows that should be deleted
}

func (t *tally) scan(row pgx.Row) error {
	if err := row.Scan(&t.big, &t.xid, &t.special, &t.of, &t.stop, &t.reached, &t.masked, &t.keyOf, &t.keyStop, &t.keys, &t.changed, &t.expected); err != nil {
		return fmt.Errorf("walk a batch: %w", err)
	}
	return nil
}

// even tells whether what was to be deleted was.
func (t *tally) even() bool {
	for i, n := range t.expected {
		if t.changed[i] != n {
			return false
		}
	}
	return true
}

// notes sorts the counts under the walks that were carried out; rest are the others.
func (t *tally) notes(p *program, name string, of []int) (simple []int, notes []source.Note, rest []int) {
	special := map[int32]bool{}
	for _, n := range t.special {
		special[n] = true
	}
	all := make([]*result, len(of))
	for n := range of {
		all[n] = &result{p: p, counts: make([]int64, len(p.stops)*tallied)}
	}
	for i, n := range t.of {
		c := all[n].counts[int(t.stop[i])*tallied:]
		c[mine] += t.reached[i]
		c[masked] += t.masked[i]
		if p.stops[t.stop[i]].visit.Delete {
			c[deleted] += t.reached[i]
		}
	}
	for i, n := range t.keyOf {
		all[n].add(t.keyStop[i:i+1], t.keys[i:i+1])
	}
	for n, i := range of {
		if special[int32(n)] {
			rest = append(rest, i)
			continue
		}
		r := all[n]
		simple = append(simple, i)
		notes = append(notes, source.Note{XID: t.xid, Findings: r.findings(name), Keys: r.keys[:min(len(r.keys), maxKeys)], Objects: distinct(r.files)})
	}
	return simple, notes, rest
}
