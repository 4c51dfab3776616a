package pg_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestOpenSetsTheSession(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	empty := pgtest.Empty(t)
	pgtest.Exec(t, empty, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_session_timeout = 1000', current_database()); END $$`)
	pool, err := pg.Open(ctx, pgtest.URL(empty), pg.Options{
		Name: "lethe control", SearchPath: "lethe", MaxConns: 3,
		StatementTimeout: 1500 * time.Millisecond, LockTimeout: time.Microsecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for name, want := range map[string]string{
		"TimeZone": "UTC", "application_name": "lethe control", "search_path": "lethe",
		"statement_timeout": "1500ms", "lock_timeout": "1ms", "idle_in_transaction_session_timeout": "2min",
		"idle_session_timeout": "0", // a listener is silent for as long as nothing happens
	} {
		var got string
		if err := pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("expected %s to be %s, got %s", name, want, got)
		}
	}
	if got := pool.Config().MaxConns; got != 3 {
		t.Errorf("expected at most 3 connections, got %d", got)
	}
	if got := pool.Config().ConnConfig.ConnectTimeout; got != 5*time.Second {
		t.Errorf("expected a connection to be given up after 5 s, got %s", got)
	}
}

func TestOpenTakesTheURLsLimit(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]int32{
		"postgres://u@h/d":                   8,
		"postgres://u@h/d?pool_max_conns=17": 17,
	} {
		pool, err := pg.Open(t.Context(), url, pg.Options{}) // does not connect
		if err != nil {
			t.Fatal(err)
		}
		pool.Close()
		if got := pool.Config().MaxConns; got != want {
			t.Errorf("%s: expected at most %d connections, got %d", url, want, got)
		}
	}
}

func TestErrorsOfConnectingHoldNothingOfTheURL(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE ROLE may_not_sign_in NOLOGIN`)
	t.Cleanup(func() { pgtest.Exec(t, pool, `DROP ROLE may_not_sign_in`) })
	host := pool.Config().ConnConfig.Host
	for name, c := range map[string]struct {
		url, code, says string
	}{
		"unreadable":      {"postgres://hunter2:hunter2@hunter2:port/hunter2", "", "should look like"},
		"a bad number":    {"postgres://hunter2@h/hunter2?connect_timeout=hunter2", "", "should look like"},
		"a password with": {"postgres://u:hunter2/x@h:1/d", "", "should look like"},
		"nobody there":    {"postgres://hunter2:hunter2@127.0.0.1:1/hunter2?sslmode=disable", "08001", "refused"},
		"no such host":    {"postgres://hunter2:hunter2@hunter2.invalid/hunter2", "08001", "host name is not known"},
		"no such socket":  {"postgres://hunter2:hunter2@/hunter2?host=/hunter2", "08001", "no such socket"},
		"no database":     {"postgres://lethe:hunter2@/hunter2?host=" + host, "3D000", "the database does not exist"},
		"no user":         {"postgres://hunter2:hunter2@/postgres?host=" + host, "28000", "may not sign in"},
		"no login":        {"postgres://may_not_sign_in:hunter2@/postgres?host=" + host, "28000", "may not sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ping(t.Context(), c.url)
			if err == nil {
				t.Fatal("expected no connection")
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), host) || strings.Contains(err.Error(), "may_not_sign_in") {
				t.Errorf("expected no part of the URL in the error, got %q", err)
			}
			if !strings.Contains(err.Error(), c.says) || pg.Code(err) != c.code {
				t.Errorf("expected SQLSTATE %q and %q, got %q", c.code, c.says, err)
			}
			if passing := c.code == "08001"; pg.Passing(err) != passing {
				t.Errorf("expected Passing to be %t for %q", passing, err)
			}
		})
	}
}

func ping(ctx context.Context, url string) error {
	pool, err := pg.Open(ctx, url, pg.Options{})
	if err != nil {
		return err
	}
	defer pool.Close()
	return pg.Clean(pool.Ping(ctx))
}

var errOurs = errors.New("a decision of the caller's")

func TestInTx(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE marks (id int PRIMARY KEY, of int REFERENCES marks DEFERRABLE INITIALLY DEFERRED)`)
	insert := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO marks VALUES (1)`)
		return err
	}
	count := func(want int, when string) {
		t.Helper()
		var n int
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM marks`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Errorf("%s: expected %d rows, got %d", when, want, n)
		}
		if held := pool.Stat().AcquiredConns(); held != 0 {
			t.Errorf("%s: expected every connection back in the pool, %d are out", when, held)
		}
	}

	err := pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		if err := insert(tx); err != nil {
			return err
		}
		return errOurs
	})
	if err != errOurs { //nolint:errorlint // the very same error is expected
		t.Errorf("expected the caller's own error as it is, got %v", err)
	}
	count(0, "after an error")

	func() {
		defer func() {
			if recover() != "stop" {
				t.Error("expected the panic to go on its way")
			}
		}()
		_ = pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if err := insert(tx); err != nil {
				return err
			}
			panic("stop")
		})
	}()
	count(0, "after a panic")

	stopped, cancel := context.WithCancel(ctx)
	err = pg.InTx(stopped, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		defer cancel()
		return insert(tx)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("expected a commit after the context's end to fail with it, got %v", err)
	}
	count(0, "after the context's end")

	err = pg.InTx(ctx, pool, pgx.TxOptions{}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO marks VALUES (1, 77)`)
		return err
	})
	if pg.Code(err) != "23503" || strings.Contains(err.Error(), "77") {
		t.Errorf("expected COMMIT's error without the row's value, got %v", err)
	}
	count(0, "after a commit that failed")

	if err := pg.InTx(ctx, pool, pgx.TxOptions{}, insert); err != nil {
		t.Errorf("expected the row to be written, got %v", err)
	}
	count(1, "after all went well")
	if err := pg.InTx(stopped, pool, pgx.TxOptions{}, insert); !errors.Is(err, context.Canceled) {
		t.Errorf("expected no transaction to begin after the context's end, got %v", err)
	}
}
