package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestPropertyRandomBatches erases several subjects of one case in a batch, some
// of whom share rows, and holds what is left, and what each was told, to the
// reference's erasures one after the other, in the order of the batch's notes.
func TestPropertyRandomBatches(t *testing.T) {
	t.Parallel()
	from, to := soaked(2001, 2020, 2400)
	pool := pgtest.Empty(t)
	turn := make(chan struct{}, 2)
	t.Run("schemes", func(t *testing.T) {
		for n := from; n <= to; n++ {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				d := draw(uint64(n))
				s := d.scheme(fmt.Sprintf("B %d", n))
				x, err := newTrial(s, d)
				if err != nil {
					t.Fatalf("expected the map to be right: %v\n%s", err, alone(t, uint64(n)))
				}
				config := pool.Config()
				config.MaxConns = 2
				x.open(t, poolOf(t, config))
				way := sourceOf(t, x.pool, "src", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
				for i := range casesPerScheme {
					d := draw(uint64(n), uint64(i))
					c := d.contents(s)
					first := d.demand(s, c, x.types)
					walks := []source.Walk{first.walk}
					for range 1 + d.IntN(4) {
						w := d.demand(s, c, x.types).walk
						w.Scope, w.Restricted, w.Roots = first.walk.Scope, first.walk.Restricted, first.walk.Roots
						walks = append(walks, w)
					}
					if err := x.batched(t.Context(), c, walks, source.Holds{Rows: first.holds.Rows}, way); err != nil {
						t.Fatalf("case %d: %v\n%s\n%s\nwalks %+v", i, err, alone(t, uint64(n)), x.story(c, first), walks)
					}
				}
				pgtest.Exec(t, pool, "DROP SCHEMA "+quoted(s.name)+" CASCADE")
			})
		}
	})
}

// batched erases the walks together, then holds them to the reference in turn.
func (x *trial) batched(ctx context.Context, c contents, walks []source.Walk, h source.Holds, way *postgres.Source) error {
	if _, err := x.pool.Exec(ctx, x.s.load(c)); err != nil {
		return fmt.Errorf("load the rows: %w", err)
	}
	for i := range walks {
		walks[i].Plan, walks[i].IncludeShared = x.plan, false
	}
	differs := failed{}
	alikeFound(&differs, way, walks)
	if differs.error != nil {
		return differs.error
	}
	keys := make([][]source.RowKey, len(walks))
	if err := goneOnly(ctx, way, walks, h, keys); err != nil {
		return fmt.Errorf("before the batch: %w", err)
	}
	var order []int
	done := way.EraseBatch(ctx, walks, h, func(_ context.Context, of []int, _ []source.Note) error {
		order = append(order, of...)
		return nil
	})
	for i, d := range done { // one that would take rows beyond the plan is stopped, and changes nothing
		var beyond *postgres.Beyond
		if d.Err != nil && !errors.As(d.Err, &beyond) {
			return fmt.Errorf("walk %d of the batch: %w", i, d.Err)
		}
	}
	for _, i := range order {
		if done[i].Err != nil {
			continue
		}
		v := view{s: x.s, c: c, w: walks[i], trail: x.s.trail(x.types)}
		want := v.erase(x.erasure, h, nil)
		if len(want.beyond) > 0 {
			return fmt.Errorf("expected walk %d (order %v) to stop for %v", i, order, want.beyond)
		}
		if err := sameFindings(want.findings, done[i].Note.Findings); err != nil {
			return fmt.Errorf("walk %d of the batch (order %v): %w", i, order, err)
		}
		c = want.after
	}
	for i := range walks {
		if done[i].Err == nil && !slices.Contains(order, i) {
			return fmt.Errorf("expected walk %d to be noted before its commit", i)
		}
	}
	if err := x.same(ctx, c); err != nil {
		return fmt.Errorf("after the batch (order %v): %w", order, err)
	}
	for i := range walks {
		keys[i] = done[i].Note.Keys
	}
	if err := goneOnly(ctx, way, walks, h, keys); err != nil {
		return fmt.Errorf("after the batch (order %v): %w", order, err)
	}
	return nil
}

// goneOnly holds what is said of many second looks to each look.
func goneOnly(ctx context.Context, way *postgres.Source, walks []source.Walk, h source.Holds, keys [][]source.RowKey) error {
	for i, gone := range way.GoneMany(ctx, walks, h, keys) {
		if !gone {
			continue
		}
		rest, err := way.Look(ctx, walks[i], h, keys[i])
		if err != nil {
			return err
		}
		for _, f := range rest.Findings {
			if f.Rows > 0 || len(rest.Roots) > 0 {
				return fmt.Errorf("of walk %d all was said to be gone, and a look at it alone finds %+v", i, rest)
			}
		}
	}
	return nil
}

// failed keeps the first thing that is not as expected.
type failed struct{ error }

func (f *failed) Fatalf(format string, args ...any) {
	if f.error == nil {
		f.error = fmt.Errorf(format, args...)
	}
}
