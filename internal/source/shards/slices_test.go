package shards_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
	"github.com/lethe-dsr/lethe/internal/source/shards"
)

// A large person, over three shards, is erased in parts on each.
func large(t *testing.T) ([]*pgxpool.Pool, *shards.Source, source.Walk) {
	t.Helper()
	pools := poolsOf(t, 3)
	for i, pool := range pools {
		pgtest.Exec(t, pool, fmt.Sprintf(`CREATE INDEX ON events (device_id);
			INSERT INTO orders SELECT %[1]d, g, '1', NULL, 1, NULL FROM generate_series(1, 30) g;
			INSERT INTO orders SELECT %[1]d, 1000 + g, '2', NULL, 1, NULL FROM generate_series(1, 5) g;
			INSERT INTO events SELECT %[1]d * 100 + g, 'd1', '198.18.0.1', 'w' FROM generate_series(1, 20) g;
			INSERT INTO events SELECT %[1]d * 100 + 50 + g, 'd2', '198.18.0.1', 'w' FROM generate_series(1, 3) g;`, i))
	}
	pgtest.Exec(t, pools[0], "INSERT INTO people VALUES (1, 1, 'a@x.example', 'Zoe', NULL), (2, 1, 'b@x.example', 'adam', NULL)")
	pgtest.Exec(t, pools[1], "INSERT INTO devices VALUES ('d1', 1, 'g')")
	pgtest.Exec(t, pools[2], "INSERT INTO devices VALUES ('d2', 2, 'g')")
	s := sharded(t, pools, postgres.Options{StagedAbove: 5, SliceAbove: 10, SliceRows: 4})
	return pools, s, source.Walk{Plan: planOf(t, mapOf(t, "world"), datamap.Erasure, "email"), Scope: "1", Seeds: []source.Seed{{Type: "email", Value: "a@x.example"}}}
}

// finished is what must stand there in the end, and in the notes of the
// transactions that committed.
func finished(t *testing.T, pools []*pgxpool.Pool, s *shards.Source, notes []source.Note) {
	t.Helper()
	for what, want := range map[string]int64{"people": 1, "devices": 1, "orders": 15, "events": 69, "events WHERE word = 'gone' AND ip IS NULL": 60} {
		var sum int64
		for _, pool := range pools {
			var n int64
			if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM "+what).Scan(&n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		if sum != want {
			t.Errorf("expected %d %s, got %d", want, what, sum)
		}
	}
	var erased, masked int64
	parts := false
	for _, n := range notes {
		outcome, err := s.Outcome(t.Context(), n.XID)
		if err != nil {
			t.Fatal(err)
		}
		if outcome != source.Committed {
			continue
		}
		parts = parts || n.Part > 0
		for _, f := range n.Findings {
			erased, masked = erased+f.Erased, masked+f.Masked
		}
	}
	if erased != 92 || masked != 60 {
		t.Errorf("expected the notes of what committed to add up to 92 rows erased and 60 masked, got %d and %d", erased, masked)
	}
	if !parts {
		t.Error("expected the erasure to go in parts")
	}
}

// Killed between two parts, on whichever shard, it is finished by the same walk
// with the feeds that its last note holds: the rows that led there may be gone.
func TestSlicesOverShardsKilledBetweenParts(t *testing.T) {
	t.Parallel()
	for _, stopAt := range []int{1, 9, 20} {
		t.Run(fmt.Sprint("note ", stopAt), func(t *testing.T) {
			t.Parallel()
			pools, s, w := large(t)
			killed := errors.New("killed")
			var notes []source.Note
			note := func(_ context.Context, n source.Note) error { // one at a time, see Erase
				if len(notes) == stopAt {
					return killed
				}
				notes = append(notes, n)
				return nil
			}
			if _, err := s.Erase(t.Context(), w, source.Holds{}, note); !errors.Is(err, killed) {
				t.Fatalf("expected the erasure to be stopped at note %d, got %v after %d", stopAt, err, len(notes))
			}
			w.Feeds, stopAt = notes[len(notes)-1].Feeds, -1
			if _, err := s.Erase(t.Context(), w, source.Holds{}, note); err != nil {
				t.Fatal(err)
			}
			finished(t, pools, s, notes)
		})
	}
}

// A shard whose server goes away between the note of a part and its commit: the
// error names it, and the next erasure finishes there and everywhere.
func TestSlicesOverShardsWithOneDownInTheMiddle(t *testing.T) {
	t.Parallel()
	pools, s, w := large(t)
	var notes []source.Note
	down := false
	note := func(ctx context.Context, n source.Note) error {
		notes = append(notes, n)
		if down || n.Part != 2 || n.XID[:2] != "s1" {
			return nil
		}
		down = true
		conn, err := pgx.Connect(ctx, pgtest.URL(pools[1]))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		return err
	}
	_, err := s.Erase(t.Context(), w, source.Holds{}, note)
	var failed *shards.Error
	if !errors.As(err, &failed) || failed.Shard != "world, shard 2" {
		t.Fatalf("expected an error that names the second shard, got %v", err)
	}
	w.Feeds = notes[len(notes)-1].Feeds
	if _, err := s.Erase(t.Context(), w, source.Holds{}, note); err != nil {
		t.Fatal(err)
	}
	finished(t, pools, s, notes)
}
