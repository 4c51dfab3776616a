package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// BenchmarkWalks measures find, access and erasure, one after the other on one
// connection, of subjects with about twenty rows in tables of 2,000 subjects.
func BenchmarkWalks(b *testing.B) {
	for _, way := range []struct {
		name  string
		above int64
	}{{"one statement", 0}, {"staged", -1}} {
		pool := pgtest.Empty(b)
		pgtest.Exec(b, pool, worldSchema+`
			CREATE INDEX ON scraps (event_id);
			INSERT INTO places SELECT i, 1, 's' FROM generate_series(1, 2000) i;
			INSERT INTO people SELECT i, 1, 'p' || i || '@x.example', NULL, 'n', i FROM generate_series(1, 2000) i;
			INSERT INTO devices SELECT 'd' || i, 1, i, 'g' FROM generate_series(1, 2000) i;
			INSERT INTO orders SELECT i % 2, i, 1, i % 2000 + 1, 'd' || (i % 2000 + 1), 'w' FROM generate_series(1, 8000) i;
			INSERT INTO events SELECT i, 'd' || (i % 2000 + 1), 'ip', 'w' FROM generate_series(1, 16000) i;
			INSERT INTO scraps SELECT i, i::text, 'b' FROM generate_series(1, 12000) i;
			ANALYSE;`)
		s := sourceOf(b, pool, "world", postgres.Options{StagedAbove: way.above, Now: func() time.Time { return time.Unix(0, 0) }})
		plan := planOf(b, mapOf(b, worldMap), datamap.Erasure, "email")
		access := planOf(b, mapOf(b, worldMap), datamap.Access, "email")
		who := 0
		walk := func() source.Walk {
			who = who%2000 + 1
			return source.Walk{Plan: plan, Scope: "1", Seeds: seeds("email", fmt.Sprintf("p%d@x.example", who))}
		}
		for name, do := range map[string]func() error{
			"find": func() error { _, err := s.Find(b.Context(), walk()); return err },
			"access": func() error {
				w := walk()
				w.Plan = access
				snap, err := s.Snapshot(b.Context(), w)
				if err != nil {
					return err
				}
				defer snap.Close(b.Context())
				for _, v := range access.Visits {
					if err := snap.Rows(b.Context(), v.Collection.FullName(), func(source.Row) error { return nil }); err != nil {
						return err
					}
				}
				return nil
			},
			"erase": func() error { _, err := s.Erase(b.Context(), walk(), source.Holds{}, noNote); return err },
		} {
			b.Run(name+" "+way.name, func(b *testing.B) {
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "subjects/s")
			})
		}
	}
}
