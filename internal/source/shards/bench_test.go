package shards_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// BenchmarkFind finds a person of 20 rows in one database and over shards, all
// on one server: what the exchange between them costs.
func BenchmarkFind(b *testing.B) {
	now := func() time.Time { return time.Unix(0, 0) }
	m := mapOf(b, "world")
	walk := source.Walk{Plan: planOf(b, m, datamap.Access, "email"), Scope: "1", Seeds: []source.Seed{{Type: "email", Value: "a5@x.example"}}}
	for _, n := range []int{1, 2, 4, 16} {
		b.Run(fmt.Sprintf("%d databases", n), func(b *testing.B) {
			pools := poolsOf(b, n)
			for i, pool := range pools {
				pgtest.Exec(b, pool, fmt.Sprintf(`
					INSERT INTO people SELECT i, 1, 'a' || i || '@x.example', 'n', NULL FROM generate_series(1, 2000) i WHERE i %% %[1]d = %[2]d;
					INSERT INTO devices SELECT 'd' || i, i, 'g' FROM generate_series(1, 2000) i WHERE (i / 7) %% %[1]d = %[2]d;
					INSERT INTO orders SELECT 1, i, i %% 2000, NULL, 1, NULL FROM generate_series(1, 18000) i WHERE (i / 2000) %% %[1]d = %[2]d;
					INSERT INTO events SELECT i, 'd' || i %% 2000, NULL, 'w' FROM generate_series(1, 18000) i WHERE (i / 2000) %% %[1]d = %[2]d;
					CREATE INDEX ON events (device_id); ANALYSE;`, n, i))
			}
			var s store = sharded(b, pools, postgres.Options{Now: now})
			if n == 1 {
				var err error
				if s, err = postgres.New("world", pools[0], postgres.Options{Now: now}); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				found, err := s.Find(b.Context(), walk)
				if err != nil {
					b.Fatal(err)
				}
				var rows int64
				for _, f := range found.Findings {
					rows += f.Rows
				}
				if rows != 20 {
					b.Fatalf("expected 20 rows, found %d", rows)
				}
			}
		})
	}
}
