package datamap

import (
	"context"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/lethe-dsr/lethe/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// The example's map and its schema say the same: each column of a mapped table
// is a field, keys are keys, and what may be emptied admits NULL.
func TestExampleSchema(t *testing.T) {
	t.Parallel()
	pool := pgtest.Empty(t)
	schema, err := os.ReadFile("../../examples/livechat/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := pool.Exec(ctx, string(schema)); err != nil {
		t.Fatalf("expected the example's schema to load, got %v", err)
	}
	type column struct {
		Name    string
		NotNull bool
		Key     bool
	}
	m := example(t)
	plan, err := Compile(m, Builtin(Erasure), []string{"email", "visitor"})
	if err != nil {
		t.Fatal(err)
	}
	emptied := make(map[string]bool)
	for _, v := range plan.Visits {
		for _, target := range v.Targets {
			emptied[target.Field.FullName()] = target.Masking.Strategy == "null_rewrite"
		}
	}
	for _, c := range m.Datasets[0].Collections {
		rows, err := pool.Query(ctx, `
			SELECT a.attname AS name, a.attnotnull AS not_null, coalesce(a.attnum = ANY (k.conkey), false) AS key
			FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
			WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, c.Name)
		if err != nil {
			t.Fatal(err)
		}
		columns, err := pgx.CollectRows(rows, pgx.RowToStructByName[column])
		if err != nil {
			t.Fatal(err)
		}
		var want, got []string
		for _, col := range columns {
			want = append(want, col.Name)
			f := c.Field(col.Name)
			if f == nil {
				continue
			}
			if f.PrimaryKey != col.Key {
				t.Errorf("expected primary_key %v for %s", col.Key, f.FullName())
			}
			if col.NotNull && emptied[f.FullName()] {
				t.Errorf("expected %s to admit NULL: an erasure empties it where the row must stay", f.FullName())
			}
		}
		for _, f := range c.Fields {
			got = append(got, f.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("expected the fields of %s to be the table's columns (-table +map):\n%s", c.Name, diff)
		}
	}
	// An erasure deletes parents: without an index on the child's column each costs a scan.
	var missing []string
	err = pool.QueryRow(ctx, `
		SELECT coalesce(array_agg(c.conrelid::regclass || '.' || a.attname), '{}')
		FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
		WHERE c.contype = 'f' AND NOT EXISTS (
			SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])`).Scan(&missing)
	if err != nil || len(missing) > 0 {
		t.Errorf("expected an index on each foreign key, none on %v (%v)", missing, err)
	}
	var cascades int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND confdeltype <> 'a'`).Scan(&cascades); err != nil || cascades > 0 {
		t.Errorf("expected no foreign key to cascade, %d do (%v)", cascades, err)
	}
}
