package pgtest_test

import (
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lethe-dsr/lethe/internal/importrule"
	"github.com/lethe-dsr/lethe/internal/pgtest"
	"github.com/lethe-dsr/lethe/migrations"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestEachHasItsOwn(t *testing.T) {
	t.Parallel()
	pools := make([]*pgxpool.Pool, 4)
	t.Run("group", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range pools {
			wg.Go(func() { pools[i] = pgtest.Control(t) })
		}
		wg.Wait()
		for i, pool := range pools {
			pgtest.Exec(t, pool, `CREATE TABLE mine (n int)`) // would stand there already if it were another's
			if err := migrations.Check(t.Context(), pool); err != nil {
				t.Errorf("database %d: expected it to be migrated, got %v", i, err)
			}
			var schema string
			if err := pool.QueryRow(t.Context(), `SELECT schemaname FROM pg_tables WHERE tablename = 'mine'`).Scan(&schema); err != nil {
				t.Fatal(err)
			}
			if schema != migrations.Schema {
				t.Errorf("expected unqualified names in schema %s, got %s", migrations.Schema, schema)
			}
		}
	})
	// The group has ended: its databases are gone.
	var left int
	const sql = `SELECT count(*) FROM pg_database WHERE datname = $1`
	if err := pgtest.Empty(t).QueryRow(t.Context(), sql, pools[0].Config().ConnConfig.Database).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Error("expected a test's database to be dropped with it")
	}
}

func TestURLOpensTheSameDatabase(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	pgtest.Exec(t, pool, `CREATE TABLE here (n int); INSERT INTO here VALUES (7)`)
	other, err := pgxpool.New(t.Context(), pgtest.URL(pool))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var n int
	if err := other.QueryRow(t.Context(), `SELECT n FROM here`).Scan(&n); err != nil || n != 7 {
		t.Errorf("expected the URL to lead to the pool's database, got %d, %v", n, err)
	}
}

func TestNoShippedCodeImportsIt(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"../../dsar", "../../retention", "../../jobs", "../../cmd/lethe", "../../migrations", "../ledger", "../pg", "../devpg"} {
		importrule.Only(t, dir, "github.com/lethe-dsr/lethe/internal/pgtest", "testing")
	}
}
