package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// Whoever is said to be gone is found by no look of their own, whatever the
// others left: some were not erased at all, some of whose rows came back.
func TestPropertyGoneMany(t *testing.T) {
	t.Parallel()
	m := mapOf(t, worldMap)
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, worldSchema)
	s := sourceOf(t, pool, "world", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	said := 0
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		w.load(t, pool)
		plan := planOf(t, m, datamap.Erasure, "email", "phone")
		restricted := rapid.Bool().Draw(rt, "restricted")
		var holds source.Holds
		if rapid.IntRange(0, 3).Draw(rt, "held") == 0 {
			holds.Rows = []source.RowKey{{Collection: "world.orders", Key: "(0,0)"}, {Collection: "world.events", Key: "0"}}
		}
		var walks []source.Walk
		var keys [][]source.RowKey
		for _, with := range [][]source.Seed{seeds("email", "a@x.example"), seeds("email", "b@x.example"), seeds("phone", "+420222"), seeds("phone", "+420111", "email", "nobody@x.example")} {
			walk := source.Walk{Plan: plan, Scope: "1", Seeds: with, Restricted: restricted}
			for i := range 4 {
				if restricted && rapid.Bool().Draw(rt, "ticked") {
					walk.Roots = append(walk.Roots, source.RowKey{Collection: "world.people", Key: fmt.Sprint(i)})
				}
			}
			walks, keys = append(walks, walk), append(keys, nil)
		}
		for i, walk := range walks {
			if rapid.IntRange(0, 4).Draw(rt, "left out") == 0 {
				continue
			}
			done, err := s.Erase(t.Context(), walk, holds, noNote)
			if err != nil {
				rt.Fatalf("erase: %v", err)
			}
			keys[i] = done.Keys
		}
		for i, gone := range s.GoneMany(t.Context(), walks, holds, keys) {
			if !gone {
				continue
			}
			said++
			rest, err := s.Look(t.Context(), walks[i], holds, keys[i])
			if err != nil {
				rt.Fatalf("look: %v", err)
			}
			for _, f := range rest.Findings {
				if f.Rows > 0 || len(rest.Roots) > 0 {
					rt.Fatalf("walk %d was said to be gone, and is not: %+v", i, rest)
				}
			}
		}
	})
	if said == 0 {
		t.Error("expected somebody to be said to be gone")
	}
}

// Of forty who are erased, one has a row that came meanwhile: of most of the
// others it is known without a look at each.
func TestGoneManyFindsTheOneWhoIsNot(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 60)
	s := sourceOf(t, pool, "store", postgres.Options{Now: func() time.Time { return time.Unix(0, 0) }})
	plan := planOf(t, m, datamap.Erasure, "email")
	var walks []source.Walk
	keys := make([][]source.RowKey, 40)
	for i := range keys {
		walks = append(walks, source.Walk{Plan: plan, Seeds: seeds("email", address(i+1))})
		done, err := s.Erase(t.Context(), walks[i], source.Holds{}, noNote)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = done.Keys
	}
	count := func() (n int) {
		for _, gone := range s.GoneMany(t.Context(), walks, source.Holds{}, keys) {
			if gone {
				n++
			}
		}
		return n
	}
	if n := count(); n != 40 {
		t.Errorf("expected all 40 to be gone, got %d", n)
	}
	pgtest.Exec(t, pool, `INSERT INTO people VALUES (8, '`+address(8)+`', 'back')`)
	if n := count(); n >= 40 || n < 32 {
		t.Errorf("expected most of the 39 others to be known to be gone, got %d", n)
	}
	if gone := s.GoneMany(t.Context(), walks, source.Holds{}, keys); gone[7] {
		t.Error("expected person 8, who is back, not to be said to be gone")
	}
}
