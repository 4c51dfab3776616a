package dsar

import (
	"context"
	"errors"
	"testing"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// sliced is a real source that erases a row of each collection at a time, and
// whose process dies at the note of a part.
type sliced struct {
	Source
	parts     int
	diesAt    int  // the part, from 1; 0: never
	unnoted   bool // it dies before the note, not after it
	meanwhile func()
	restarts  bool // the first note of the second part is given twice, as when rows moved under it
}

func (m *sliced) Erase(ctx context.Context, w source.Walk, h Holds, note func(context.Context, source.Note) error) (source.Note, error) {
	dying := false
	n, err := m.Source.Erase(ctx, w, h, func(ctx context.Context, n source.Note) error {
		m.parts++
		if dying = m.parts == m.diesAt; dying && m.unnoted {
			return errKilled
		}
		if m.restarts && n.Part == 1 {
			if err := note(ctx, n); err != nil {
				return err
			}
		}
		if err := note(ctx, n); err != nil || !dying {
			if m.meanwhile != nil {
				m.meanwhile()
			}
			return err
		}
		return errKilled
	})
	if dying {
		panic(killed)
	}
	return n, err
}

// Each row is counted once in the evidence, whether an erasure of several
// transactions runs through, runs a part again, or dies between two of them.
func TestErasureInSlicesCountsOnce(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*sliced{
		"never killed":              {},
		"a part runs again":         {restarts: true},
		"killed before second note": {diesAt: 2, unnoted: true},
		"killed after second note":  {diesAt: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Empty(t)
			pgtest.Exec(t, pool, shopSchema)
			real, err := postgres.New("shop", pool, postgres.Options{StagedAbove: -1, SliceAbove: 3, SliceRows: 2})
			if err != nil {
				t.Fatal(err)
			}
			m.Source = real
			b := newWorkOver(t, shopMap, map[string]Source{"shop": m})
			id := b.approved(t, datamap.Erasure, "pavla@example.org")
			if m.diesAt > 0 {
				if errs := b.work(t); len(errs) != 1 {
					t.Fatalf("expected one killed job, got %v", errs)
				}
				b.expectStatus(t, id, Running)
				if err := b.run(t, b.job(t, id, "erase", "shop")); err != nil {
					t.Fatal(err)
				}
			}
			b.worked(t)
			if m.parts < 2 {
				t.Fatalf("expected the erasure to take several parts, it took %d", m.parts)
			}
			q := b.expectStatus(t, id, Fulfilled)
			for collection, want := range map[string]int64{"shop.people": 1, "shop.orders": 2, "shop.lines": 2} {
				if f := findingIn(t, q.Findings, collection); f.Erased != want {
					t.Errorf("expected %d erased rows of %s on the record, got %d", want, collection, f.Erased)
				}
			}
			if got, want := left(t, pool), "people 2 3, orders 12 13, lines 102 103"; got != want {
				t.Errorf("expected %s to be left, got %s", want, got)
			}
			expectNowhere(t, b.dump(t), "pavla@example.org", "Pavla Ng", "ring twice")
		})
	}
}

// A hold that is placed between two parts of an erasure covers what is left.
func TestAHoldPlacedBetweenSlices(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, shopSchema)
	real, err := postgres.New("shop", pool, postgres.Options{StagedAbove: -1, SliceAbove: 3, SliceRows: 1})
	if err != nil {
		t.Fatal(err)
	}
	holds := &heldRows{}
	m := &sliced{Source: real, meanwhile: func() {
		holds.rows = []source.RowKey{{Collection: "shop.orders", Key: "10"}, {Collection: "shop.orders", Key: "11"}}
	}}
	b := newWorkOver(t, shopMap, map[string]Source{"shop": m})
	b.c.Holds = holds
	id := b.approved(t, datamap.Erasure, "pavla@example.org")
	if errs := b.work(t); len(errs) != 1 || !errors.Is(errs[0], errHoldsChanged) {
		t.Fatalf("expected the erasure to stop where the holds changed, got %v", errs)
	}
	if err := b.run(t, b.job(t, id, "erase", "shop")); err != nil {
		t.Fatal(err)
	}
	b.worked(t)
	q := b.expectStatus(t, id, Fulfilled)
	if f := findingIn(t, q.Findings, "shop.orders"); f.Held != 2 || f.Erased != 0 {
		t.Errorf("expected both orders to be held, got %+v", f)
	}
	if got, want := left(t, pool), "people 1 2 3, orders 10 11 12 13, lines 102 103"; got != want {
		t.Errorf("expected %s to be left, got %s", want, got)
	}
}
