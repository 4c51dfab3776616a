package postgres_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/examples/livechat"
	"github.com/lethe-dsr/lethe/internal/datamap"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/internal/source"
	"github.com/lethe-dsr/lethe/internal/source/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// mapOf parses a data map that a test wrote.
func mapOf(t testing.TB, yaml string) *datamap.Map {
	t.Helper()
	m, problems := datamap.Parse([]datamap.File{{Name: "datamap.yaml", Data: []byte(yaml)}}, datamap.ParseOptions{})
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("expected the data map to be right: %s", p)
		}
	}
	return m
}

func planOf(t testing.TB, m *datamap.Map, kind datamap.Kind, identities ...string) *datamap.Plan {
	t.Helper()
	p, err := datamap.Compile(m, datamap.Builtin(kind), identities)
	if err != nil {
		t.Fatalf("expected a plan for %s by %v: %v", kind, identities, err)
	}
	return p
}

func sourceOf(t testing.TB, pool *pgxpool.Pool, name string, o postgres.Options) *postgres.Source {
	t.Helper()
	s, err := postgres.New(name, pool, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// peopleOf is how the map of a source of that name begins: with people, who are
// found by their address and deleted. Further fields and collections may follow.
func peopleOf(source string) string {
	return `
dataset:
  - fides_key: ` + source + `
    lethe: {source: ` + source + `, basis: f}
    collections:
      - name: people
        fides_meta: {masking_strategy_override: {strategy: delete}}
        fields:
          - {name: id, fides_meta: {primary_key: true}}
          - {name: email, data_categories: [user.contact.email], fides_meta: {identity: email}}`
}

// seeds are pairs of type and value.
func seeds(pairs ...string) []source.Seed {
	var all []source.Seed
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, source.Seed{Type: pairs[i], Value: pairs[i+1]})
	}
	return all
}

// noNote is a control database that takes every note.
func noNote(context.Context, source.Note) error { return nil }

func number(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("expected a number from %s: %v", sql, err)
	}
	return n
}

// by sorts findings under their collections' names, without the dataset's.
func by(findings []source.Finding) map[string]source.Finding {
	m := map[string]source.Finding{}
	for _, f := range findings {
		m[filepath.Ext(f.Collection)[1:]] = f
	}
	return m
}

// erasedWhole erases, and expects the second look to find nothing.
func erasedWhole(t testing.TB, s *postgres.Source, w source.Walk) map[string]source.Finding {
	t.Helper()
	done, err := s.Erase(t.Context(), w, source.Holds{}, noNote)
	if err != nil {
		t.Fatal(err)
	}
	left, err := s.Look(t.Context(), w, source.Holds{}, done.Keys)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left.Findings {
		if f.Rows != 0 {
			t.Errorf("expected nothing left, got %+v", f)
		}
	}
	return by(done.Findings)
}

func expect(t testing.TB, f source.Finding, rows, shared, erased, masked int64) {
	t.Helper()
	if f.Rows != rows || f.Shared != shared || f.Erased != erased || f.Masked != masked {
		t.Errorf("%s: expected %d rows, %d shared, %d erased, %d masked; got %+v", f.Collection, rows, shared, erased, masked, f)
	}
}

// chat makes the live chat's tables, empty.
func chat(t testing.TB) (*pgxpool.Pool, *datamap.Map) {
	t.Helper()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, livechat.Schema)
	return pool, mapOf(t, livechat.Datamap)
}

// realChat fills them with the real rows, where those are.
func realChat(t testing.TB) (*pgxpool.Pool, *datamap.Map) {
	t.Helper()
	dir := "../../../../shared/data/livechat"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the real rows are not beside the repository")
	}
	pool, m := chat(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, table := range []string{"accounts", "agents", "contacts", "visitors", "visits", "identifiers", "consents", "conversations", "messages", "attachments"} {
		f, err := os.Open(filepath.Join(dir, table+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Conn().PgConn().CopyFrom(t.Context(), f, "COPY "+table+" FROM STDIN (FORMAT csv, HEADER)")
		f.Close()
		if err != nil {
			t.Fatalf("expected %s to load: %v", table, err)
		}
	}
	pgtest.Exec(t, pool, "ANALYSE")
	return pool, m
}

// both runs a test in both ways of a walk.
func both(t *testing.T, f func(t *testing.T, o postgres.Options)) {
	t.Helper()
	for name, above := range map[string]int64{"one statement": 0, "staged": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, postgres.Options{StagedAbove: above, Now: func() time.Time { return time.Unix(0, 0) }})
		})
	}
}

// poolOf opens a pool that is closed with the test.
func poolOf(t testing.TB, c *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
