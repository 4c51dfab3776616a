package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

// A database that was read only for a time (a failover, a full disk) is written
// as soon as it may be: not by sessions that began meanwhile, which stay so.
func TestADatabaseThatWasReadOnly(t *testing.T) {
	t.Parallel()
	pool, m := store(t, 3)
	readOnly := func(is string) {
		pgtest.Exec(t, pool, "ALTER DATABASE "+pgx.Identifier{pool.Config().ConnConfig.Database}.Sanitize()+" SET default_transaction_read_only = "+is)
	}
	readOnly("on")
	s, err := postgres.Open(t.Context(), "store", pgtest.URL(pool), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	doubts, err := s.Check(t.Context(), m)
	if err != nil || !slices.ContainsFunc(doubts, func(d postgres.Doubt) bool {
		return d.Level == postgres.Wrong && strings.Contains(d.Do, "SET default_transaction_read_only = off")
	}) {
		t.Errorf("expected a check to say which setting it is, got %v, %v", doubts, err)
	}
	w := source.Walk{Plan: planOf(t, m, datamap.Erasure, "email"), Seeds: seeds("email", address(1))}
	if _, err := s.Erase(t.Context(), w, source.Holds{}, noNote); pg.Code(err) != "25006" {
		t.Fatalf("expected a database that is read only to say so, got %v", err)
	}
	readOnly("off")
	done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
	if err != nil || erased(done.Findings) != 20 {
		t.Errorf("expected the rows to be erased once the database may be written, got %d: %v", erased(done.Findings), err)
	}
}
