package migrations_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/migrations"
)

func TestUpFromNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.Empty(t)

	err := migrations.Check(ctx, pool)
	if !errors.Is(err, migrations.ErrOlder) || !strings.Contains(err.Error(), "run lethe migrate") {
		t.Fatalf("an empty database: expected ErrOlder with what to do, got %v", err)
	}
	for range 2 { // the second time there is nothing to do
		if err := migrations.Up(ctx, pool); err != nil {
			t.Fatalf("expected the control schema to come up, got %v", err)
		}
		if err := migrations.Check(ctx, pool); err != nil {
			t.Fatalf("expected a migrated database to be right, got %v", err)
		}
	}
	var outside int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&outside); err != nil {
		t.Fatal(err)
	}
	if outside != 0 {
		t.Errorf("expected everything in schema %s, found %d tables in public", migrations.Schema, outside)
	}
	for _, table := range []string{"requests", "ledger", "river_job", "goose_db_version"} {
		var there bool
		if err := pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, migrations.Schema+"."+table).Scan(&there); err != nil {
			t.Fatal(err)
		}
		if !there {
			t.Errorf("expected table %s in schema %s", table, migrations.Schema)
		}
	}
}

// TestAnotherBuildsTablesAreRefused: a migration that was changed after it was
// carried out leaves tables that this binary would use wrongly.
// TestAnEncodingThatLacksLetters: it is told before anything is made.
func TestAnEncodingThatLacksLetters(t *testing.T) {
	t.Parallel()
	admin := pgtest.Empty(t)
	conf := admin.Config()
	conf.ConnConfig.Database += "_latin"
	name := pgx.Identifier{conf.ConnConfig.Database}.Sanitize()
	pgtest.Exec(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { pgtest.Exec(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	pool, err := pgxpool.NewWithConfig(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for what, err := range map[string]error{"migrate": migrations.Up(t.Context(), pool), "check": migrations.Check(t.Context(), pool)} {
		if !errors.Is(err, migrations.ErrEncoding) {
			t.Errorf("%s: expected the encoding to be refused, got %v", what, err)
		}
	}
	var made int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_namespace WHERE nspname = 'lethe'`).Scan(&made); err != nil || made != 0 {
		t.Errorf("expected nothing to be made, got %d schemas, %v", made, err)
	}
}

// TestARoleThatMayMakeNothing: what its owner has to grant is said.
func TestARoleThatMayMakeNothing(t *testing.T) {
	t.Parallel()
	admin := pgtest.Empty(t)
	conf := admin.Config()
	conf.ConnConfig.User = "makes_nothing"
	pgtest.Exec(t, admin, "CREATE ROLE makes_nothing LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, admin, "DROP ROLE makes_nothing") })
	pool, err := pgxpool.NewWithConfig(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	want := "GRANT CREATE ON DATABASE " + pgx.Identifier{conf.ConnConfig.Database}.Sanitize() + ` TO "makes_nothing"`
	if err := migrations.Up(t.Context(), pool); pg.Code(err) != "42501" || !strings.Contains(err.Error(), want) {
		t.Errorf("expected %q to be advised, got %v", want, err)
	}
}

func TestAnotherBuildsTablesAreRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, sql := range map[string]string{"of another text": `UPDATE lethe.migration_text SET digest = '00'`, "from before texts were noted": `DROP TABLE lethe.migration_text`} {
		pool := pgtest.Control(t)
		if err := migrations.Check(ctx, pool); err != nil {
			t.Fatalf("expected a migrated database to be right, got %v", err)
		}
		pgtest.Exec(t, pool, sql)
		for doing, err := range map[string]error{"check": migrations.Check(ctx, pool), "up": migrations.Up(ctx, pool)} {
			if !errors.Is(err, migrations.ErrOther) || !strings.Contains(err.Error(), "DROP SCHEMA lethe") {
				t.Errorf("%s, %s: expected ErrOther with what to do, got %v", name, doing, err)
			}
		}
	}
}

// Through a pooler the schema comes up where it keeps sessions; where it shares
// them the lock would be somebody else's, and nothing is begun.
func TestUpThroughAPooler(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	through := func(transactions bool) (err error) {
		straight := pgtest.Empty(t)
		pool, err := pg.Open(ctx, pgtest.Pooler(t, straight, transactions), pg.Options{SearchPath: migrations.Schema, StatementTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		err = migrations.Up(ctx, pool)
		if err == nil {
			return migrations.Check(ctx, straight)
		}
		var there bool
		if err := straight.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL`, migrations.Schema).Scan(&there); err != nil || there {
			t.Errorf("expected nothing to be made by a migration that is refused, got %t (%v)", there, err)
		}
		return err
	}
	if err := through(false); err != nil {
		t.Errorf("expected the schema to come up through a pooler that keeps sessions, got %v", err)
	}
	if err := through(true); !errors.Is(err, pg.ErrPooled) {
		t.Errorf("expected a pooler that shares sessions to be refused, got %v", err)
	}
}

func TestUpFromSeveralProcessesAtOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	first := pgtest.Empty(t)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		pool, err := pg.Open(ctx, pgtest.URL(first), pg.Options{Name: "process"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		wg.Go(func() { errs[i] = migrations.Up(ctx, pool) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("process %d: expected to find the schema up or bring it up, got %v", i, err)
		}
	}
	if err := migrations.Check(ctx, first); err != nil {
		t.Errorf("expected a database that is right, got %v", err)
	}
	var twice int
	if err := first.QueryRow(ctx, `SELECT count(*) FROM (SELECT version_id FROM lethe.goose_db_version GROUP BY 1 HAVING count(*) > 1) t`).Scan(&twice); err != nil {
		t.Fatal(err)
	}
	if twice != 0 {
		t.Errorf("expected each migration to be noted once, %d were more often", twice)
	}
}

func TestUpGoesOnWithTheRest(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	// An administrator made the schema; another tool's tables stand in public.
	pgtest.Exec(t, pool, `CREATE SCHEMA lethe; CREATE TABLE public.requests (id int); CREATE TABLE public.goose_db_version (id int)`)
	if err := migrations.Up(t.Context(), pool); err != nil {
		t.Fatalf("expected the schema that was there to be used, got %v", err)
	}
	if err := migrations.Check(t.Context(), pool); err != nil {
		t.Errorf("expected a database that is right, got %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"ours":        `INSERT INTO lethe.goose_db_version (version_id, is_applied) VALUES (999, true)`,
		"the queue's": `INSERT INTO lethe.river_migration (line, version) VALUES ('main', 999)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Control(t)
			pgtest.Exec(t, pool, sql)
			for what, do := range map[string]func(context.Context, *pgxpool.Pool) error{"Check": migrations.Check, "Up": migrations.Up} {
				err := do(t.Context(), pool)
				if !errors.Is(err, migrations.ErrNewer) {
					t.Fatalf("%s: expected ErrNewer, got %v", what, err)
				}
				for _, part := range []string{"migrated by a newer lethe", "999", "run the newer binary"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: expected the sentence to hold %q, got %q", what, part, err)
					}
				}
			}
		})
	}
}

func TestUpStopsWaitingWithItsContext(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `SELECT pg_advisory_lock(x'6c65746865'::bigint)`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- migrations.Up(ctx, pool) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("expected the wait for another process to end with the context, got %v", err)
	}
}

func TestUpSaysWhichRightIsMissing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE ROLE nothing_allowed LOGIN`)
	t.Cleanup(func() { pgtest.Exec(t, pool, `DROP ROLE nothing_allowed`) })
	c := pool.Config()
	c.ConnConfig.User = "nothing_allowed"
	poor, err := pgxpool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer poor.Close()
	err = migrations.Up(t.Context(), poor)
	if pg.Code(err) != "42501" || !strings.Contains(err.Error(), "create schema lethe") {
		t.Errorf("expected SQLSTATE 42501 while creating the schema, got %v", err)
	}
}
