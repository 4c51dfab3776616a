package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// TestPropertyErasuresInParallel lets two workers erase two subjects who share
// rows, and holds what is left to the reference's two orders, one after the
// other: nothing is gone that neither order takes, and nothing is left that both
// take.
func TestPropertyErasuresInParallel(t *testing.T) {
	t.Parallel()
	from, to := soaked(1001, 1025, 1250)
	pool := pgtest.Empty(t)
	turn := make(chan struct{}, 2)
	t.Run("schemes", func(t *testing.T) {
		for n := from; n <= to; n++ {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				d := draw(uint64(n))
				s := d.scheme(fmt.Sprintf("P %d", n))
				x, err := newTrial(s, d)
				if err != nil {
					t.Fatalf("expected the map to be right: %v\n%s", err, alone(t, uint64(n)))
				}
				config := pool.Config()
				config.MaxConns = 4
				x.open(t, poolOf(t, config))
				for i := range 4 {
					d := draw(uint64(n), uint64(i))
					c := d.contents(s)
					a, b := d.demand(s, c, x.types), d.demand(s, c, x.types)
					if err := x.together(t.Context(), c, a.walk, b.walk, x.ways[i%len(x.ways)]); err != nil {
						t.Fatalf("case %d: %v\n%s\n%s\nand %+v", i, err, alone(t, uint64(n)), x.story(c, a), b.walk)
					}
				}
				pgtest.Exec(t, pool, "DROP SCHEMA "+quoted(s.name)+" CASCADE")
			})
		}
	})
}

// together erases two subjects at once.
func (x *trial) together(ctx context.Context, c contents, a, b source.Walk, way *postgres.Source) error {
	if _, err := x.pool.Exec(ctx, x.s.load(c)); err != nil {
		return fmt.Errorf("load the rows: %w", err)
	}
	var both sync.WaitGroup
	errs := make([]error, 2)
	for i, w := range []source.Walk{a, b} {
		w.Plan = x.plan
		both.Go(func() { errs[i] = eraseAsQueued(ctx, way, w) })
	}
	both.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	got, err := x.dump(ctx)
	if err != nil {
		return err
	}
	if broken := x.s.whole(got); broken != "" {
		return fmt.Errorf("expected every foreign key to hold, %s does not", broken)
	}
	ab, ba := x.inTurn(c, a, b), x.inTurn(c, b, a)
	for i, t := range x.s.tables {
		was, left, one, other := t.byKey(c[i]), t.byKey(got[i]), t.byKey(ab[i]), t.byKey(ba[i])
		for _, key := range slices.Sorted(maps.Keys(was)) {
			l, there := left[key]
			o, inOne := one[key]
			p, inOther := other[key]
			switch {
			case !there && inOne && inOther:
				return fmt.Errorf("%s %s is gone, and neither order takes it", t.name, key)
			case there && !inOne && !inOther:
				return fmt.Errorf("%s %s is left, and both orders take it", t.name, key)
			}
			if !there {
				continue
			}
			for at := range l {
				field := func(r record, in bool) bool { return in && alike(record{l[at]}, record{r[at]}) }
				if l[at] != was[key][at] && !field(o, inOne) && !field(p, inOther) && inOne && inOther {
					return fmt.Errorf("%s %s: column %s is %q, and in neither order", t.name, key, t.columns[at].name, l[at])
				}
			}
		}
	}
	return nil
}

// eraseAsQueued runs a step again while rows move under it, as the queue does.
func eraseAsQueued(ctx context.Context, way *postgres.Source, w source.Walk) error {
	_, err := way.Erase(ctx, w, source.Holds{}, noNote)
	for again := 0; again < 20 && (pg.Passing(err) || pg.Code(err) == "23503"); again++ {
		_, err = way.Erase(ctx, w, source.Holds{}, noNote)
	}
	var beyond *postgres.Beyond
	if errors.As(err, &beyond) {
		return nil // that order too is the reference's to judge
	}
	return err
}

func (t *sTable) byKey(rows []record) map[string]record {
	by := map[string]record{}
	for _, r := range rows {
		by[t.key(r)] = r
	}
	return by
}

// inTurn is what the reference leaves of one erasure after the other.
func (x *trial) inTurn(c contents, walks ...source.Walk) contents {
	for _, w := range walks {
		v := view{s: x.s, c: c, w: w, trail: x.s.trail(x.types)}
		if a := v.erase(x.erasure, source.Holds{}, nil); len(a.beyond) == 0 {
			c = a.after
		}
	}
	return c
}
