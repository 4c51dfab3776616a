package pg_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lethe-dsr/lethe/internal/pg"
	"github.com/lethe-dsr/lethe/internal/pgtest"
)

// What Lethe sets, a pooler that keeps sessions need not know.
func TestAPoolerThatKeepsSessions(t *testing.T) {
	t.Parallel()
	ctx, empty := t.Context(), pgtest.Empty(t)
	pgtest.Exec(t, empty, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET jit = on', current_database()); END $$`) // as Postgres comes
	pool, err := pg.Open(ctx, pgtest.Pooler(t, empty, false), pg.Options{
		Name: "lethe control", SearchPath: "lethe", ByKey: true, StatementTimeout: time.Second, LockTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for range 3 { // and goes on doing so
		for name, want := range map[string]string{
			"search_path": "lethe", "statement_timeout": "1s", "lock_timeout": "1s", "idle_in_transaction_session_timeout": "2min",
			"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off",
		} {
			var got string
			if err := pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&got); err != nil {
				t.Fatal(pg.Clean(err))
			}
			if got != want {
				t.Errorf("expected %s to be %s, got %s", name, want, got)
			}
		}
	}
}

// A pooler that shares sessions is refused before anything is set that others
// would meet.
func TestAPoolerThatSharesSessions(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := pgtest.Pooler(t, pgtest.Empty(t), true)
	others, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = others.Close(ctx) }()
	settings := func() string {
		all, err := others.Exec(ctx, "SELECT string_agg(name || ' ' || setting, ', ' ORDER BY name) FROM pg_settings").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return string(all[0].Rows[0][0])
	}
	before := settings()
	pool, err := pg.Open(ctx, url, pg.Options{SearchPath: "lethe", ByKey: true, StatementTimeout: time.Second, LockTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for range 2 {
		err := pg.Clean(pool.Ping(ctx))
		if !errors.Is(err, pg.ErrPooled) || !strings.Contains(err.Error(), "pool_mode = session") || pg.Passing(err) {
			t.Fatalf("expected such a pooler to be refused for good, and what to do, got %v", err)
		}
	}
	if after := settings(); after != before {
		t.Errorf("expected a session of others to be as it was:\n%s\n%s", before, after)
	}
}

func TestAPoolersErrors(t *testing.T) {
	t.Parallel()
	for message, says := range map[string]string{
		"unsupported startup parameter: statement_timeout":  "the parameter statement_timeout of the URL",
		"unsupported startup parameter: eva.horn@x.example": "(connection problem)",
		"query_wait_timeout":                            "no connection to the server in time",
		"no more connections allowed (max_client_conn)": "takes no more connections",
		"bouncer config error":                          "does not know this database or user",
		"no such user: eva.horn":                        "does not know this database or user",
		"server login has been failing, try again later (server_login_retry)": "cannot reach the server",
		"eva.horn": "(connection problem)",
	} {
		err := pg.Clean(&pgconn.PgError{Code: "08P01", Message: message})
		if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "eva") || !pg.Passing(err) {
			t.Errorf("%s: expected a passing error with %q, and no name, got %v", message, says, err)
		}
	}
}
