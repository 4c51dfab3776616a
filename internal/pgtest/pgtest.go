// Package pgtest gives each test a Postgres database of its own, on a private
// cluster that lives as long as the test binary. Only tests import it.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestSubmit(t *testing.T) {
//		t.Parallel()
//		pool := pgtest.Control(t)
//		…
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/lethe-dsr/lethe/internal/devpg"
	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/migrations"
)

const (
	template = "control_template"
	// limit bounds each step that a test waits for here.
	limit = 2 * time.Minute
	// releaseLimit is how long a pool may wait for connections that a test
	// still holds when it ends.
	releaseLimit = 10 * time.Second
)

// state is the test binary's cluster: the one thing in this module that is
// global, because a test binary has one TestMain and many tests.
type state struct {
	start    sync.Once
	server   *devpg.Server
	startErr error

	migrate    sync.Once
	migrateErr error

	number atomic.Int64
}

var cluster state

// Main runs the tests of a package: call it as TestMain's only statement. The
// cluster starts with the first test that needs it and is gone at the end.
// Goroutines that the tests left behind fail a run that passed.
func Main(m *testing.M, options ...goleak.Option) {
	devpg.Supervise()
	code := m.Run()
	if cluster.server != nil {
		if err := cluster.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: expected the private Postgres to leave nothing behind:", err)
			code = max(code, 1)
		}
	}
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: expected every goroutine to have ended with its test:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Control is a fresh control database: migrated, search path and time zone as
// in a real one. It is dropped when the test ends.
func Control(t testing.TB) *pgxpool.Pool {
	t.Helper()
	s := server(t)
	cluster.migrate.Do(func() { cluster.migrateErr = makeTemplate(s) })
	if cluster.migrateErr != nil {
		t.Fatalf("pgtest: expected a migrated template: %v", cluster.migrateErr)
	}
	return database(t, s, template, migrations.Schema)
}

// Empty is a fresh empty database, dropped when the test ends.
func Empty(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return database(t, server(t), "", "")
}

// URL is the connection string of a pool's database.
func URL(pool *pgxpool.Pool) string { return pool.Config().ConnString() }

// Exec runs statements that a test needs to have run, without arguments and as
// many as there are.
func Exec(t testing.TB, pool *pgxpool.Pool, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if _, err := pool.Exec(ctx, sql); err != nil {
		t.Fatalf("pgtest: expected the statement to run: %v\n%s", err, sql)
	}
}

func server(t testing.TB) *devpg.Server {
	t.Helper()
	cluster.start.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		cluster.server, cluster.startErr = devpg.Start(ctx, devpg.Options{
			MaxConns: 200,
			Dir:      folder(),
			Settings: map[string]string{
				"shared_buffers": "64MB",
				"max_wal_size":   "256MB",
				// Several packages' tests run at once, on few cores.
				"autovacuum_naptime":    "1h",
				"max_parallel_workers":  "0",
				"bgwriter_lru_maxpages": "0",
			},
		})
	})
	if errors.Is(cluster.startErr, devpg.ErrNoBinaries) {
		t.Fatalf("pgtest: the tests need Postgres: %v", cluster.startErr)
	}
	if cluster.startErr != nil {
		t.Fatalf("pgtest: expected a private Postgres: %v", cluster.startErr)
	}
	return cluster.server
}

// makeTemplate migrates one database, of which every control database is a copy.
func makeTemplate(s *devpg.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := s.CreateDatabase(ctx, template, ""); err != nil {
		return err
	}
	pool, err := pg.Open(ctx, s.URL(template), pg.Options{Name: "pgtest"})
	if err != nil {
		return err
	}
	defer pool.Close()
	return migrations.Up(ctx, pool)
}

func database(t testing.TB, s *devpg.Server, from, searchPath string) *pgxpool.Pool {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	name := "test_" + strconv.FormatInt(cluster.number.Add(1), 10)
	if err := s.CreateDatabase(ctx, name, from); err != nil {
		t.Fatalf("pgtest: expected a fresh database: %v", err)
	}
	pool, err := pg.Open(ctx, s.URL(name), pg.Options{Name: "pgtest", SearchPath: searchPath, MaxConns: 10})
	if err != nil {
		t.Fatalf("pgtest: expected a pool: %v", err)
	}
	t.Cleanup(func() { drop(t, s, pool, name) })
	return pool
}

func drop(t testing.TB, s *devpg.Server, pool *pgxpool.Pool, name string) {
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	timer := time.NewTimer(releaseLimit)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
		t.Error("pgtest: expected the test to give back every connection: rows not closed, or a transaction not ended?")
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := s.DropDatabase(ctx, name); err != nil {
		t.Errorf("pgtest: expected to drop the test's database: %v", err)
	}
}
